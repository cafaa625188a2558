"""A file as a source of frames."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, BinaryIO, cast

import numpy as np

from zcore._chain import Link, Node
from zcore._cpu_nodes import PythonNode
from zcore._frame import Frame
from zcore.errors import NegotiationError
from zcore.formats import Format, find
from zcore.stages.arguments import rate_of, size_of
from zcore.stages.base import LinkCaps, Sizes, SourceMixin, Stage
from zcore.stages.cpu_pads import MemoryPad, software_caps
from zcore.stages.file_layout import Content, Location, Reader, check_location, largest_fwht, look_at, name_of
from zcore.stages.roomier import enlarged, filled

Array = np.ndarray[Any, Any]

DEFAULT_SIZE = (640, 480)
HEAD = 1 << 16  # bytes at the beginning of a file that are looked at


class FileSource(Stage, SourceMixin):
    """Read frames from a file.

    A raw file is cut into frames of the format's size, rows without padding. Coded files are cut into access units
    where that is simple, which is FWHT and MJPEG, and into blocks else.

    Parameters
    ----------
    location : str or file object
        An object is read from where it stands, and stays open.
    format : str, optional
        Left out: told by the file's first bytes (FWHT, JPEG), or whatever the next stage takes.
    size : (int, int), optional
        Pixels; raw files need it, unless a caps filter says it.
    blocksize : int
        Bytes in a block of a coded file that is not cut into access units.
    num_buffers : int
        After how many frames to end; -1 = at the end of the file.
    rate : float or Fraction, optional
        Frames per second, by which frames are stamped.
    do_timestamp : bool
        Stamp frames with the monotonic clock instead.
    parse : bool
        Whether to cut into access units.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    """

    kind = "filesource"

    def __init__(
        self,
        location: Location,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        blocksize: int = 4096,
        num_buffers: int = -1,
        rate: float | Fraction | None = None,
        do_timestamp: bool = False,
        parse: bool = True,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(name)
        check_location(location)
        if blocksize < 1:
            raise ValueError(f"blocksize is 1 or more, not {blocksize}")
        self.location = location
        self.format = find(format) if format is not None else None
        self.size = size_of(size)
        self.blocksize = blocksize
        self.rate = rate_of(rate)
        self.do_timestamp = do_timestamp
        self.parse = parse
        self.limit = num_buffers if num_buffers >= 0 else None
        self.bytes_read = 0
        self.trailing_bytes = 0
        self._pad = MemoryPad(self.name, memory)
        self._file: BinaryIO | None = None
        self._reader: Reader | None = None
        self._content = Content()
        self._found: tuple[Format, tuple[int, int] | None] | None = None
        self._largest = 0
        self._count = 0

    @property
    def device(self) -> str:  # type: ignore[override]
        """The file's name."""
        return name_of(self.location)

    @property
    def output(self) -> MemoryPad:  # type: ignore[override]
        """Memory that it writes."""
        return self._pad

    def open(self) -> None:
        """Open the file and look at its first bytes."""
        if self._file is not None:
            return
        if isinstance(self.location, (str, os.PathLike)):
            self._file = open(self.location, "rb", buffering=HEAD)  # noqa: SIM115
        else:
            self._file = cast(BinaryIO, self.location)
        self._count = self.bytes_read = self.trailing_bytes = 0
        self._reader = Reader(self._file, self.device)
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        assert self._file is not None
        peek = getattr(self._file, "peek", None)
        if peek is not None:
            head = bytes(peek(HEAD))
        elif self._file.seekable():
            start = self._file.tell()
            head = self._file.read(HEAD)
            self._file.seek(start)
        else:
            head = b""
        content = look_at(head)
        self._content = content
        self._found = (find(content.format), content.size) if content.format else None
        wanted = self.format.name if self.format is not None else ""
        if wanted == "FWHT" and head and content.format != "FWHT":
            raise NegotiationError(
                f"{self.name}: {self.device} does not begin with an FWHT frame header"
                + (f" but looks like {content.format}" if content.format else "")
            )
        if "FWHT" in (wanted, content.format) and self.parse:
            self._largest = largest_fwht(self._file)

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._file is not None

    def close(self) -> None:
        """Close the file, unless it was given open, and free the buffers."""
        self._pad.reset()
        file, self._file = self._file, None
        self._reader = None
        if file is not None and isinstance(self.location, (str, os.PathLike)):
            file.close()

    def offers(self) -> Sequence[Format] | None:
        """List the format of the file; ``None`` where nobody has told it."""
        if self.format is not None:
            return [self.format]
        return [self._found[0]] if self._found is not None else None

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """List the size of the pictures where it is known."""
        size = self._known_size(fmt)
        return Sizes.of(size) if size is not None else None

    def _known_size(self, fmt: Format) -> tuple[int, int] | None:
        if self.size is not None:
            return self.size
        return self._found[1] if self._found is not None and self._found[0] == fmt else None

    def stream_format(self) -> Format | None:
        """Tell what the pictures in a coded stream are, where its first bytes say it."""
        return find(self._content.picture) if self._content.picture else None

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what the file has, as far as it is known."""
        fmt = self.format or (self._found[0] if self._found is not None else None)
        if fmt is None:
            return None
        size = self._known_size(fmt)
        if size is None and not fmt.coded:
            return None
        return fmt, size or DEFAULT_SIZE

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Take the file for one of this format and size."""
        wanted = self._known_size(fmt) or size
        if fmt.coded:
            size = wanted or DEFAULT_SIZE
            payload = self._largest if self._cut(fmt) == "FWHT" and self._largest else None
            if not self._cut(fmt):
                payload = self.blocksize
            return software_caps(fmt, size, payload=payload, rate=self.rate)
        if wanted is None:
            raise NegotiationError(
                f"{self.name}: {self.device} has {fmt} pictures of unknown size; give size=, or a caps filter behind it"
            )
        if not fmt.linear:
            raise NegotiationError(f"{self.name} cannot cut a file into frames of {fmt}, which is tiled")
        return software_caps(fmt, wanted, bytesperline, rate=self.rate)

    def _cut(self, fmt: Format) -> str:
        """Name the rule by which a coded file is cut; empty = into blocks."""
        name = "MJPEG" if fmt.name == "JPEG" else fmt.name
        return name if self.parse and name in ("FWHT", "MJPEG") else ""

    def read(self, frame: Frame) -> Frame | bool:
        """Fill a frame, or another one that has room, and give it; gives False at the end."""
        assert self._file is not None
        assert self._reader is not None
        if frame.format.coded:
            unit = self._reader.next(self._cut(frame.format), self.blocksize)
            if not unit:
                return False
            frame = filled(frame, memoryview(unit), self.name)
            self.bytes_read += len(unit)
        elif not self._read_rows(frame):
            return False
        stamp = int(self._count * 1_000_000_000 / self.rate) if self.rate else 0
        frame.set_meta(sequence=self._count, timestamp_ns=time.monotonic_ns() if self.do_timestamp else stamp)
        self._count += 1
        return frame

    def _read_rows(self, frame: Frame) -> bool:
        """Read a picture into place: at once where rows lie one behind the other, else row by row."""
        got = 0
        for plane in frame.planes(write=True):
            for part in (plane,) if plane.flags.c_contiguous else plane:
                count = self._read_into(part)
                got += count
                if count < part.nbytes:
                    self.trailing_bytes = got
                    return False
        self.bytes_read += got
        return True

    def _read_into(self, array: Array) -> int:
        target = array.data.cast("B")
        place = 0
        while place < len(target):
            count = cast(io.BufferedReader, self._file).readinto(target[place:])
            if not count:
                break
            place += count
        return place

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        return PythonNode(self.name, self.read, None, sink, pool=self._pad.pool, frames=frames)

    def facts(self) -> dict[str, Any]:
        """Give the bytes read, and those at the end that make no whole frame."""
        facts = {"bytes_read": self.bytes_read} | enlarged(self._pad.pool)
        return facts | ({"trailing_bytes": self.trailing_bytes} if self.trailing_bytes else {})
