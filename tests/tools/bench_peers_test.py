# SPDX-License-Identifier: Apache-2.0
"""bench/peers: files that harmofl writes, losses of a turn, and the step by torch.compile against itself.

By hand, from the root of the checkout:
    PYTHONPATH=.deps/libtorch .deps/venv/bin/python tests/tools/bench_peers_test.py
"""

import io
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

PEERS = pathlib.Path(__file__).resolve().parents[2] / "bench/peers"
sys.path.insert(0, str(PEERS))
sys.argv[1:] = ["threads=1"]  # step.py reads the words of its command line when it is imported
try:
    import step
    import tensors
    import torch
    import turns
    from safetensors.torch import save_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


class Tensors(unittest.TestCase):
    """Files of tensors, against the library that others read them with."""

    def test_what_safetensors_writes_is_read(self):
        given = {
            "a.weight": torch.randn(3, 2, 5),
            "count": torch.tensor(7),
            "none": torch.empty(0, 4),
            "one": torch.tensor(2.5),
        }
        with tempfile.TemporaryDirectory() as folder:
            save_file(given, f"{folder}/x.safetensors", metadata={"who": "a test"})
            found = tensors.read_tensors(f"{folder}/x.safetensors")
        self.assertEqual(sorted(found), sorted(given))
        for name, tensor in given.items():
            self.assertEqual((found[name].dtype, found[name].shape), (tensor.dtype, tensor.shape))
            self.assertTrue(torch.equal(found[name], tensor), name)

    def test_samples_have_whole_numbers_as_targets(self):
        given = {
            "images": torch.rand(2, 3, 4, 4),
            "targets": torch.tensor([1.0, 0.0]),
            "classes": torch.tensor(2.0),
        }
        with tempfile.TemporaryDirectory() as folder:
            save_file(given, f"{folder}/x.safetensors")
            images, targets, classes = tensors.read_samples(f"{folder}/x.safetensors")
        self.assertTrue(torch.equal(images, given["images"]))
        self.assertEqual((targets.tolist(), targets.dtype, classes), ([1, 0], torch.int64, 2))


class Turns(unittest.TestCase):
    """What a turn is answered with."""

    def losses_of(self, text, losses, **options):
        """The answers to what a driver asks, of a loop that has these losses one after the other."""
        said = io.StringIO()
        with mock.patch("sys.stdin", io.StringIO(text)), mock.patch("sys.stdout", said):
            taking = turns.Turns(save=None, **options)
            remaining = iter(losses)
            while taking.wait():
                taking.done(next(remaining))
        return [float(line.split()[1]) for line in said.getvalue().splitlines()]

    def test_the_last_loss_or_the_mean_of_the_turn(self):
        losses = [8.0, 1.0, 2.0, 6.0, 9.0]
        self.assertEqual(self.losses_of("1\n3\n", losses), [8.0, 6.0])
        self.assertEqual(self.losses_of("1\n3\n", losses, mean=True), [8.0, 3.0])
        self.assertEqual(self.losses_of("1\n4\n", map(torch.tensor, losses), mean=True), [8.0, 4.5])


def network():
    torch.manual_seed(1)
    layers = (
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4, affine=False, track_running_stats=False),
    )
    return torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 64, 3))


class Step(unittest.TestCase):
    """The perturbed step."""

    def trained(self, mode, steps=3):
        """Losses and weights after some steps on two batches in turn."""
        model = network()
        torch.manual_seed(2)
        batches = [(torch.rand(4, 3, 8, 8), torch.randint(0, 3, (4,))) for _ in range(2)]
        one = step.Step(model, torch.nn.functional.cross_entropy, "fp32", "cpu", mode)
        losses = [one(*batches[k % 2]).item() for k in range(steps)]
        return losses, torch.nn.utils.parameters_to_vector(model.parameters()).detach()

    def test_compiled_it_is_the_step_as_written(self):
        (losses, weights), (expected, wanted) = self.trained("aot_eager"), self.trained("none")
        for found, loss in zip(losses, expected):
            self.assertAlmostEqual(found, loss, delta=1e-5 * abs(loss))  # float32 in another order
        self.assertLess((weights - wanted).norm(), 1e-5 * wanted.norm())

    def test_it_steps_with_the_gradient_at_the_perturbed_weights(self):
        model = network()
        images, targets = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
        one = step.Step(model, torch.nn.functional.cross_entropy, "fp32", "cpu", "none")
        images = one.normalized(images)
        before = {name: p.detach().double() for name, p in model.named_parameters()}
        one(images, targets)
        exact = network().double()

        def gradients(weights):
            exact.load_state_dict(weights)
            exact.zero_grad()
            torch.nn.functional.cross_entropy(exact(images.double()), targets).backward()
            return {name: p.grad.clone() for name, p in exact.named_parameters()}

        first = gradients(before)
        length = sum(g.square().sum() for g in first.values()).sqrt()
        second = gradients({name: w + step.ALPHA / length * first[name] for name, w in before.items()})
        found = torch.cat([p.grad.flatten() for p in model.parameters()]).double()
        wanted = torch.cat([gradient.flatten() for gradient in second.values()])
        self.assertLess((found - wanted).norm(), 1e-5 * wanted.norm())  # float32 against float64

    def test_the_perturbation_has_the_length_alpha_along_the_gradient(self):
        model = network()
        one = step.Step(model, torch.nn.functional.cross_entropy, "fp32", "cpu", "none")
        one.backward(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))
        delta = torch.cat([d.flatten() for d in one.perturbation()]).double()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()]).double()
        self.assertAlmostEqual(delta.norm().item(), step.ALPHA, delta=1e-6)
        self.assertAlmostEqual((delta @ gradient / gradient.norm()).item(), step.ALPHA, delta=1e-6)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
