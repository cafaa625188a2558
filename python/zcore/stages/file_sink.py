"""A file as a sink of frames."""

from __future__ import annotations

import os
from typing import IO, Any

import numpy as np

from zcore._frame import Frame
from zcore.formats import Format
from zcore.stages.callback import Callback
from zcore.stages.file_layout import Location, check_location, name_of

Array = np.ndarray[Any, Any]

BUFFER_MODES = {"default": -1, "full": 0, "line": 1, "unbuffered": 2}


class FileSink(Callback):
    """Write frames to a file.

    Of coded frames the payload is written. Of raw frames the rows are, plane after plane, without the padding that
    buffers have behind rows; with `padded` each buffer is written as it lies in memory, as GStreamer's filesink does.

    Parameters
    ----------
    location : str or file object
        An object is written to where it stands, and stays open.
    format : str, optional
        Format to ask for.
    append : bool
        Write behind what the file has already, instead of in its place.
    buffer_mode : str or int
        ``default`` (-1) and ``full`` (0) collect `buffer_size` bytes before they write, and so does ``line`` (1);
        ``unbuffered`` (2) writes each frame at once.
    buffer_size : int
        Bytes.
    o_sync : bool
        Open with O_SYNC: what is written is on the disk.
    padded : bool
        Write the padding, too.
    sync, ts_offset
        See :class:`Callback`.
    """

    kind = "filesink"

    def __init__(
        self,
        location: Location,
        format: str | Format | None = None,
        *,
        append: bool = False,
        buffer_mode: str | int = "default",
        buffer_size: int = 65536,
        o_sync: bool = False,
        padded: bool = False,
        sync: bool = False,
        ts_offset: int = 0,
        name: str | None = None,
    ):
        super().__init__(self._write, format, sync=sync, ts_offset=ts_offset, name=name)
        check_location(location)
        mode = BUFFER_MODES.get(buffer_mode) if isinstance(buffer_mode, str) else buffer_mode
        if mode not in BUFFER_MODES.values():
            raise ValueError(f"buffer_mode is one of {', '.join(BUFFER_MODES)}, not {buffer_mode!r}")
        if buffer_size < 1:
            raise ValueError(f"buffer_size is 1 or more, not {buffer_size}")
        self.location = location
        self.append = append
        self.buffer_size = 0 if mode == BUFFER_MODES["unbuffered"] else max(2, buffer_size)  # 1 would be by lines
        self.o_sync = o_sync
        self.padded = padded
        self.bytes_written = 0
        self._file: IO[bytes] | None = None

    @property
    def device(self) -> str:  # type: ignore[override]
        """The file's name."""
        return name_of(self.location)

    def open(self) -> None:
        """Open the file."""
        if self._file is not None:
            return
        if not isinstance(self.location, (str, os.PathLike)):
            self._file = self.location
            return
        more = os.O_SYNC if self.o_sync else 0
        self._file = open(  # noqa: SIM115
            self.location,
            "ab" if self.append else "wb",
            buffering=self.buffer_size,
            opener=lambda path, flags: os.open(path, flags | more, 0o666),
        )

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._file is not None

    def stop(self) -> None:
        """Write what is collected."""
        if self._file is not None and not self._file.closed:
            try:
                self._file.flush()
            except OSError as error:
                raise self._named(error) from None

    def close(self) -> None:
        """Write what is collected and close the file, unless it was given open."""
        super().close()
        file, self._file = self._file, None
        if file is not None and isinstance(self.location, (str, os.PathLike)):
            try:
                file.close()
            except OSError as error:
                raise self._named(error) from None

    def _named(self, error: OSError) -> OSError:
        return OSError(error.errno, f"{error.strerror}; {self.bytes_written} bytes were handed over", self.device)

    def _write(self, frame: Frame) -> None:
        try:
            for part in _memory_of(frame) if self.padded else _rows_of(frame):
                self._write_all(part.data.cast("B"))
        except OSError as error:
            raise self._named(error) from None

    def _write_all(self, data: memoryview) -> None:
        assert self._file is not None
        while data:
            written = self._file.write(data)
            self.bytes_written += written
            data = data[written:]

    def facts(self) -> dict[str, Any]:
        """Give the number of bytes written."""
        return {"bytes_written": self.bytes_written}


def _rows_of(frame: Frame) -> list[Array]:
    """List what makes up a picture; row by row the padding between rows stays out without a copy of the frame."""
    parts: list[Array] = []
    for plane in frame.planes():
        parts += [plane] if plane.flags.c_contiguous else list(plane)
    return parts


def _memory_of(frame: Frame) -> list[Array]:
    """List the memory planes of a picture, from its first to its last byte."""
    if not frame.components:
        return _rows_of(frame)
    parts: dict[int, Array] = {}
    for (memory, offset, _, _), plane in zip(frame.components, frame.planes(), strict=True):
        if memory not in parts:
            room = frame.bytes_used[memory] - offset
            parts[memory] = np.lib.stride_tricks.as_strided(plane.view(np.uint8), (room,), (1,), writeable=False)
    return list(parts.values())
