# SPDX-License-Identifier: Apache-2.0
"""What the tests of hostile files and situations share: a small run, files that lie, and what is
promised of every refusal.

A refusal is one line that starts with "error" and names what is wrong and what to do, with the exit
status of bad input on every rank, soon, with little memory, and with every file as it was.
"""

import contextlib
import functools
import os
import pathlib
import re
import resource
import struct
import subprocess
import unittest
import zlib

import support

RANKS = (None, 2)
TIMEOUT = 60  # seconds; a start takes one or two, so that only what hangs gets there
# Of any one process, in MiB: libtorch, MPI and this small run take less than half of it.
MOST_MEMORY = 1024
MOST_ADDRESSES = 4 << 30  # bytes: what believes a file is stopped before this machine is short of memory
LONGEST_LINE = 2000  # bytes that a message may have, whatever the file holds
TRACES = ("frame #", "terminate called", "what():", "Assertion", "corrupted", "stack smashing")

# A network of 3000 parameters on twelve images.
SMALL = (
    *("--algorithm.name", "fedavgm", "--model.width", 4, "--data.batch_size", 4, "--run.seed", 3),
    *("--comm.reduce", "exact", "--run.save_every", 1, "--run.keep", 1),
)


@functools.cache
def federation():
    """Two small sites with labels, made once; not to be changed."""
    folder = support.shared_folder() / "labelled"
    words = ("synthesize", "--output", folder, "--task", "classification", "--size", "16x16")
    result = harmofl(*words, "--sites", 2, "--train", 6, "--val", 2, "--test", 2)
    assert result.code == 0, result
    return folder


def within_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))


def run(command, preexec=within_memory, **options):
    return support.run(command, timeout=TIMEOUT, preexec=preexec, **options)


def harmofl(*arguments, preexec=within_memory, **options):
    return support.harmofl(*arguments, timeout=TIMEOUT, preexec=preexec, **options)


def train(shards, output, *arguments, **options):
    words = ("train", "--data.shards", shards, "--run.output", output, *SMALL)
    return harmofl(*words, *arguments, **options)


@functools.cache
def trained(*arguments):
    """The folder of a run of one round, made once; not to be changed."""
    folder = support.shared_folder() / f"run{len(list(support.shared_folder().iterdir()))}"
    result = train(federation(), folder, "--run.rounds", 1, *arguments)
    assert result.code == 0, result
    return folder


def contents(*paths):
    """What lies at and below the paths: kind, and the bytes of files."""

    def of(path):
        if path.is_symlink():
            return ("link", os.readlink(path))
        if path.is_file():
            return ("file", path.read_bytes() if path.stat().st_size < 1 << 28 else path.stat().st_size)
        return ("folder",) if path.is_dir() else ("other",) if path.exists() else ("nothing",)

    found = {}
    for top in map(pathlib.Path, paths):
        for path in (top, *sorted(top.rglob("*"))):
            found[str(path)] = of(path)
    return found


class HostileTest(support.ProgramTest):
    """A test that shows programs something hostile."""

    def refused(self, command, *texts, code=1, ranks=(None,), unchanged=(), memory=MOST_MEMORY, **options):
        """`command`, arguments of harmofl or a function of the ranks that gives them, ends as
        promised at each of `ranks`, and its message holds `texts`."""
        for number in ranks:
            with self.subTest(ranks=number):
                words = command(number) if callable(command) else command
                before = contents(*unchanged)
                result = harmofl(*words, ranks=number, **options)
                self.is_refusal(result, code, *texts, memory=memory)
                self.is_as_before(before, *unchanged)

    def is_as_before(self, before, *paths):
        after = contents(*paths)
        changed = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
        self.assertEqual(changed, [], "these have changed")

    def is_refusal(self, result, code, *texts, memory=MOST_MEMORY):
        codes = code if isinstance(code, tuple) else (code,)
        self.assertIn(result.code, codes, result)
        self.fails(result, result.code, *texts)
        line = result.errors()[0]
        self.assertRegex(line, r"[^ ][.:;)] \S.*\.$", "names no remedy")
        self.assertLess(len(line), LONGEST_LINE)
        self.assertIsNone(re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.stderr), repr(result.stderr))
        for trace in TRACES:
            self.assertNotIn(trace, result.stderr)
        self.assertLess(result.peak_mib, memory)


