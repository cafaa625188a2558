"""What a decoder finds in its stream, against what was agreed before there was one."""

from __future__ import annotations

from dataclasses import replace

from zcore._chain import Link
from zcore._codec_nodes import CodecNode
from zcore._v4l2_codec import visible_size
from zcore.errors import NegotiationError
from zcore.formats import Format
from zcore.stages.base import LinkCaps
from zcore.stages.v4l2_pad import V4l2Pad, caps_of

MMAP, DMABUF = 1, 4
MOST_REPEATS = 4  # how often a driver may tell of the same stream without giving a picture of it


class Stream:
    """The stream of a decoder.

    Formats and buffers are agreed on before the first byte is there. When the driver has read the stream's header it
    sets CAPTURE to what it found; where that is what was agreed, CAPTURE is started. Where it is not, or where the
    stream changes on its way, the node pauses until everything behind the decoder has another plan.

    Parameters
    ----------
    pad : V4l2Pad
        The decoder's CAPTURE queue.
    planned : LinkCaps
        What was agreed for it.
    who : str
        For messages.
    fixed : bool
        Whether the user asked for the format; else another is planned where the stream has other samples.
    """

    def __init__(self, pad: V4l2Pad, planned: LinkCaps, who: str, *, fixed: bool = False):
        self.pad = pad
        self.planned = planned
        self.who = who
        self.fixed = fixed
        self._node: CodecNode | None = None
        self._last: tuple[int, int, int] | None = None
        self._own: LinkCaps | None = None  # what the driver chose by itself
        self._repeats = 0

    @classmethod
    def found(cls, pad: V4l2Pad, who: str, *, fixed: bool = False) -> Stream:
        """Read what the driver has found in the stream; :attr:`planned` has the visible size then."""
        now = caps_of(pad.device.get_format(pad.type))
        visible = visible_size(pad.device, False)
        stream = cls(pad, replace(now, width=visible[2], height=visible[3]) if visible else now, who, fixed=fixed)
        stream._own = now
        return stream

    @property
    def own(self) -> LinkCaps:
        """What the driver chose by itself, with the size of its buffers."""
        assert self._own is not None
        return self._own

    def go_on(self, node: CodecNode, planned: LinkCaps, sink: Link) -> None:
        """Go on in mid-stream with what was agreed anew."""
        self.planned, self._node = planned, node
        self._last = self.own.fourcc, node.frames_out, node.flushes
        self._check_count()
        node.resume(sink, self.changed)
        if self.own.fourcc != planned.fourcc:
            node.doubt()

    def begin(self, node: CodecNode) -> None:
        """Begin a run."""
        self._node = node
        self._last = None

    def end(self) -> None:
        """End the run: what the loop drove may go."""
        self._node = None

    def changed(self, what: str) -> str:
        """Make CAPTURE ready for the stream that the decoder found.

        Parameters
        ----------
        what : str
            ``stream``: a header was read; ``damaged``: the first picture is; ``nothing``: there was no header.

        Returns
        -------
        str
            ``doubtful`` where the format may not be possible; ``pause`` where the stream needs another plan.
        """
        planned = self.planned
        if what == "nothing":
            raise NegotiationError(f"{self.who} found no stream in what it was given")
        if what == "damaged":
            raise NegotiationError(self._impossible())
        now = caps_of(self.pad.device.get_format(self.pad.type))
        self._own = now
        visible = visible_size(self.pad.device, False)
        size = visible[2:] if visible is not None else None
        if size not in (None, planned.size) or now.width < planned.width or now.height < planned.height:
            return "pause"
        assert self._node is not None
        state = now.fourcc, self._node.frames_out, self._node.flushes
        self._repeats = self._repeats + 1 if state == self._last else 0
        if self._repeats > (MOST_REPEATS if now.fourcc == planned.fourcc else 0):
            # The format that was set makes the decoder think that the stream changed.
            raise NegotiationError(self._impossible())
        self._last = state
        if not self.fixed and not alike(now.format, planned.format):
            return "pause"
        if fits(now, planned):
            self.pad.queue.stop()
        elif not self._set_up_again(now):
            return "pause"
        self._check_count()
        self.pad.queue.start()
        return "doubtful" if now.fourcc != planned.fourcc else ""

    def _impossible(self) -> str:
        assert self._own is not None
        own = str(self._own.format)
        return (
            f"{self.who} cannot give {self.planned.format} from this stream; its own choice is {own}: give "
            f"format={own!r}, or one that differs from it in the order of its planes only"
        )

    def _set_up_again(self, now: LinkCaps) -> bool:
        """Set the format once more: reading the header put the driver's own choice in its place.

        Only a queue without buffers lets its format be set. So the buffers are taken from it, and come back as foreign
        ones: nobody else notices, and no frame is copied.
        """
        planned, queue = self.planned, self.pad.queue
        pool, memory, count = queue.pool, queue.memory, queue.count
        assert pool is not None
        shared = all(buffer.fd >= 0 for buffers in pool.slot_buffers for buffer in buffers)
        if memory == MMAP and not (shared and "dmabuf" in self.pad.memories):
            raise NegotiationError(
                f"{self.who} chose {now.format} {now.width}x{now.height} when it had read the stream, and "
                f"{planned.format} was agreed; give format={str(now.format)!r}, or capture_io_mode='dmabuf'"
            )
        queue.close()
        granted = self.pad.set_format(planned.format, now.width, now.height, code=planned.fourcc)
        if not fits(granted, planned):  # the same size, other rows or more of them
            return False
        sizes = [size for size, _ in granted.memory_planes]
        queue.use_foreign(DMABUF if memory == MMAP else memory, count, sizes, pool, minimum=min(2, count))
        return True

    def _check_count(self) -> None:
        self.pad.read_minimum(again=True)
        if self.pad.queue.count < self.pad.holds:
            raise NegotiationError(
                f"{self.who} needs {self.pad.holds} buffers for this stream and has {self.pad.queue.count}; "
                f"give buffers={self.pad.holds + 3}"
            )


def alike(one: Format, other: Format) -> bool:
    """Tell whether two formats have the same samples, if in another order: such a change every decoder can make."""
    return one == other or (bool(one.components) and one.family is other.family and _samples(one) == _samples(other))


def _samples(fmt: Format) -> list[tuple[bool, int, int, int]]:
    return sorted((c.name in "AX", c.bits, fmt.planes[c.plane].hsub * c.step, fmt.planes[c.plane].vsub)
                  for c in fmt.components)  # fmt: skip


def fits(now: LinkCaps, planned: LinkCaps) -> bool:
    """Tell whether buffers that were planned for one format do for another."""
    return (
        now.fourcc == planned.fourcc
        and len(now.memory_planes) == len(planned.memory_planes)
        and all(
            size <= room and line == rows
            for (size, line), (room, rows) in zip(now.memory_planes, planned.memory_planes, strict=True)
        )
    )
