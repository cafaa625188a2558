"""What a coded frame tells of itself, and the order in which frames are decoded."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable
from typing import Any

from zcore.formats import Format
from zcore.stages.ffmpeg import CODECS, decoder_name, library

KEYFRAME, PFRAME, BFRAME = 0x8, 0x10, 0x20  # V4L2_BUF_FLAG_*
_START = re.compile(b"\0\0\1")
HEAD = 4096  # bytes of a frame in which its kind is looked for


def is_key(fmt: Format, flags: int, payload: memoryview) -> bool:
    """Tell whether decoding can begin with a frame: by its flags, else by its first bytes."""
    if flags & (KEYFRAME | PFRAME | BFRAME):
        return bool(flags & KEYFRAME)
    look = _KEYS.get(fmt.name)
    return look(bytes(payload[:HEAD])) if look is not None else True


def _units(head: bytes) -> list[bytes]:
    """Give what stands behind each start code of annex B, two bytes of it."""
    return [head[found.end() : found.end() + 2] for found in _START.finditer(head)]


def _h264(head: bytes) -> bool:
    kinds = [unit[0] & 31 for unit in _units(head) if unit]
    return 5 in kinds or (7 in kinds and 1 not in kinds)


def _hevc(head: bytes) -> bool:
    kinds = [unit[0] >> 1 & 63 for unit in _units(head) if unit]
    return any(16 <= kind <= 23 for kind in kinds) or (33 in kinds and not any(kind < 16 for kind in kinds))


def _mpeg12(head: bytes) -> bool:
    at = head.find(b"\0\0\1\0")
    return at >= 0 and len(head) > at + 5 and head[at + 5] >> 3 & 7 == 1


def _mpeg4(head: bytes) -> bool:
    at = head.find(b"\0\0\1\xb6")
    return at >= 0 and len(head) > at + 4 and head[at + 4] >> 6 == 0


def _av1(head: bytes) -> bool:
    """Look for a sequence header; streams have one in each key frame."""
    place = 0
    while place + 1 < len(head):
        header = head[place]
        if header >> 3 & 15 == 1:
            return True
        place += 2 if header & 4 else 1
        size = shift = 0
        if not header & 2:
            return False
        while place < len(head):
            byte = head[place]
            place += 1
            size |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                break
        place += size
    return False


def _vp9(head: bytes) -> bool:
    """Read frame_type of the uncompressed header, behind marker, profile and show_existing_frame."""
    if not head or head[0] >> 6 != 2:
        return False
    profile3 = head[0] >> 4 & 3 == 3
    bits = head[0] << 8 | (head[1] if len(head) > 1 else 0)
    after = bits >> (10 if profile3 else 11)
    return not after & 1 and not bits >> (9 if profile3 else 10) & 1


_KEYS: dict[str, Callable[[bytes], bool]] = {
    "H264": _h264,
    "HEVC": _hevc,
    "MPEG1": _mpeg12,
    "MPEG2": _mpeg12,
    "MPEG4": _mpeg4,
    "VP8": lambda head: bool(head) and not head[0] & 1,
    "VP9": _vp9,
    "AV1": _av1,
}


def looks_wrong(fmt: Format, payload: memoryview) -> str:
    """Tell why the first frame of a stream can be none; empty where it can."""
    head = bytes(payload[:64])
    if fmt.name in ("H264", "HEVC") and not re.match(b"\0{2,}\1", head):
        return f"does not begin with a start code, as an access unit of {fmt} does"
    if fmt.name in ("MPEG1", "MPEG2", "MPEG4") and not head.startswith(b"\0\0\1"):
        return f"does not begin with a start code, as a picture of {fmt} does"
    if fmt.name in ("MJPEG", "JPEG") and not head.startswith(b"\xff\xd8"):
        return "does not begin as a JPEG picture does"
    return ""


def reorder_depth(fmt: Format, payload: bytes) -> int:
    """Find out from a key frame how many pictures at most are decoded before one that is shown earlier."""
    if not CODECS[fmt.name].reorders:
        return 0
    av = library("the order of pictures")
    name = decoder_name(fmt)
    if name is None:
        return 0
    context: Any = av.codec.Codec(name, "r").create()
    context.thread_count = 1
    try:
        context.decode(av.Packet(payload))
    except av.FFmpegError:
        return 0
    return int(context.reorder_depth)


class DecodeTimes:
    """Makes the times at which frames are decoded from those at which they are shown.

    These are the same times in order of size, so many frames later as pictures are reordered: then each picture is
    decoded before it is shown, and the times grow.

    Parameters
    ----------
    depth : int
        How many frames at most come before one that is shown earlier.
    step : int
        Time from frame to frame, for the first ones.
    """

    def __init__(self, depth: int, step: int):
        self.depth = depth
        self.step = max(1, step)
        self._waiting: list[int] = []
        self._count = 0
        self._first = 0
        self._last: int | None = None

    def next(self, shown: int) -> int:
        """Give the time at which the next frame is decoded, from that at which it is shown.

        Raises
        ------
        ValueError
            There is none: pictures are reordered more deeply, or times do not grow.
        """
        if not self._count:
            self._first = shown
        heapq.heappush(self._waiting, shown)
        if len(self._waiting) > self.depth:
            decoded = heapq.heappop(self._waiting)
        else:
            decoded = self._first - (self.depth - self._count) * self.step
        self._count += 1
        if self._last is not None and decoded <= self._last:
            decoded = self._last + 1  # two times that are one in this unit
        if decoded > shown:
            raise ValueError(shown)
        self._last = decoded
        return decoded