def as_nobody():
    """What makes a child process somebody without rights; skips where that cannot be."""
    if os.getuid() != 0:
        raise unittest.SkipTest("only root can become somebody else")

    def become():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    return become


@contextlib.contextmanager
def mounted(folder, *options):
    """A file system in memory at `folder`; skips where none can be mounted."""
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", folder]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise unittest.SkipTest(f"nothing can be mounted: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


# Files of PyTorch. An entry of an archive is bytes, or a number of zeros that take no room on the disk.


def crc_of_zeros(count):
    part, checksum = bytes(1 << 20), 0
    for _ in range(count >> 20):
        checksum = zlib.crc32(part, checksum)
    return zlib.crc32(bytes(count & ((1 << 20) - 1)), checksum)


def write_zip(path, entries):
    """An archive of uncompressed entries [(name, bytes or number of zeros)]."""
    with open(path, "wb") as file:
        directory = b""
        for name, content in entries:
            size = content if isinstance(content, int) else len(content)
            checksum = crc_of_zeros(content) if isinstance(content, int) else zlib.crc32(content)
            fields = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, checksum, size, size, len(name), 0)
            place = file.tell()
            file.write(b"PK\3\4" + fields + name.encode())
            file.write(b"" if isinstance(content, int) else content)
            file.seek(place + 30 + len(name) + size)
            fields = struct.pack("<H", 20) + fields
            directory += b"PK\1\2" + fields + struct.pack("<HHHII", 0, 0, 0, 0, place) + name.encode()
        end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), file.tell(), 0)
        file.write(directory + b"PK\5\6" + end)


def text_op(text):
    """The pickle opcode that pushes a text."""
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def number_op(number):
    return b"\x8a\x08" + struct.pack("<q", number)


def tensor_ops(key, count, shape, kind="FloatStorage", recalled=b""):
    """The opcodes that make a tensor of `shape` of a storage of `count` elements; `recalled` puts the
    storage's key there in place of `key`."""
    strides = [1]
    for size in shape[:0:-1]:
        strides.insert(0, strides[0] * size)

    def numbers(of):
        return b"(" + b"".join(map(number_op, of)) + b"t"

    storage = b"(" + text_op("storage") + b"ctorch\n" + kind.encode() + b"\n"
    storage += (recalled or text_op(key)) + text_op("cpu") + number_op(count) + b"tQ"
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    rest = number_op(0) + numbers(shape) + numbers(strides[: len(shape)]) + hooks
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"


def pickle_of(items, before=b""):
    """A pickle of the dict {name: opcodes of a value}."""
    dictionary = b"}(" + b"".join(text_op(name) + value for name, value in items.items()) + b"u"
    return b"\x80\2" + before + dictionary + b"."


def write_torch(path, pickle, *storages):
    records = [(f"archive/data/{key}", content) for key, content in enumerate(storages)]
    write_zip(path, [("archive/data.pkl", pickle), ("archive/byteorder", b"little"), *records])


def write_safetensors(path, header, data=b""):
    """`header` is text; `data` are bytes or a number of zeros that take no room."""
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header.encode())
        if isinstance(data, int):
            file.truncate(file.tell() + data)
        else:
            file.write(data)


def write_png(path, height, width, *, bits=8, colour=0, rows=None):
    """A PNG of zeros, or of `rows`, the filtered bytes before compression."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    if rows is None:
        rows = bytes(height * (1 + (width * bits * samples + 7) // 8))
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    image = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    pathlib.Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + image)
