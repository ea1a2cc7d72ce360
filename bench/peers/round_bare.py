# SPDX-License-Identifier: Apache-2.0
"""FedAvg as a plain loop in PyTorch: one model, which every client of the cohort starts from anew.

    round_bare.py shard=FILE partition=FILE cohorts=FILE weights=FILE width=16 batch=10 threads=1
                  format=contiguous

With RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set, the cohort is shared out over processes
(torch.distributed, gloo) and the sum is all-reduced.
"""

import os

import turns

words = turns.setting()
torch = turns.single_threaded(words["threads"])

from fedavg import Federation, one_epoch, save  # noqa: E402


def main():
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if ranks > 1:
        torch.distributed.init_process_group("gloo")
    federation = Federation(words)
    model = federation.network()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    taking = turns.Turns(lambda path: save(weights, path), turns.broadcast)
    taking.ready()
    number = 0
    while taking.wait():
        cohort = federation.cohort(number)
        total = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
        loss = 0.0
        for client in cohort[rank::ranks]:
            model.load_state_dict(weights)
            loss += one_epoch(model, federation.loss, *federation.clients[client], federation.batch)
            for name, tensor in model.state_dict().items():
                total[name] += tensor
        if ranks > 1:
            flat = torch.cat([tensor.flatten() for tensor in total.values()])
            torch.distributed.all_reduce(flat)
            pieces = flat.split([tensor.numel() for tensor in total.values()])
            total = {name: piece.view_as(total[name]) for name, piece in zip(total, pieces)}
        weights = {name: tensor / len(cohort) for name, tensor in total.items()}
        number += 1
        taking.done(loss / len(cohort[rank::ranks]))


if __name__ == "__main__":
    main()
