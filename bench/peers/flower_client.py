# SPDX-License-Identifier: Apache-2.0
"""The client of round_flower.py, in a module of its own: Flower's workers import it."""

import functools
import json
import os

from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

VARIABLE = "HARMOFL_BENCH_FLOWER"  # the words of the command line, as JSON
app = ClientApp()


@functools.cache
def loaded():
    """Samples and model of this worker; Flower keeps workers from round to round."""
    import torch

    from fedavg import Federation

    words = json.loads(os.environ[VARIABLE])
    torch.set_num_threads(int(words["threads"]))
    federation = Federation(words)
    return federation, federation.network()


@app.train()
def train(message: Message, context):
    """One epoch on the samples of the client that the message names."""
    from fedavg import one_epoch

    federation, model = loaded()
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    images, targets = federation.clients[message.content["config"]["client"]]
    loss = one_epoch(model, federation.loss, images, targets, federation.batch)
    return Message(
        RecordDict(
            {
                "arrays": ArrayRecord(model.state_dict()),
                "metrics": MetricRecord({"num-examples": len(images), "loss": loss}),
            }
        ),
        reply_to=message,
    )
