#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ONNX by way of tools/pytorch/harmofl_model.py: its probabilities are those of PyTorch."""

import sys
import unittest

import predict_test
import support
from support import harmofl

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

PROGRAM = support.SOURCE / "tools/pytorch/harmofl_model.py"


class Onnx(predict_test.Predicted, support.ProgramTest):
    def setUp(self):
        super().setUp()
        if onnxruntime is None:
            raise unittest.SkipTest("onnxruntime is not installed (tools/install-deps.sh does)")

    def session(self, run_folder):
        """The model in PyTorch, and in ONNX as the program's command writes it."""
        model = self.exported(run_folder)
        path = self.folder / "model.onnx"
        command = (sys.executable, PROGRAM, "export-onnx", self.folder / "model.safetensors", path)
        self.succeeds(support.run(command))
        return model, onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def assert_agrees(self, model, session, images):
        found = session.run(["probabilities"], {"images": images.numpy()})[0]
        expected = model.probabilities(images).numpy()
        support.numpy.testing.assert_allclose(found, expected, rtol=0, atol=predict_test.TOLERANCE)

    def test_segmentation_with_the_transforms_as_matrices(self):
        model, session = self.session(predict_test.harmofl_run("low:0.1"))
        with support.h5(support.federation() / "site_1.h5") as file:
            images = predict_test.torch.from_numpy(file["test/images"][()]).float() / 255
        self.assert_agrees(model, session, images[: model.batch_size])

    def test_classification_of_any_number_of_images(self):
        model, session = self.session(predict_test.classified("cnn", "batch"))
        for count in (1, 3, 16):
            self.assert_agrees(model, session, predict_test.torch.rand(count, 3, 32, 32))

    def test_what_cannot_be_written(self):
        absent = self.folder / "absent.safetensors"
        result = support.run((sys.executable, PROGRAM, "export-onnx", absent, self.folder / "x.onnx"))
        self.fails(result, 1, absent)
        exported = self.folder / "cut.safetensors"
        best = predict_test.harmofl_run() / "best.h5"
        self.succeeds(harmofl("export", "--checkpoint", best, "--output", exported))
        whole = exported.read_bytes()
        for size in (4, 100, len(whole) - 4):
            exported.write_bytes(whole[:size])
            self.fails(support.run((sys.executable, PROGRAM, "describe", exported)), 1, exported)
        exported = exported.with_suffix(".pt")
        self.succeeds(harmofl("export", "--checkpoint", best, "--output", exported))
        exported.write_bytes(exported.read_bytes()[:-40])
        self.fails(support.run((sys.executable, PROGRAM, "describe", exported)), 1, exported)


if __name__ == "__main__":
    support.main()
