# SPDX-License-Identifier: Apache-2.0
"""The same rounds by Flower: its FedAvg in its simulation, whose workers ray keeps.

Words as round_bare.py has them, and workers=1: how many there are, each with a CPU of ray's;
rounds=N: how many there will be at most. The
strategy is Flower's own; only which clients take part is given, so that all sides train the same.
No evaluation; telemetry and ray's usage statistics are off, so that no network is asked for.
"""

import json
import os

os.environ.update(
    FLWR_TELEMETRY_ENABLED="0",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_DISABLE_IMPORT_WARNING="1",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
)

import turns

words = turns.setting()

import flower_client  # noqa: E402

os.environ[flower_client.VARIABLE] = json.dumps(words)

import logging  # noqa: E402

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, RecordDict  # noqa: E402
from flwr.serverapp import ServerApp  # noqa: E402
from flwr.serverapp.strategy import FedAvg  # noqa: E402
from flwr.simulation import run_simulation  # noqa: E402

from fedavg import Federation, save  # noqa: E402


class InTurn(FedAvg):
    """FedAvg whose rounds begin when the driver asks for them, with cohorts that are given."""

    def __init__(self, federation):
        super().__init__(fraction_train=1.0, fraction_evaluate=0.0, min_available_nodes=1)
        self._federation, self._arrays, self._nodes = federation, None, None
        self._taking = turns.Turns(lambda path: save(self._arrays.to_torch_state_dict(), path))

    def configure_train(self, server_round, arrays, config, grid):
        self._arrays = arrays
        if self._nodes is None:
            self._nodes = sorted(grid.get_node_ids())
            self._taking.ready()
        else:
            self._taking.done()
        if not self._taking.wait():
            return []
        cohort = self._federation.cohort(server_round - 1)
        return [
            Message(
                RecordDict({"arrays": arrays, "config": ConfigRecord({"client": client})}),
                message_type=MessageType.TRAIN,
                dst_node_id=node,
            )
            for client, node in zip(cohort, self._nodes)
        ]


def main():
    logging.getLogger("flwr").setLevel(logging.ERROR)
    federation = Federation(words)
    server = ServerApp()

    @server.main()
    def serve(grid, context):
        strategy = InTurn(federation)
        strategy.start(grid, ArrayRecord(federation.network().state_dict()), num_rounds=int(words["rounds"]))

    workers = int(words["workers"])
    run_simulation(
        server,
        flower_client.app,
        num_supernodes=len(federation.clients),
        backend_config={
            "init_args": {"num_cpus": workers, "logging_level": "ERROR", "log_to_driver": False},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )


if __name__ == "__main__":
    main()
