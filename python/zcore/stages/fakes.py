"""A source of frames that mean nothing, and a sink that wants nothing of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from zcore._chain import Link, Node
from zcore._cpu_nodes import PythonNode
from zcore._end_nodes import BlankNode, SinkNode
from zcore._frame import Frame
from zcore.formats import Format, find
from zcore.stages.arguments import size_of
from zcore.stages.base import LinkCaps, SinkMixin, SourceMixin, Stage
from zcore.stages.cpu_pads import MemoryPad, ReadPad, software_caps

Handoff = Callable[[Frame], Any]

SIZE_TYPES = ("empty", "fixed", "random")
FILL_TYPES = ("nothing", "zero", "random", "pattern", "pattern-span")
DEFAULT_SIZE = (640, 480)


def chosen(what: str, value: str | int, names: Sequence[str]) -> str:
    """Find a choice by its name, or by its number, which counts from 1.

    Raises
    ------
    ValueError
        There is no such choice.
    """
    if isinstance(value, int) and 1 <= value <= len(names):
        return names[value - 1]
    if value not in names:
        raise ValueError(f"{what} is one of {', '.join(names)}, not {value!r}")
    return str(value)


def describe_frame(verb: str, name: str, frame: Frame) -> str:
    """Say in one line what a frame is."""
    size = "x".join(map(str, frame.size))
    return (
        f"{verb} {name}: frame {frame.sequence}, {sum(frame.bytes_used)} bytes, {frame.format} {size}, "
        f"time {frame.timestamp_ns / 1e9:.9f} s, flags {frame.flags:#x}"
    )


def dump_frame(frame: Frame) -> None:
    """Print a frame's bytes in hexadecimal, 16 to a line."""
    for number, plane in enumerate(frame.planes()):
        data = np.ascontiguousarray(plane).view(np.uint8).reshape(-1)
        for start in range(0, len(data), 16):
            line = data[start : start + 16].tobytes()
            text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in line)
            sys.stdout.write(f"{number}:{start:08x}  {line.hex(' '):<47}  {text}\n")


