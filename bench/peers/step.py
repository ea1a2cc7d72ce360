# SPDX-License-Identifier: Apache-2.0
"""HarmoFL's local step in plain PyTorch: the formulas that bench_step has, written down.

    step.py network=unet width=32 samples=FILE weights=FILE batch=4 format=contiguous threads=1

More words, as bench_step has them: precision (fp32 | tf32 | bf16), device (cpu | cuda).
compile=MODE has torch.compile make the network's passes with their loss (default, reduce-overhead and
so on; aot_eager, which generates no code, is for tests); profile=FILE writes the share of time that a
GPU computed.
"""

import turns

words = turns.setting()
torch = turns.single_threaded(words["threads"])

from networks import load_network, loss_of  # noqa: E402
from tensors import read_samples  # noqa: E402

ALPHA = 0.05


def compiled(function, mode):
    """The function by torch.compile, for one shape; as it is where `mode` is none."""
    if mode == "none":
        return function
    if mode == "aot_eager":
        return torch.compile(function, backend=mode, dynamic=False)
    return torch.compile(function, mode=mode, dynamic=False)


class Step:
    """Amplitude normalisation (dc), both passes, Adam."""

    def __init__(self, network, loss, precision, device, mode):
        self.parameters = list(network.parameters())
        # One kernel for all weights on a GPU: as fast as PyTorch has it.
        self.adam = torch.optim.Adam(self.parameters, lr=1e-4, fused=device == "cuda")
        self.mean = None  # the running amplitude over H W: that of the first batch, then fixed

        def value(images, targets):
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                logits = network(images)
            return loss(logits.float(), targets)

        self.value = compiled(value, mode)
        self.begin_pass = torch.compiler.cudagraph_mark_step_begin if mode != "none" else lambda: None

    def normalized(self, images):
        mean = images.mean((2, 3), keepdim=True)
        if self.mean is None:
            self.mean = mean.abs().mean(0)
        return images + (torch.where(mean < 0, -self.mean, self.mean) - mean)

    def backward(self, images, targets):
        self.adam.zero_grad()
        self.begin_pass()
        value = self.value(images, targets)
        value.backward()
        return value.detach().clone()  # a replayed graph writes the next pass's value in its place

    @torch.no_grad()
    def perturbation(self):
        gradients = [p.grad for p in self.parameters]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        return torch._foreach_mul(gradients, ALPHA / (norm + 1e-12))

    def __call__(self, images, targets):
        images = self.normalized(images)
        first = self.backward(images, targets)
        delta = self.perturbation()
        with torch.no_grad():
            torch._foreach_add_(self.parameters, delta)
        self.backward(images, targets)
        with torch.no_grad():
            torch._foreach_sub_(self.parameters, delta)
        self.adam.step()
        return first


def busy_share(step):
    """Share of the time of five steps in which the GPU ran a kernel, by torch.profiler."""
    from torch.profiler import ProfilerActivity, profile
    import time

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        start = time.perf_counter()
        for _ in range(5):
            step()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    on_gpu = [e for e in profiled.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    spans = sorted((e.time_range.start, e.time_range.end) for e in on_gpu)
    busy, reached = 0.0, float("-inf")
    for begin, end in spans:  # overlapping kernels count once
        busy += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return busy * 1e-6 / seconds


def batches_of(images, targets, size, device, layout):
    """All batches, where and as the network takes them."""
    for first in range(0, len(images), size):
        batch = images[first : first + size].to(device)
        if layout == "channels-last":
            batch = batch.contiguous(memory_format=torch.channels_last)
        yield batch, targets[first : first + size].to(device)


def main():
    device = words.get("device", "cpu")
    precision = words.get("precision", "fp32")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    images, targets, classes = read_samples(words["samples"])
    network = load_network(words["network"], words["width"], classes, words["weights"]).to(device)
    if words["format"] == "channels-last":
        network = network.to(memory_format=torch.channels_last)
    batches = list(batches_of(images, targets, int(words["batch"]), device, words["format"]))
    step = Step(network, loss_of(words["network"]), precision, device, words.get("compile", "none"))
    taking = turns.Turns(save=None, mean=True)
    taking.ready()
    count = 0
    while taking.wait():
        taking.done(step(*batches[count % len(batches)]))
        count += 1
    if "profile" in words:
        with open(words["profile"], "w", encoding="utf-8") as file:
            file.write(f"{busy_share(lambda: step(*batches[0]))}\n")


if __name__ == "__main__":
    main()
