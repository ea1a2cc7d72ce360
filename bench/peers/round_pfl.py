# SPDX-License-Identifier: Apache-2.0
"""The same rounds by pfl-research: FederatedAveraging on its SimulatedBackend.

Words as round_bare.py has them. No callback but the one that takes turns, no validation users, no
evaluation, every user weighs the same. Under torchrun's variables (RANK, WORLD_SIZE, ...) pfl
starts
torch.distributed itself and shares the cohort out.
"""

import turns

words = turns.setting()
torch = turns.single_threaded(words["threads"])

from pfl.aggregate.simulate import SimulatedBackend  # noqa: E402
from pfl.aggregate.weighting import WeightByUser  # noqa: E402
from pfl.algorithm.base import NNAlgorithmParams  # noqa: E402
from pfl.algorithm.federated_averaging import FederatedAveraging  # noqa: E402
from pfl.callback.base import TrainingProcessCallback  # noqa: E402
from pfl.data.dataset import Dataset  # noqa: E402
from pfl.data.federated_dataset import FederatedDataset  # noqa: E402
from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams  # noqa: E402
from pfl.metrics import Metrics  # noqa: E402
from pfl.model.pytorch import PyTorchModel  # noqa: E402

from fedavg import Federation, save  # noqa: E402


class TakeTurns(TrainingProcessCallback):
    """Lets an iteration begin when the driver asks for it."""

    def __init__(self, taking):
        self._taking = taking

    def on_train_begin(self, *, model):
        self._taking.ready()
        self._taking.wait()
        return Metrics()

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        self._taking.done()
        return not self._taking.wait(), Metrics()


def with_loss(network, loss):
    """pfl asks the module itself for its loss and metrics."""
    network.loss = lambda images, targets: loss(network(images), targets)
    network.metrics = lambda images, targets: {}
    return network


def main():
    federation = Federation(words)
    order = (client for number in range(10**6) for client in federation.cohort(number))
    data = {client: Dataset(samples, user_id=client) for client, samples in federation.clients.items()}
    users = FederatedDataset(data.__getitem__, lambda: next(order))
    network = with_loss(federation.network(), federation.loss)
    model = PyTorchModel(network, torch.optim.SGD, torch.optim.SGD(network.parameters(), lr=1.0))
    taking = turns.Turns(lambda path: save(network.state_dict(), path), turns.broadcast)
    FederatedAveraging().run(
        NNAlgorithmParams(
            central_num_iterations=10**6,
            evaluation_frequency=10**6,
            train_cohort_size=len(federation.cohorts[0]),
            val_cohort_size=None,
        ),
        SimulatedBackend(users, val_data=None, postprocessors=[WeightByUser()]),
        model,
        NNTrainHyperParams(local_num_epochs=1, local_learning_rate=0.1, local_batch_size=federation.batch),
        NNEvalHyperParams(local_batch_size=None),
        callbacks=[TakeTurns(taking)],
        send_metrics_to_platform=False,
    )


if __name__ == "__main__":
    main()
