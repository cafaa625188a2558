"""How a pixel format lies in memory: planes, strides, sizes, and the numpy view of it.

Use ``zcore.formats``; this module holds the types that it hands out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

LINEAR = 0
"""The DRM modifier of rows from top to bottom. Not the same as ``INVALID``."""

INVALID = (1 << 56) - 1
"""The DRM modifier that says nothing: the driver decides."""

SAND128 = 0x0700_0000_0000_0004  # with the column height in bits 8 and up

FLAT = np.dtype(np.uint8)


class Family(StrEnum):
    """What the samples of a format mean."""

    RGB = "rgb"
    YUV = "yuv"
    BAYER = "bayer"
    GREY = "grey"
    HSV = "hsv"
    DEPTH = "depth"
    CODED = "coded"


class ArraySpec(NamedTuple):
    """Arguments of ``numpy.ndarray`` for one plane, but for the buffer and the offset."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """Where one colour component lies within the array of its plane.

    ``(array[y, first::step, index] >> shift) & (2**bits - 1)``; a plane of two dimensions has no ``index`` axis.
    """

    name: str
    plane: int
    index: int
    shift: int
    bits: int
    step: int = 1
    first: int = 0


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a format: a block of ``block_bytes`` for ``block_width`` samples of a row.

    ``channels`` is the length of the last array axis, 0 when a block has no fitting dtype and rows are plain bytes.
    """

    block_width: int
    block_bytes: int
    hsub: int
    vsub: int
    dtype: np.dtype[Any]
    channels: int
    order: str

    def row_bytes(self, width: int) -> int:
        """Give the bytes of a row without padding; a row that ends within a block or a chroma sample is rounded up."""
        return -(-width // (self.hsub * self.block_width)) * self.block_bytes

    def rows(self, height: int) -> int:
        """Give the number of rows."""
        return -(-height // self.vsub)

    @property
    def density(self) -> Fraction:
        """Bytes for each pixel of a row."""
        return Fraction(self.block_bytes, self.block_width * self.hsub)


@dataclass(frozen=True, slots=True)
class PlaneLayout:
    """One plane in memory. ``size`` includes padding rows; ``rows`` and ``width_bytes`` are what holds samples."""

    offset: int
    stride: int
    rows: int
    size: int
    width_bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All planes of a frame. ``size`` is the sum of what the planes' memories must hold."""

    planes: tuple[PlaneLayout, ...]
    size: int

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of every plane."""
        return tuple(plane.stride for plane in self.planes)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Offset of every plane."""
        return tuple(plane.offset for plane in self.planes)


@dataclass(frozen=True, slots=True)
class Format:
    """One pixel format, with its names in all three worlds and its layout.

    Use it through ``zcore.formats.find("NV12")``; then ``layout`` says how many bytes lie where, ``array_specs`` how
    numpy sees them, and ``drm`` with ``modifier`` what a framebuffer must be told. Two formats are the same layout
    for DRM when these two are equal, even if V4L2 has two fourccs for it.
    """

    name: str
    family: Family
    v4l2: int | None
    v4l2_mplane: int | None
    drm: int | None
    modifier: int
    drm_name: str | None
    gst: str | None
    planes: tuple[Plane, ...]
    components: tuple[Component, ...]
    tile: tuple[int, int] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def coded(self) -> bool:
        """Whether a buffer holds a payload of varying length instead of pixels."""
        return self.family is Family.CODED

    @property
    def tiled(self) -> bool:
        """Whether rows do not lie one behind the other, so that only a device that knows the modifier can read it."""
        return self.tile is not None or self.modifier != LINEAR

    @property
    def linear(self) -> bool:
        """Whether the CPU can read pixels by row and column."""
        return not self.tiled and not self.coded

    @property
    def has_alpha(self) -> bool:
        """Whether there is an alpha component."""
        return any(component.name == "A" for component in self.components)

    @property
    def bayer(self) -> str | None:
        """The colour filter's order, like ``"RGGB"``, row by row from the top left; None if not a Bayer format."""
        if self.family is not Family.BAYER:
            return None
        return next(pattern for pattern in ("BGGR", "GBRG", "GRBG", "RGGB") if pattern in self.name)

    @property
    def order(self) -> str:
        """The components of the first plane in memory order, from the least significant bit: ``"BGRX"``, ``"YUYV"``."""
        return self.planes[0].order

    def component(self, name: str) -> Component:
        """Find a component by its letter.

        Raises
        ------
        KeyError
            If the format has none of that name, or does not hold it in a way that numpy can address.
        """
        for component in self.components:
            if component.name == name:
                return component
        known = "".join(component.name for component in self.components) or "none"
        raise KeyError(f"{self.name} has no component {name}, only {known}")

    def memory_planes(self, code: int) -> int:
        """Give the number of memories (V4L2 planes) that this format has under the V4L2 fourcc `code`."""
        return len(self.planes) if code == self.v4l2_mplane and code != self.v4l2 else 1

    def require_drm(self) -> tuple[int, int]:
        """Give the DRM fourcc and modifier for a framebuffer or an import.

        Raises
        ------
        ValueError
            If DRM cannot describe the format. To import a tiled one as if it were linear shows garbage.
        """
        if self.drm is not None:
            return self.drm, self.modifier
        if self.coded:
            reason = "it is coded and must be decoded first"
        elif self.tiled:
            reason = "it is tiled and has no known DRM modifier; convert it to a linear format first"
        else:
            reason = "DRM has no fourcc for it; convert it first"
        raise ValueError(f"{self.name} cannot be a DRM framebuffer: {reason}")

    def with_stride(self, stride: int) -> "Format":
        """Give the format with the modifier that the driver's bytesperline of plane 0 implies.

        Only Broadcom's SAND carries such a parameter: its V4L2 bytesperline is the height of a column. The pitch of
        its framebuffer is the width in bytes all the same.
        """
        if self.drm is not None and self.modifier & 0xFF00_0000_0000_00FF == SAND128:
            return replace(self, modifier=SAND128 | stride << 8)
        return self

    def layout(
        self,
        width: int,
        height: int,
        stride: int | None = None,
        *,
        plane_strides: Sequence[int] | None = None,
        stride_align: int = 1,
        height_align: int = 1,
        plane_align: int = 1,
        separate: bool = False,
        size: int | None = None,
    ) -> Layout:
        """Compute where every plane lies.

        What a driver granted goes before what is computed here: pass its strides, and check the result against its
        sizeimage. For tiled formats the result is a lower bound (some add tables), and sizeimage is the truth.

        Parameters
        ----------
        width, height : int
            Visible size; any positive numbers.
        stride : int, optional
            V4L2's single bytesperline. It is that of plane 0, the others follow in proportion.
        plane_strides : sequence of int, optional
            The stride of every plane, instead of `stride`.
        stride_align, height_align, plane_align : int
            Alignment of computed strides in bytes, of the rows of plane 0, and of plane offsets. With `height_align`
            chroma planes get the rows of the padded height.
        separate : bool
            Every plane has its own memory: all offsets are 0.
        size : int, optional
            Coded formats: the size of the buffer. The default is a guess at what a frame may need.

        Raises
        ------
        ValueError
            For an impossible size, or a stride that is shorter than a row.
        """
        if width < 1 or height < 1:
            raise ValueError(f"a frame of {width}x{height} pixels is impossible")
        if self.coded:
            bound = max(1 << 16, width * height * 3 // 2) if size is None else size
            return Layout((PlaneLayout(0, 0, 1, bound, bound),), bound)
        if plane_strides is not None and len(plane_strides) != len(self.planes):
            raise ValueError(f"{self.name} has {len(self.planes)} planes, but {len(plane_strides)} strides were given")
        tile_width, tile_height = self.tile or (1, 1)
        width, height = _align(width, tile_width), _align(height, tile_height)
        placed: list[PlaneLayout] = []
        end = total = 0
        for index, plane in enumerate(self.planes):
            needed = plane.row_bytes(width)
            if plane_strides is not None:
                pitch = plane_strides[index]
            elif stride is None:
                pitch = _align(needed, stride_align)
            elif index == 0:
                pitch = stride
            else:  # odd widths: half of an odd stride is too short for the rounded-up chroma row
                pitch = max(needed, -int(-stride * plane.density // self.planes[0].density))
            if pitch < needed:
                raise ValueError(
                    f"{self.name} {width} pixels wide needs {needed} bytes for a row of plane {index}, "
                    f"but its stride is {pitch}"
                )
            offset = 0 if separate else _align(end, plane_align)
            extent = pitch * plane.rows(_align(height, height_align))
            placed.append(PlaneLayout(offset, pitch, plane.rows(height), extent, needed))
            end = offset + extent
            total += extent
        return Layout(tuple(placed), total if separate else end)

    def array_specs(
        self, width: int, height: int, strides: int | Sequence[int] | None = None, *, size: int | None = None
    ) -> tuple[ArraySpec, ...]:
        """Describe the numpy array of every plane, without padding.

        Components of whole bytes or 16-bit words are the last axis, ``(rows, columns, n)``, or there is no such axis
        if there is only one; components within a word are left in it, ``(rows, columns)`` of uint16 or uint32. Packed
        formats whose samples cross bytes are rows of bytes. Tiled and coded formats are one dimension of bytes.

        Parameters
        ----------
        width, height : int
            Visible size.
        strides : int or sequence of int, optional
            That of plane 0, or of every plane; as for `layout`.
        size : int, optional
            Coded formats: the payload, V4L2's bytesused.
        """
        single, several = (strides, None) if strides is None or isinstance(strides, int) else (None, strides)
        layout = self.layout(width, height, single, plane_strides=several, size=size)
        specs = []
        for plane, place in zip(self.planes, layout.planes, strict=True):
            if not self.linear:
                specs.append(ArraySpec(FLAT, (place.size,), (1,)))
                continue
            item = plane.dtype.itemsize
            columns = place.width_bytes // (max(plane.channels, 1) * item)
            if plane.channels > 1:
                shape: tuple[int, ...] = (place.rows, columns, plane.channels)
                steps: tuple[int, ...] = (place.stride, plane.channels * item, item)
            else:
                shape, steps = (place.rows, columns), (place.stride, item)
            specs.append(ArraySpec(plane.dtype, shape, steps))
        return tuple(specs)


def _align(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
