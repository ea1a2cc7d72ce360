#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The networks of the study's `factors`: the program's U-Net in all but what their names say."""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools/pytorch")]

try:
    import harmofl_model
    import torch

    from study.experiments import NORMS, PADDINGS, Network
    from study.networks import make_network, save_network
except ImportError as missing:  # set up without tools/install-deps.sh --pytorch
    print(f"skipped: {missing} (tools/install-deps.sh --pytorch installs it)")
    sys.exit(77)

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
# Of the script in the order of the program's U-Net, which makes its way up from the bottom.
ORDER = ("down1", "down2", "down3", "down4", "bottom")
ORDER += tuple(f"{kind}{level}" for level in (4, 3, 2, 1) for kind in ("rise", "up")) + ("head",)


def scripted(norm, padding="zeros", centred=False, seed=0):
    torch.manual_seed(seed)
    return torch.jit.script(make_network(Network(norm, padding, centred)))


class Networks(unittest.TestCase):
    def test_it_is_the_u_net_of_the_program(self):
        """With the same weights in the same order tools/pytorch/harmofl_model.py gives the same logits."""
        for norm in ("batch-stateless", "batch", "group"):
            ours = scripted(norm)
            theirs = harmofl_model.UNet(3, 2, 8, norm)
            values = [
                value
                for part in ORDER
                for name, value in ours.state_dict().items()
                if name.startswith(f"{part}.") and "num_batches" not in name
            ]
            names = [name for name in theirs.state_dict() if "num_batches" not in name]
            self.assertEqual(len(values), len(names), norm)
            theirs.load_state_dict(dict(zip(names, values)), strict=False)
            for mode in (False, True):
                with torch.no_grad():
                    found, wanted = ours.train(mode)(IMAGES), theirs.train(mode).logits(IMAGES)
                torch.testing.assert_close(found, wanted)

    def test_number_of_parameters(self):
        count = sum(value.numel() for value in scripted("batch-stateless").parameters())
        self.assertEqual(count, 485090, "that of docs/results.md")

    def test_replicated_borders_let_a_constant_pass(self):
        """Without a norm an image of one value is one value behind convolutions, unless zeros surround it."""
        flat = torch.full((1, 3, 32, 32), 0.7)
        for padding, constant in (("replicate", True), ("zeros", False)):
            with torch.no_grad():
                found = scripted("none", padding).down1(flat)
            spread = (found.amax(dim=(2, 3)) - found.amin(dim=(2, 3))).max()
            self.assertEqual(bool(spread < 1e-6), constant, padding)

    def test_borders_are_the_only_path_of_a_constant(self):
        """What is added to all images of a batch is lost behind norms over it, but at borders of zeros."""
        for padding, lost in (("replicate", True), ("zeros", False)):
            network = scripted("batch-stateless", padding)
            with torch.no_grad():
                apart = (network(IMAGES + 0.5) - network(IMAGES)).abs().max()
            self.assertEqual(bool(apart < 1e-2), lost, padding)

    def test_centred_networks_see_no_mean(self):
        for norm in NORMS:
            network = scripted(norm, centred=True)
            with torch.no_grad():
                torch.testing.assert_close(network(IMAGES + 0.5), network(IMAGES), rtol=1e-3, atol=1e-3)

    def test_weights_of_a_seed(self):
        for norm in NORMS:
            first = list(scripted(norm).parameters())
            for padding in PADDINGS:
                for centred in (False, True):
                    for a, b in zip(first, scripted(norm, padding, centred).parameters()):
                        self.assertTrue(torch.equal(a, b))
            self.assertFalse(torch.equal(first[0], next(scripted(norm, seed=1).parameters())))

    def test_files(self):
        with tempfile.TemporaryDirectory(prefix="harmofl-test-") as folder:
            network = Network("group", "replicate")
            path = save_network(network, 3, pathlib.Path(folder))
            self.assertEqual(path.name, "unet-group-replicate-seed3.pt")
            before = path.read_bytes()
            self.assertEqual(save_network(network, 3, pathlib.Path(folder)).read_bytes(), before)
            self.assertEqual([one.name for one in pathlib.Path(folder).iterdir()], [path.name])


if __name__ == "__main__":
    unittest.main()
