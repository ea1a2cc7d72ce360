#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds a model that `harmofl export` wrote, from the file alone, as it is evaluated by harmofl.

    import harmofl_model
    model = harmofl_model.load("model.safetensors")     # or model.pt
    probabilities = model.probabilities(images)         # float32 [B, C, H, W], pixels / intensity scale

The file says which network it is, and has the running amplitude: amplitude normalisation is a layer of the
model, `model.amp_norm`, so that what is predicted is what was measured. `model.description` holds all that
the file says, `model.takes()` says in a sentence what images it takes.

Networks whose norm is `batch-stateless` normalise by the statistics of the batch that they are given:
`harmofl evaluate` and `harmofl predict` give them batches of `model.batch_size` images of one split, in
stored order.

On the command line:

    python harmofl_model.py describe model.safetensors
    python harmofl_model.py export-onnx model.safetensors model.onnx [--batch-size N]

Needs PyTorch 2 and nothing else; export-onnx needs onnx and onnxscript as well.
A file with a network of one's own (`model.script`) holds that network as TorchScript, which is code: load
only files of people whom you trust.
"""

import argparse
import base64
import io
import json
import math
import sys
import zipfile

import torch
from torch import nn
from torch.nn import functional

FORMAT_VERSION = 1
DESCRIPTION = "harmofl"
SCRIPT = "harmofl.script"
DTYPES = {"F32": torch.float32, "I64": torch.int64}
MAX_HEADER_BYTES = 100_000_000  # the limit of the reference implementation


class ModelFileError(ValueError):
    """A file that no model can be built from."""


# --- Amplitude normalisation ----------------------------------------------------------------------


class AmplitudeNormalization(nn.Module):
    """Gives images the amplitudes R of the federation inside the band, and keeps their phases.

    With F = FFT2(x) = A e^{iP} by image and channel, the result is Re FFT2^-1(R' e^{iP}), where R' is R
    inside the band and A outside it. `running_amp` is R, [C, H, W].
    """

    def __init__(self, band, channels, height, width):
        super().__init__()
        self.band = band
        self.height, self.width = height, width
        # Fourier transforms as products of matrices, which ONNX knows.
        self.by_matrices = False
        self.register_buffer("running_amp", torch.zeros(channels, height, width))

    def forward(self, images):
        if self.band == "dc":
            return self.with_means(images)
        if tuple(images.shape[1:]) != tuple(self.running_amp.shape):
            raise ValueError(
                f"the amplitude is of images {list(self.running_amp.shape)}, not {list(images.shape[1:])}"
            )
        return self.with_matrices(images) if self.by_matrices else self.with_transforms(images)

    def with_means(self, images):
        """The zero frequency alone is an image's mean; a negative one has phase pi."""
        values = images.double()
        mean = values.mean(dim=(2, 3), keepdim=True)
        wanted = (self.running_amp[:, 0, 0].double() / (self.height * self.width)).view(1, -1, 1, 1)
        return (values + (torch.where(mean < 0, -wanted, wanted) - mean)).to(images.dtype)

    def half_width(self):
        """The band holds the frequencies up to this one, in each direction; None: all of them."""
        if self.band == "full":
            return None
        return math.floor(min(self.height, self.width) * float(self.band.removeprefix("low:")))

    def rows_and_columns(self):
        """The band in the half spectrum of rfft2."""
        half = self.half_width()
        if half is None:
            return list(range(self.height)), list(range(self.width // 2 + 1))
        return list(range(half + 1)) + list(range(self.height - half, self.height)), list(range(half + 1))

    def with_transforms(self, images):
        spectrum = torch.fft.rfft2(images.double())
        rows, columns = (torch.tensor(places, device=images.device) for places in self.rows_and_columns())
        rows = rows[:, None]
        part = spectrum[:, :, rows, columns]
        amplitude = part.abs()
        wanted = self.running_amp[:, rows, columns].double().expand_as(amplitude)
        # R e^{iP} = F R / A; P = 0 where A = 0
        scaled = part * (wanted / amplitude)
        spectrum[:, :, rows, columns] = torch.where(amplitude > 0, scaled, wanted.to(scaled.dtype))
        return torch.fft.irfft2(spectrum, s=(self.height, self.width)).to(images.dtype)

    def with_matrices(self, images):
        """x + Re IDFT(R e^{iP} - F), summed over the frequencies of the band alone."""
        rows, columns = self.rows_and_columns()
        cos_y, sin_y = waves(rows, self.height, images.device)
        cos_x, sin_x = waves(columns, self.width, images.device)
        values = images.double()
        real_x, imag_x = values @ cos_x.T, -(values @ sin_x.T)
        real = cos_y @ real_x + sin_y @ imag_x
        imag = cos_y @ imag_x - sin_y @ real_x
        amplitude = (real * real + imag * imag).sqrt()
        zero = amplitude == 0
        wanted = self.running_amp[:, rows][:, :, columns].double()
        excess = wanted / torch.where(zero, torch.ones_like(amplitude), amplitude) - 1
        real = torch.where(zero, wanted.expand_as(real), real * excess)
        imag = torch.where(zero, torch.zeros_like(imag), imag * excess)
        # A column of the half spectrum stands for two of the whole one, but for the first and, of an
        # even width, the last.
        times = [1.0 if 2 * k % self.width == 0 else 2.0 for k in columns]
        times = torch.tensor(times, dtype=torch.float64, device=images.device)[:, None]
        real, imag = cos_y.T @ real - sin_y.T @ imag, cos_y.T @ imag + sin_y.T @ real
        change = (real @ (times * cos_x) - imag @ (times * sin_x)) / (self.height * self.width)
        return (values + change).to(images.dtype)


def waves(frequencies, length, device):
    """cos and sin of 2 pi k x / length, [len(frequencies), length]."""
    k = torch.tensor(frequencies, dtype=torch.float64, device=device)[:, None]
    x = torch.arange(length, dtype=torch.float64, device=device)
    angle = 2 * math.pi * torch.remainder(k * x, length) / length
    return angle.cos(), angle.sin()


# --- Networks -------------------------------------------------------------------------------------


class BatchStateless(nn.Module):
    """Normalises by the mean and the variance of the batch, always; it has no weights."""

    def forward(self, x):
        mean = x.mean(dim=(0, 2, 3), keepdim=True)
        centred = x - mean
        variance = (centred * centred).mean(dim=(0, 2, 3), keepdim=True)
        return centred / torch.sqrt(variance + 1e-5)


def make_norm(kind, channels):
    if kind == "batch-stateless":
        return BatchStateless()
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(max(count for count in range(1, 9) if channels % count == 0), channels)
    raise ModelFileError(f"the norm '{kind}' is unknown here")


class Model(nn.Module):
    """A network with amplitude normalisation in front of it."""

    def __init__(self):
        super().__init__()
        self.amp_norm = None  # AmplitudeNormalization, where the model has it
        self.description = None  # what the file says of the model
        self.one_output = False  # two classes share one output z, the logits are [0, z]

    def logits(self, images):
        """[B, classes] or [B, classes, H, W] of normalised images."""
        raise NotImplementedError

    def forward(self, images):
        """The logits of images, float32 [B, C, H, W]."""
        logits = self.logits(images if self.amp_norm is None else self.amp_norm(images))
        return torch.cat((torch.zeros_like(logits), logits), dim=1) if self.one_output else logits

    @torch.no_grad()
    def probabilities(self, images):
        """Their softmax over the classes, which `harmofl predict --probabilities` writes."""
        return self(images).softmax(dim=1)

    @property
    def batch_size(self):
        return self.description["batch_size"]

    @property
    def uses_batch_statistics(self):
        return any(isinstance(module, BatchStateless) for module in self.modules())

    def takes(self):
        """A sentence on the images that it takes."""
        on = self.description["trained_on"]
        scales = sorted({origin["intensity_scale"] for origin in on["images"]})
        divided = f"pixels / {' or '.join(format(scale, 'g') for scale in scales)}" if scales else "pixels"
        batches = f", in batches of {self.batch_size}" if self.uses_batch_statistics else ""
        return (
            f"float32 [B, {on['channels']}, {on['height']}, {on['width']}], {divided}{batches}; "
            f"classes: {', '.join(on['class_names'])}"
        )


class Cnn(Model):
    """Three times (convolution, norm, ReLU, max-pool 2), global mean, linear."""

    def __init__(self, channels, classes, width, norm):
        super().__init__()
        for level in range(3):
            out = width << level
            self.add_module(f"conv{level + 1}", nn.Conv2d(channels, out, 3, padding=1))
            self.add_module(f"bn{level + 1}", make_norm(norm, out))
            channels = out
        self.features = channels
        self.classifier = nn.Linear(channels, classes)

    def logits(self, images):
        x = images
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = functional.max_pool2d(norm(conv(x)).relu(), 2)
        return self.classifier(x.mean(dim=(2, 3)))


class Linear(Model):
    """One linear layer over all pixels, or the columns of a table."""

    def __init__(self, channels, classes, width, norm, pixels):
        super().__init__()
        self.linear = nn.Linear(channels * pixels, classes)

    def logits(self, images):
        return self.linear(images.flatten(1))


class Mlp(Model):
    """Two hidden layers of `width` values with ReLU."""

    def __init__(self, channels, classes, width, norm, pixels):
        super().__init__()
        self.hidden1 = nn.Linear(channels * pixels, width)
        self.hidden2 = nn.Linear(width, width)
        self.features = width
        self.classifier = nn.Linear(width, classes)

    def logits(self, images):
        return self.classifier(self.hidden2(self.hidden1(images.flatten(1)).relu()).relu())


class UNetBlock(nn.Sequential):
    """Twice (3x3 convolution without bias, norm, ReLU)."""

    def __init__(self, prefix, channels, out, norm):
        super().__init__()
        for index, source in ((1, channels), (2, out)):
            self.add_module(f"{prefix}_conv{index}", nn.Conv2d(source, out, 3, padding=1, bias=False))
            self.add_module(f"{prefix}_bn{index}", make_norm(norm, out))
            self.add_module(f"{prefix}_relu{index}", nn.ReLU())


class UNet(Model):
    """Four levels down, a bottleneck, four levels up with skips by concatenation."""

    def __init__(self, channels, classes, width, norm):
        super().__init__()
        for level in range(4):
            self.add_module(
                f"encoder{level + 1}", UNetBlock(f"enc{level + 1}", channels, width << level, norm)
            )
            channels = width << level
        self.features = 2 * channels
        self.bottleneck = UNetBlock("bottleneck", channels, 2 * channels, norm)
        for level in reversed(range(4)):
            out = width << level
            self.add_module(f"upconv{level + 1}", nn.ConvTranspose2d(2 * out, out, 2, stride=2))
            self.add_module(f"decoder{level + 1}", UNetBlock(f"dec{level + 1}", 2 * out, out, norm))
        self.conv = nn.Conv2d(width, classes, 1)

    def logits(self, images):
        x, skips = images, []
        for encoder in (self.encoder1, self.encoder2, self.encoder3, self.encoder4):
            skips.append(encoder(x))
            x = functional.max_pool2d(skips[-1], 2)
        x = self.bottleneck(x)
        for up, decoder in (
            (self.upconv4, self.decoder4),
            (self.upconv3, self.decoder3),
            (self.upconv2, self.decoder2),
            (self.upconv1, self.decoder1),
        ):
            x = decoder(torch.cat((up(x), skips.pop()), dim=1))
        return self.conv(x)


class ResNetBlock(nn.Module):
    def __init__(self, channels, out, stride, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = make_norm(norm, out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = make_norm(norm, out)
        self.downsample = None
        if stride != 1 or channels != out:
            shortcut = nn.Conv2d(channels, out, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, make_norm(norm, out))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet18(Model):
    """ResNet-18 with torchvision's names."""

    def __init__(self, channels, classes, width, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = make_norm(norm, width)
        channels = width
        for stage in range(4):
            out, stride = width << stage, 1 if stage == 0 else 2
            blocks = (ResNetBlock(channels, out, stride, norm), ResNetBlock(out, out, 1, norm))
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = out
        self.features = channels
        self.fc = nn.Linear(channels, classes)

    def logits(self, images):
        x = functional.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3)))


class DenseLayer(nn.Module):
    def __init__(self, channels, growth, norm):
        super().__init__()
        self.norm1 = make_norm(norm, channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = make_norm(norm, 4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat((x, self.conv2(self.norm2(self.conv1(self.norm1(x).relu())).relu())), dim=1)


class Transition(nn.Module):
    def __init__(self, channels, norm):
        super().__init__()
        self.norm = make_norm(norm, channels)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, x):
        return self.conv(functional.avg_pool2d(self.norm(x).relu(), 2))


class DenseNet121(Model):
    """DenseNet-121 with torchvision's names; `width` is the growth rate."""

    padding = 2  # of the published code, behind the first dense block

    def __init__(self, channels, classes, width, norm):
        super().__init__()
        first, out = channels, 2 * width
        features = nn.Module()
        features.conv0 = nn.Conv2d(first, out, 7, stride=2, padding=3, bias=False)
        features.norm0 = make_norm(norm, out)
        for block, layers in enumerate((6, 12, 24, 16), start=1):
            dense = nn.Sequential()
            for layer in range(1, layers + 1):
                dense.add_module(f"denselayer{layer}", DenseLayer(out, width, norm))
                out += width
            features.add_module(f"denseblock{block}", dense)
            if block < 4:
                features.add_module(f"transition{block}", Transition(out, norm))
                out //= 2
        features.norm5 = make_norm(norm, out)
        self.add_module("features", features)
        self.classifier = nn.Linear(out, classes)

    def logits(self, images):
        features = self.get_submodule("features")
        x = functional.max_pool2d(features.norm0(features.conv0(images)).relu(), 3, stride=2, padding=1)
        x = functional.pad(features.denseblock1(x), (self.padding,) * 4)
        x = features.denseblock2(features.transition1(x))
        x = features.denseblock3(features.transition2(x))
        x = features.denseblock4(features.transition3(x))
        return self.classifier(features.norm5(x).relu().mean(dim=(2, 3)))


class DenseNet121Plain(DenseNet121):
    """DenseNet-121 as it was first published, without that padding."""

    padding = 0


class Script(Model):
    """A network of one's own, `model.script`."""

    def __init__(self, archive):
        super().__init__()
        self.network = torch.jit.load(io.BytesIO(archive), map_location="cpu")
        for tensor in (*self.network.parameters(), *self.network.buffers()):
            tensor.data = torch.zeros(tensor.shape, dtype=tensor.dtype)  # the archive has code, no weights

    def logits(self, images):
        return self.network(images)


NETWORKS = {
    "cnn": Cnn,
    "densenet121": DenseNet121,
    "densenet121-plain": DenseNet121Plain,
    "linear": Linear,
    "mlp": Mlp,
    "resnet18": ResNet18,
    "unet": UNet,
}


# --- Files ----------------------------------------------------------------------------------------


def read_safetensors(path):
    """{name: tensor} and the metadata of the header, {key: text}; every place is checked first."""
    with open(path, "rb") as file:
        content = file.read()
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, MAX_HEADER_BYTES):
        raise ModelFileError(f"{path}: this is not a whole safetensors file")
    try:
        header = json.loads(content[8 : 8 + length].decode())
        metadata = header.pop("__metadata__", {})
        data = content[8 + length :]
        tensors, end = {}, 0
        for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, after = info["data_offsets"]
            dtype, shape = DTYPES[info["dtype"]], info["shape"]
            if begin != end or after - begin != math.prod(shape) * dtype.itemsize or after > len(data):
                raise ModelFileError(f"{path}: tensor '{name}' does not lie where the header says")
            values = bytearray(data[begin:after])  # of its own: PyTorch wants memory that can be written
            flat = torch.frombuffer(values, dtype=dtype) if values else torch.zeros(0, dtype=dtype)
            tensors[name], end = flat.reshape(shape), after
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path}: the header of this safetensors file is damaged: {error!r}") from error
    if end != len(data):
        raise ModelFileError(f"{path}: {len(data) - end} bytes behind the last tensor: the file is damaged")
    return tensors, metadata


def read_pt(path):
    """{name: tensor}, and what the archive has beside the state_dict."""
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        with zipfile.ZipFile(path) as archive:
            records = {name.partition("/extra/")[2]: name for name in archive.namelist() if "/extra/" in name}
            metadata = {key: archive.read(name) for key, name in records.items()}
    except (RuntimeError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise ModelFileError(f"{path}: this is not a whole file of torch.save: {error}") from error
    if DESCRIPTION in metadata:
        metadata[DESCRIPTION] = metadata[DESCRIPTION].decode()
    return tensors, metadata


def read(path):
    """Tensors, description and TorchScript archive (None where the network is built in) of a file."""
    path = str(path)
    if path.endswith(".safetensors"):
        tensors, metadata = read_safetensors(path)
        script = base64.b64decode(metadata[SCRIPT]) if SCRIPT in metadata else None
    elif path.endswith((".pt", ".pth")):
        tensors, metadata = read_pt(path)
        script = metadata.get(SCRIPT)
    else:
        raise ModelFileError(f"{path}: expected a .safetensors, .pt or .pth of `harmofl export`")
    if DESCRIPTION not in metadata:
        raise ModelFileError(f"{path}: says nothing of its model; write it anew with `harmofl export`")
    description = json.loads(metadata[DESCRIPTION])
    if description["format_version"] != FORMAT_VERSION:
        raise ModelFileError(
            f"{path}: is of version {description['format_version']}; this program reads {FORMAT_VERSION}"
        )
    if "trained_on" not in description:
        raise ModelFileError(
            f"{path}: does not say what images its model takes: the checkpoint is of an older version"
        )
    return tensors, description, script


def build(description, script=None):
    """The model of a description, with weights still to be loaded."""
    network, on = description["network"], description["trained_on"]
    one_output = network["one_output"] and len(on["class_names"]) == 2
    if script is not None:
        model = Script(script)
    elif network["name"] in NETWORKS:
        kind = NETWORKS[network["name"]]
        flat = {"pixels": on["height"] * on["width"]} if kind in (Linear, Mlp) else {}
        outputs = 1 if one_output else len(on["class_names"])
        model = kind(on["channels"], outputs, network["width"], network["norm"], **flat)
    else:
        raise ModelFileError(f"the network '{network['name']}' is unknown here")
    if description["amplitude"]["band"] != "off":
        model.amp_norm = AmplitudeNormalization(
            description["amplitude"]["band"], on["channels"], on["height"], on["width"]
        )
    model.description = description
    model.one_output = one_output
    return model


def load(path):
    """The model of a file of `harmofl export`, in evaluation mode. Raises ModelFileError."""
    tensors, description, script = read(path)
    model = build(description, script)
    if description["network"]["projection"]:  # a head behind the features, which no prediction needs
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("projection.")}
    if script is not None:
        tensors = {
            name if name.startswith("amp_norm.") else f"network.{name}": tensor
            for name, tensor in tensors.items()
        }
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise ModelFileError(f"{path}: {error}") from error
    if not description["amplitude"]["normalizes"]:
        model.amp_norm = None  # before the first round there is no amplitude yet
    return model.eval()


# --- Commands -------------------------------------------------------------------------------------


def export_onnx(model, path, batch_size=None):
    """Writes the model, normalisation and softmax included: `images` in, `probabilities` out.

    Batches are of any size, unless the network uses the statistics of a batch: then they have
    `batch_size` images, by default that of the run."""
    on = model.description["trained_on"]
    fixed = model.uses_batch_statistics
    images = torch.rand(
        batch_size or (model.batch_size if fixed else 2), on["channels"], on["height"], on["width"]
    )
    if model.amp_norm is not None:
        model.amp_norm.by_matrices = True
    try:
        torch.onnx.export(
            nn.Sequential(model, nn.Softmax(dim=1)).eval(),
            (images,),
            str(path),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes=None if fixed else ({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    finally:
        if model.amp_norm is not None:
            model.amp_norm.by_matrices = False


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Models of `harmofl export` in PyTorch.")
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="say what a file holds, as JSON")
    describe.add_argument("file")
    onnx = commands.add_parser("export-onnx", help="write the model with its normalisation as ONNX")
    onnx.add_argument("file")
    onnx.add_argument("output")
    onnx.add_argument("--batch-size", type=int, help="of networks that use the statistics of a batch")
    given = parser.parse_args(arguments)
    try:
        model = load(given.file)
        if given.command == "describe":
            print(json.dumps(model.description, indent=2))
            print(f"takes {model.takes()}")
        else:
            export_onnx(model, given.output, given.batch_size)
    except (ModelFileError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
