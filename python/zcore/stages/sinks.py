"""Sinks in Python: pictures, numpy arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from zcore._frame import Frame
from zcore.errors import NegotiationError
from zcore.formats import Family, Format
from zcore.stages.arguments import count_of
from zcore.stages.base import LinkCaps
from zcore.stages.callback import Callback

Array = np.ndarray[Any, Any]


class ArraySink(Callback):
    """Keep the last frames as numpy arrays: copies, so that the buffers go on.

    ``arrays`` has one array for each frame, or a tuple of them for formats of several planes.

    Parameters
    ----------
    keep : int, optional
        How many; left out: all.
    """

    kind = "arraysink"

    def __init__(self, keep: int | None = None, format: str | Format | None = None, *, name: str | None = None):
        super().__init__(self._keep, format, name=name)
        self._limit = count_of(keep, "keep")
        if self._limit is not None and self._limit < 0:
            raise ValueError(f"keep is 0 or more frames, or None for all, not {keep}")
        self.arrays: list[Any] = []
        self.sequences: list[int] = []

    def _keep(self, frame: Frame) -> None:
        planes = [plane.copy() for plane in frame.planes()]
        self.arrays.append(planes[0] if len(planes) == 1 else tuple(planes))
        self.sequences.append(frame.sequence)
        if self._limit is not None and len(self.arrays) > self._limit:
            del self.arrays[0], self.sequences[0]


class PngSink(Callback):
    """Write frames as PNG, with Pillow (zcore's extra ``cli``).

    Parameters
    ----------
    path : str
        File name; with ``%d`` (or ``%05d``) in it one file per frame, else the last frame only.
    every : int
        With a numbered name: write only each so-manyth frame.
    """

    kind = "pngsink"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        format: str | Format | None = None,
        name: str | None = None,
    ):
        super().__init__(self._take, format, name=name)
        if every < 1:
            raise ValueError(f"every is 1 or more, not {every}")
        self._path = os.fspath(path)
        self._every = every
        self._count = 0
        self._last: tuple[Array, Format] | None = None
        self.files: list[str] = []

    @property
    def device(self) -> str:  # type: ignore[override]
        """The file's name."""
        return self._path

    def open(self) -> None:
        """Check that the folder is there and Pillow too."""
        _pillow()
        folder = Path(self._path).parent
        if not folder.is_dir():
            raise FileNotFoundError(2, "no such folder for pictures", str(folder))

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what can be turned into RGB."""
        if caps.format.family not in (Family.RGB, Family.GREY):
            raise NegotiationError(f"{self.name} writes RGB and grey pictures, not {caps.format}; convert first")
        return caps

    def _take(self, frame: Frame) -> None:
        self._last = frame.array().copy(), frame.format
        if "%" in self._path and self._count % self._every == 0:
            self._save(self._path % self._count)
        self._count += 1

    def stop(self) -> None:
        """Write the last frame, where only that is wanted."""
        if "%" not in self._path and self._last is not None:
            self._save(self._path)
            self._last = None

    def _save(self, path: str) -> None:
        assert self._last is not None
        save_png(path, *self._last)
        self.files.append(path)

    def facts(self) -> dict[str, Any]:
        """Name the files."""
        return {"files": list(self.files)}


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise NegotiationError("writing PNG needs Pillow: pip install '.[cli]' in the checkout") from None
    return Image


def rgb_of(array: Array, fmt: Format) -> Array:
    """Turn an array of an RGB or grey format into ``(height, width, 3)`` uint8, by the format table."""
    channels = []
    for name in "RGB" if fmt.family is Family.RGB else "YYY":
        component = fmt.component(name)
        plane = array[..., component.index] if array.ndim == 3 else array
        values = plane.astype(np.uint32) >> component.shift & (1 << component.bits) - 1
        channels.append((values * 255 // ((1 << component.bits) - 1)).astype(np.uint8))
    return np.stack(channels, axis=-1)


def save_png(path: str | os.PathLike[str], array: Array, fmt: Format) -> None:
    """Write one picture."""
    _pillow().fromarray(rgb_of(array, fmt)).save(path)
