"""Stages without devices for tests of the planner: each says what it gives, takes, and refuses."""

from zcore import _alloc
from zcore._pool import Pool
from zcore.errors import NegotiationError, make_error
from zcore.formats import find
from zcore.stages.base import LinkCaps, Pad, SinkMixin, Sizes, SourceMixin, Stage, make_pool


def formats(names):
    return [find(name) for name in names.split()]


class RigPad(Pad):
    """Memory of the machine; `refuses` names the ways that fail, as a device's would."""

    def __init__(self, name, roles="export import", refuses=(), holds=1, alignment=1, grants=32):
        self.name = name
        self._roles = set(roles.split())
        self.refuses = refuses
        self.holds = holds
        self.alignment = alignment
        self.grants = grants
        self.pool = None

    def roles(self):
        return self._roles

    def allocate(self, caps, count, *, export):
        if "export" in self.refuses and export:
            raise make_error(25, "VIDIOC_EXPBUF", self.name)
        pool = make_pool(self.name, f"rig:{self.name}", caps)
        for _ in range(min(count, self.grants)):
            pool.add([_alloc.allocate_memfd(size) for size, _ in caps.memory_planes])
        self.pool = pool
        return pool

    def use(self, pool: Pool, caps, memory):
        for refused in self.refuses:
            if refused in ("import", pool.allocator) and memory == "dmabuf":
                raise make_error(22, "VIDIOC_QBUF", self.name)
        self.pool = pool

    def reset(self):
        self.pool = None


class RigSource(Stage, SourceMixin):
    """A camera."""

    kind = "rigsource"

    def __init__(self, offers, size=(640, 480), *, sizes=None, present=None, stride_align=1, fails=(), **pad):
        super().__init__()
        self._offers = formats(offers)
        self._size = size
        self._sizes = sizes
        self._present = find(present) if present else None
        self.stride_align = stride_align
        self.fails = fails
        self.output = RigPad(self.name, **pad)
        self.set_calls = 0

    is_open = True

    def open(self):
        pass

    def close(self):
        pass

    def node(self, source, sink, frames):
        raise NotImplementedError

    def offers(self):
        return self._offers

    def present(self):
        return (self._present or self._offers[0]), self._size

    def output_sizes(self, fmt):
        return self._sizes if self._sizes is not None else Sizes.of(self._size)

    def set_output(self, fmt, size, bytesperline=0):
        self.set_calls += 1
        if str(fmt) in self.fails:
            raise NegotiationError(f"{self.name} does not set {fmt} after all")
        return granted(fmt, size, bytesperline, self.stride_align)


class RigConvert(RigSource, SinkMixin):
    """A converter."""

    kind = "rigconvert"

    def __init__(self, accepts, offers, *, scales=False, couples=False, input_align=1, input_refuses=(), **options):
        super().__init__(offers, **options)
        self.couples = couples
        self._accepts = formats(accepts)
        self.scales = scales
        self.input_align = input_align
        self.input = RigPad(f"{self.name} in", refuses=input_refuses)

    def present(self):
        return None

    def output_sizes(self, fmt):
        return self._sizes

    def accepts(self):
        return self._accepts

    def set_input(self, caps):
        self.input_size = caps.size
        self.input_format = caps.format
        return aligned(caps, self.input_align)

    def set_output(self, fmt, size, bytesperline=0):
        if self.couples and fmt != self.input_format:
            raise NegotiationError(f"{self.name} only scales: it takes {self.input_format} and cannot give {fmt}")
        return super().set_output(fmt, size, bytesperline)


class RigSink(Stage, SinkMixin):
    """A display."""

    kind = "rigsink"

    def __init__(self, accepts, *, sizes=None, input_align=1, fails=(), **pad):
        super().__init__()
        self._accepts = formats(accepts) if accepts is not None else None
        self._sizes = sizes
        self.input_align = input_align
        self.fails = fails
        self.input = RigPad(self.name, **pad)

    is_open = True

    def open(self):
        pass

    def close(self):
        pass

    def node(self, source, sink, frames):
        raise NotImplementedError

    def accepts(self):
        return self._accepts

    def input_sizes(self, fmt):
        return self._sizes

    def set_input(self, caps):
        if str(caps.format) in self.fails:
            raise NegotiationError(f"{self.name} does not take {caps.format} after all")
        return aligned(caps, self.input_align)


def granted(fmt, size, bytesperline=0, align=1):
    layout = fmt.layout(*size, bytesperline or None, stride_align=align)
    if bytesperline and bytesperline % align:
        layout = fmt.layout(*size, -(-bytesperline // align) * align)
    return LinkCaps(fmt, *size, ((layout.size, layout.planes[0].stride),), fmt.v4l2 or 0)


def aligned(caps, align):
    stride = -(-caps.memory_planes[0][1] // align) * align
    return granted(caps.format, caps.size, stride) if stride != caps.memory_planes[0][1] else caps


def hop_by_hop(graph):
    """Count what each frame costs when every link is agreed on by its two ends alone, first format first.

    Returns ``(copies, conversions, scalings)``, where a conversion on the CPU is a copy as well; this is how a
    pipeline is negotiated that looks no further than the next stage.
    """
    copies = conversions = scalings = 0
    state = {}
    for domain in graph.domains:
        source = domain.source
        size = source._size if source not in state else state[source][1]
        offered = source.offers()
        if getattr(source, "couples", False):
            offered = [state[source][0]]
        taken = [branch.sink.accepts() for branch in domain.branches]
        fmt = next((one for one in offered if one in taken[0]), offered[0])
        if source in state:
            conversions += fmt != state[source][0]
        memory = source.output
        for branch, accepts in zip(domain.branches, taken, strict=True):
            made, room = fmt, size
            sizes = branch.sink.input_sizes(fmt)
            if fmt not in accepts:
                made = accepts[0]
                copies, conversions = copies + 1, conversions + 1
            elif any(way in branch.sink.input.refuses for way in ("import", memory_of(memory, fmt))):
                copies += 1
            if sizes is not None and size not in sizes:
                room = sizes.nearest(size)
                scalings += 1
                copies += 1
            state[branch.sink] = made, room
    return copies, conversions, scalings


def memory_of(pad, fmt):
    return f"rig:{pad.name}"
