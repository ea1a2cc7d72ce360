# SPDX-License-Identifier: Apache-2.0
"""HarmoFL's local step in plain PyTorch, eager: the formulas that bench_step has, written down.

    step.py network=unet width=32 shard=FILE weights=FILE batch=4 format=contiguous threads=1

More words, as bench_step has them: precision (fp32 | tf32 | bf16), device (cpu | cuda).
compile=true goes through torch.compile; profile=FILE writes the share of time that a GPU computed.
"""

import turns

words = turns.setting()
torch = turns.single_threaded(words["threads"])

from networks import load_network, loss_of  # noqa: E402
from samples import read_shard  # noqa: E402

ALPHA = 0.05


class Step:
    """Amplitude normalisation (dc), both passes, Adam."""

    def __init__(self, network, loss, precision, device):
        self.network, self.loss, self.device = network, loss, device
        self.parameters = list(network.parameters())
        self.adam = torch.optim.Adam(self.parameters, lr=1e-4)
        self.low = precision == "bf16"
        self.mean = None  # the running amplitude over H W: that of the first batch, then fixed

    def normalized(self, images):
        mean = images.mean((2, 3), keepdim=True)
        if self.mean is None:
            self.mean = mean.abs().mean(0)
        return images + (torch.where(mean < 0, -self.mean, self.mean) - mean)

    def backward(self, images, targets):
        self.adam.zero_grad()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.low):
            logits = self.network(images)
        value = self.loss(logits.float(), targets)
        value.backward()
        return value.detach()

    @torch.no_grad()
    def perturbation(self):
        gradients = [p.grad for p in self.parameters]
        norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
        return [g * (ALPHA / (norm + 1e-12)) for g in gradients]

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


def main():
    device = words.get("device", "cpu")
    precision = words.get("precision", "fp32")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    images, targets, classes = read_shard(words["shard"])
    network = load_network(words["network"], words["width"], classes, words["weights"]).to(device)
    batch = slice(int(words["batch"]))
    images, targets = images[batch].to(device), targets[batch].to(device)
    if words["format"] == "channels-last":
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    if words.get("compile") == "true":
        network = torch.compile(network)
    step = Step(network, loss_of(words["network"]), precision, device)
    taking = turns.Turns(save=None)
    taking.ready()
    loss = None
    while taking.wait():
        loss = step(images, targets)
        taking.done(loss)
    if "profile" in words:
        with open(words["profile"], "w", encoding="utf-8") as file:
            file.write(f"{busy_share(lambda: step(images, targets))}\n")


if __name__ == "__main__":
    main()