class FakeSource(Stage, SourceMixin):
    """A source of frames that nobody has written, or that hold bytes without a meaning.

    It gives whatever the next stage takes. Pictures are as large as their format makes them; only other frames
    have the sizes that are asked for here. As long as nothing is to be filled in, looked at or told, neither memory is
    touched nor Python run.

    Parameters
    ----------
    format, size : optional
        Pixel format, and pixels; left out: what the next stage takes.
    num_buffers : int
        After how many frames to end; -1 = never.
    sizetype : str or int
        ``empty`` (1), ``fixed`` (2: `sizemax`) or ``random`` (3: from `sizemin` to `sizemax`) payload.
    sizemin, sizemax : int
        Bytes.
    filltype : str or int
        What is written into frames: ``nothing`` (1), ``zero`` (2), ``random`` (3), ``pattern`` (4: bytes that count up
        from 0 in each frame) or ``pattern-span`` (5: that go on from frame to frame).
    datarate : int
        Bytes per second by which frames are stamped; 0 = by the frame rate that a caps filter says, else not.
    sync : bool
        Whether the time passes that the stamps tell; with frames of a fixed size.
    is_live : bool
        Stamp frames with the monotonic clock, as `do_timestamp` does.
    do_timestamp : bool
        Stamp frames with the monotonic clock.
    silent : bool
        Whether :attr:`last_message` stays empty.
    dump : bool
        Whether frames are printed in hexadecimal.
    on_frame : callable, optional
        Called with each frame before it is given; GStreamer's signal ``handoff``.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    """

    kind = "fakesource"

    def __init__(
        self,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        num_buffers: int = -1,
        sizetype: str | int = "empty",
        sizemin: int = 0,
        sizemax: int = 4096,
        filltype: str | int = "nothing",
        datarate: int = 0,
        sync: bool = False,
        is_live: bool = False,
        do_timestamp: bool = False,
        silent: bool = True,
        dump: bool = False,
        on_frame: Handoff | None = None,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(name)
        if not 0 <= sizemin <= sizemax:
            raise ValueError(f"sizes go from 0 over sizemin to sizemax, not {sizemin} to {sizemax}")
        if datarate < 0:
            raise ValueError(f"datarate is 0 or more, not {datarate}")
        self.format = find(format) if format is not None else None
        self.size = size_of(size)
        self.limit = num_buffers if num_buffers >= 0 else None
        self.sizetype = chosen("sizetype", sizetype, SIZE_TYPES)
        self.sizemin = sizemin
        self.sizemax = sizemax
        self.filltype = chosen("filltype", filltype, FILL_TYPES)
        self.datarate = datarate
        self.sync = sync
        self.rate: Fraction | None = None  # what a caps filter asks for
        self.do_timestamp = do_timestamp or is_live
        self.silent = silent
        self.dump = dump
        self.on_frame = on_frame
        self.last_message: str | None = None
        self._pad = MemoryPad(self.name, memory)
        self._caps: LinkCaps | None = None
        self._random = np.random.default_rng(0)
        self._count = self._bytes = 0

    @property
    def output(self) -> MemoryPad:  # type: ignore[override]
        """Its memory."""
        return self._pad

    def open(self) -> None:
        """Begin with frame 0."""
        self._count = self._bytes = 0

    def close(self) -> None:
        """Free the buffers."""
        self._pad.reset()

    def offers(self) -> Sequence[Format] | None:
        """List the format that was asked for; ``None`` = whatever the next stage takes."""
        return [self.format] if self.format is not None else None

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what it gives where nobody has a wish."""
        return (self.format, self.size or DEFAULT_SIZE) if self.format is not None else None

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Give frames of a format and size."""
        payload = max(1, self.sizemax) if fmt.coded else None
        size = self.size or size or DEFAULT_SIZE
        self._caps = software_caps(fmt, size, bytesperline, payload=payload, rate=self.rate)
        return self._caps

    def _payload(self) -> int:
        """Tell how many bytes the next frame has; -1 = all that there is room for."""
        assert self._caps is not None
        if not self._caps.format.coded:
            return -1
        if self.sizetype == "random":
            return int(self._random.integers(self.sizemin, self.sizemax, endpoint=True))
        return self.sizemax if self.sizetype == "fixed" else 0

    def _step_ns(self) -> int:
        """Tell the time from frame to frame; 0 = none."""
        assert self._caps is not None
        if not self.datarate and self.rate:
            return int(1_000_000_000 / self.rate)
        if not self.datarate or (self._caps.format.coded and self.sizetype != "fixed"):
            return 0
        size = self.sizemax if self._caps.format.coded else sum(size for size, _ in self._caps.memory_planes)
        return size * 1_000_000_000 // self.datarate

    def fill(self, frame: Frame) -> None:
        """Fill a frame."""
        payload = self._payload()
        if payload >= 0:
            frame.set_used(payload)
        if self.filltype != "nothing":
            for plane in frame.planes(write=True):
                self._write(plane)
        stamp = int(self._bytes * 1_000_000_000 / self.datarate) if self.datarate else self._count * self._step_ns()
        frame.set_meta(sequence=self._count, timestamp_ns=time.monotonic_ns() if self.do_timestamp else stamp)
        self._count += 1
        self._bytes += sum(frame.bytes_used)
        if not self.silent:
            self.last_message = describe_frame("create", self.name, frame)
        if self.dump:
            dump_frame(frame)
        if self.on_frame is not None:
            self.on_frame(frame)

    def _write(self, plane: np.ndarray[Any, Any]) -> None:
        rows = plane.reshape(1, -1) if plane.flags.c_contiguous else plane
        start = self._bytes if self.filltype == "pattern-span" else 0
        for row in rows:
            target = row.reshape(-1).view(np.uint8)
            if self.filltype == "zero":
                target[...] = 0
            elif self.filltype == "random":
                target[...] = self._random.integers(0, 256, len(target), np.uint8)
            else:
                target[...] = np.arange(start, start + len(target))
                start += len(target)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        pool = self._pad.pool
        step = self._step_ns()
        quiet = self.silent and not self.dump and self.on_frame is None
        if quiet and self.filltype == "nothing" and self.sizetype != "random":
            assert pool is not None
            assert sink is not None
            return BlankNode(
                self.name, pool, sink, frames=frames, used=self._payload(), step_ns=step, paced=self.sync,
                dated=self.do_timestamp,
            )  # fmt: skip
        return PythonNode(
            self.name, self.fill, None, sink, pool=pool, frames=frames, interval_ns=step if self.sync else 0
        )


class FakeSink(Stage, SinkMixin):
    """A sink that drops each frame.

    It takes any memory, and does not touch it. As long as nothing is to be told it does not run Python either.

    Parameters
    ----------
    num_buffers : int
        How many frames to take until the chain ends; -1 = all.
    silent : bool
        Whether :attr:`last_message` stays empty.
    dump : bool
        Whether frames are printed in hexadecimal, for which the CPU reads them.
    sync : bool
        Whether frames wait for their time: see :class:`zcore.Callback`.
    ts_offset : int
        With `sync`: nanoseconds by which frames are taken later.
    on_frame : callable, optional
        Called with each frame before it is dropped; GStreamer's signal ``handoff``.
    """

    kind = "fakesink"

    def __init__(
        self,
        *,
        num_buffers: int = -1,
        silent: bool = True,
        dump: bool = False,
        sync: bool = False,
        ts_offset: int = 0,
        on_frame: Handoff | None = None,
        name: str | None = None,
    ):
        super().__init__(name)
        self.num_buffers = num_buffers
        self.silent = silent
        self.dump = dump
        self.sync = sync
        self.ts_offset = ts_offset
        self.on_frame = on_frame
        self.last_message: str | None = None
        self._pad = ReadPad(self.name)

    @property
    def input(self) -> ReadPad:  # type: ignore[override]
        """Any memory."""
        return self._pad

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Let go of the buffers."""
        self._pad.reset()

    def accepts(self) -> Sequence[Format] | None:
        """Take any format."""
        return None

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what comes."""
        return caps

    def look(self, frame: Frame) -> None:
        """Tell of one frame what is to be told."""
        if not self.silent:
            self.last_message = describe_frame("chain", self.name, frame)
        if self.dump:
            dump_frame(frame)
        if self.on_frame is not None:
            self.on_frame(frame)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        quiet = self.silent and not self.dump and self.on_frame is None
        return SinkNode(
            self.name, source, process=None if quiet else self.look, pool=self._pad.pool, frames=self.num_buffers,
            sync=self.sync, offset_ns=self.ts_offset,
        )  # fmt: skip
