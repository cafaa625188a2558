"""A fake camera with a media graph: sensor, scaler and video node, stricter than the kernel about what is left over."""

import ctypes as c
import errno

from . import structs
from .kernel import Device, Refusal
from .structs import S32, U16, U32, U64, fourcc, make, words
from .v4l2 import FakeCamera

RGGB, GBRG, YUYV = 0x3014, 0x3013, 0x2011
SINK, SOURCE, MUST_CONNECT = 1, 2, 4
ENABLED, IMMUTABLE, DYNAMIC = 1, 2, 4
SINGLE_STREAM = "no other stream than 0"

Info = make(
    "media_device_info",
    [("driver", c.c_char * 16), ("model", c.c_char * 32), ("serial", c.c_char * 40), ("bus_info", c.c_char * 32),
     *words("media_version", "hw_revision", "driver_version"), ("reserved", U32 * 31)],
    256,
)  # fmt: skip
Topology = make(
    "media_v2_topology",
    [("version", U64), *[field for kind in ("entities", "interfaces", "pads", "links")
                         for field in ((f"num_{kind}", U32), (f"reserved_{kind}", U32), (f"ptr_{kind}", U64))]],
    72, pack=1,
)  # fmt: skip
EntityStruct = make(
    "media_v2_entity", [("id", U32), ("name", c.c_char * 64), *words("function", "flags"), ("reserved", U32 * 5)], 96
)
InterfaceStruct = make(
    "media_v2_interface",
    [*words("id", "type", "flags"), ("reserved", U32 * 9), *words("major", "minor"), ("rest", U32 * 14)], 112,
)  # fmt: skip
PadStruct = make("media_v2_pad", [*words("id", "entity", "flags", "index"), ("reserved", U32 * 4)], 32)
LinkStruct = make("media_v2_link", [*words("id", "source", "sink", "flags"), ("reserved", U32 * 6)], 40)
PadDesc = make("media_pad_desc", [("entity", U32), ("index", U16), ("flags", U32), ("reserved", U32 * 2)], 20)
LinkDesc = make("media_link_desc", [("source", PadDesc), ("sink", PadDesc), ("flags", U32), ("reserved", U32 * 2)], 52)
SubdevCap = make("v4l2_subdev_capability", [*words("version", "capabilities"), ("reserved", U32 * 14)], 64)
MbusFormat = make(
    "v4l2_mbus_framefmt",
    [*words("width", "height", "code", "field", "colorspace"), ("ycbcr_enc", U16), ("quantization", U16),
     ("xfer_func", U16), ("flags", U16), ("reserved", U16 * 10)],
    48,
)  # fmt: skip
SubdevFormat = make(
    "v4l2_subdev_format", [*words("which", "pad"), ("format", MbusFormat), ("stream", U32), ("reserved", U32 * 7)], 88
)
CodeEnum = make(
    "v4l2_subdev_mbus_code_enum",
    [*words("pad", "index", "code", "which", "flags", "stream"), ("reserved", U32 * 6)],
    48,
)
SizeEnum = make(
    "v4l2_subdev_frame_size_enum",
    [*words("index", "pad", "code", "min_width", "max_width", "min_height", "max_height", "which", "stream"),
     ("reserved", U32 * 7)],
    64,
)  # fmt: skip
SubdevSelection = make(
    "v4l2_subdev_selection",
    [*words("which", "pad", "target", "flags"), ("left", S32), ("top", S32), *words("width", "height", "stream"),
     ("reserved", U32 * 7)],
    64,
)  # fmt: skip
SubdevInterval = make(
    "v4l2_subdev_frame_interval",
    [*words("pad", "numerator", "denominator", "stream", "which"), ("reserved", U32 * 7)], 48,
)  # fmt: skip
IntervalEnum = make(
    "v4l2_subdev_frame_interval_enum",
    [*words("index", "pad", "code", "width", "height", "numerator", "denominator", "which", "stream"),
     ("reserved", U32 * 7)], 64,
)  # fmt: skip
Route = make(
    "v4l2_subdev_route",
    [*words("sink_pad", "sink_stream", "source_pad", "source_stream", "flags"), ("reserved", U32 * 5)], 40,
)  # fmt: skip
Routing = make(
    "v4l2_subdev_routing",
    [*words("which", "len_routes"), ("routes", U64), ("num_routes", U32), ("reserved", U32 * 11)], 64,
)  # fmt: skip
ClientCap = make("v4l2_subdev_client_capability", [("capabilities", U64)], 8)

# Of sub-devices some have the numbers, and the sizes, of calls of video nodes: who is asked decides.
_OWN = {
    ("|", 0, 3, Info): "MEDIA_IOC_DEVICE_INFO", ("|", 3, 3, LinkDesc): "MEDIA_IOC_SETUP_LINK",
    ("|", 4, 3, Topology): "MEDIA_IOC_G_TOPOLOGY", ("V", 0, 2, SubdevCap): "VIDIOC_SUBDEV_QUERYCAP",
    ("V", 2, 3, CodeEnum): "VIDIOC_SUBDEV_ENUM_MBUS_CODE", ("V", 4, 3, SubdevFormat): "VIDIOC_SUBDEV_G_FMT",
    ("V", 5, 3, SubdevFormat): "VIDIOC_SUBDEV_S_FMT", ("V", 21, 3, SubdevInterval): "VIDIOC_SUBDEV_G_FRAME_INTERVAL",
    ("V", 22, 3, SubdevInterval): "VIDIOC_SUBDEV_S_FRAME_INTERVAL", ("V", 38, 3, Routing): "VIDIOC_SUBDEV_G_ROUTING",
    ("V", 39, 3, Routing): "VIDIOC_SUBDEV_S_ROUTING", ("V", 61, 3, SubdevSelection): "VIDIOC_SUBDEV_G_SELECTION",
    ("V", 62, 3, SubdevSelection): "VIDIOC_SUBDEV_S_SELECTION", ("V", 74, 3, SizeEnum): "VIDIOC_SUBDEV_ENUM_FRAME_SIZE",
    ("V", 75, 3, IntervalEnum): "VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL",
    ("V", 102, 3, ClientCap): "VIDIOC_SUBDEV_S_CLIENT_CAP",
}  # fmt: skip
for (_magic, _number, _direction, _struct), _name in _OWN.items():
    _request = _direction << 30 | c.sizeof(_struct) << 16 | ord(_magic) << 8 | _number
    assert _request not in structs.REQUESTS, _name
    structs.REQUESTS[_request] = (_name, _struct)
    structs.NUMBERS[_name] = _request


class FakeSubdev(Device):
    """A sub-device. ``takes`` are the codes of each pad, ``sizes`` what it scales to at its source pad."""

    def __init__(self, kernel, path, pads, codes, *, scales=False, fixed=None):
        super().__init__(kernel, path)
        self.pads = pads  # flags of each
        self.codes = codes
        self.scales = scales
        self.fixed = fixed  # a size that it cannot leave
        self.active = [[64, 16, codes[0], 1, 8] for _ in pads]
        self.tries = {}
        self.crop = {}
        self.interval = None
        self.routes = None
        self.client = 0

    def pad(self, argument, reserved=True):
        if argument.pad >= len(self.pads) or argument.which > 1:
            raise Refusal(errno.EINVAL, f"pad {argument.pad} which {argument.which}")
        if reserved and any(argument.reserved):
            self.kernel.complain(f"{self.path}: reserved words are not zero")
        if argument.stream and self.routes is None:
            self.kernel.complain(f"{self.path}: {SINGLE_STREAM}")
        return argument.pad

    def state(self, file, argument):
        if argument.which == 1:
            return self.active
        return self.tries.setdefault(file, [list(one) for one in self.active])

    def vidioc_subdev_querycap(self, file, cap):
        cap.version, cap.capabilities = 0x60C00, 2 if self.routes is not None else 0

    def vidioc_subdev_s_client_cap(self, file, cap):
        self.client = cap.capabilities

    def vidioc_subdev_enum_mbus_code(self, file, code):
        self.pad(code)
        if code.index >= len(self.codes):
            raise Refusal(errno.EINVAL, "the end of the list")
        code.code = self.codes[code.index]

    def vidioc_subdev_enum_frame_size(self, file, size):
        self.pad(size)
        if size.index or size.code not in self.codes:
            raise Refusal(errno.EINVAL, "the end of the list")
        size.min_width, size.max_width, size.min_height, size.max_height = 16, 1920, 16, 1080

    def vidioc_subdev_g_fmt(self, file, fmt):
        pad = self.pad(fmt)
        one = fmt.format
        one.width, one.height, one.code, one.field, one.colorspace = self.state(file, fmt)[pad]

    def vidioc_subdev_s_fmt(self, file, fmt):
        pad, state = self.pad(fmt), self.state(file, fmt)
        one = fmt.format
        if self.kernel_streams() and fmt.which == 1:
            raise Refusal(errno.EBUSY, "it streams")
        source = bool(self.pads[pad] & SOURCE)
        code = one.code if one.code in self.codes else self.codes[0]
        size = self.fixed or (max(16, min(one.width, 1920)), max(16, min(one.height, 1080)))
        if source and len(self.pads) > 1:  # what comes out follows from what goes in
            code = state[0][2]
            size = size if self.scales else tuple(state[0][:2])
        state[pad] = [*size, code, one.field or 1, 8]
        if not source:
            for other, flags in enumerate(self.pads):
                if flags & SOURCE:
                    state[other] = list(state[pad])
        self.vidioc_subdev_g_fmt(file, fmt)

    def kernel_streams(self):
        return any(
            isinstance(device, FakeMediaCamera) and device.capture.streaming for device in self.kernel.everything
        )

    def vidioc_subdev_enum_frame_interval(self, file, one):
        self.pad(one)
        if self.interval is None:
            raise Refusal(errno.ENOTTY, "no intervals")
        if one.index > 1 or one.code not in self.codes or not 16 <= one.width <= 1920 or not 16 <= one.height <= 1080:
            raise Refusal(errno.EINVAL, "the end of the list, or no such code or size")
        one.numerator, one.denominator = 1, (15, 30)[one.index]

    def vidioc_subdev_g_frame_interval(self, file, ival):
        self.pad(ival)
        if self.interval is None:
            raise Refusal(errno.ENOTTY, "no intervals")
        ival.numerator, ival.denominator = self.interval

    def vidioc_subdev_s_frame_interval(self, file, ival):
        self.vidioc_subdev_g_frame_interval(file, type(ival)(pad=ival.pad, which=ival.which))
        self.interval = [ival.numerator, ival.denominator]

    def vidioc_subdev_g_selection(self, file, one):
        pad = self.pad(one)
        if not self.scales or self.pads[pad] & SOURCE or one.target:
            raise Refusal(errno.EINVAL, "no such rectangle")
        one.left, one.top, one.width, one.height = self.crop.get(pad, (0, 0, *self.state(file, one)[pad][:2]))

    def vidioc_subdev_s_selection(self, file, one):
        wish = one.left, one.top, one.width, one.height
        self.vidioc_subdev_g_selection(file, one)
        width, height = self.state(file, one)[one.pad][:2]
        self.crop[one.pad] = (*wish[:2], min(wish[2], width - wish[0]), min(wish[3], height - wish[1]))
        self.vidioc_subdev_g_selection(file, one)

    def vidioc_subdev_g_routing(self, file, routing):
        if self.routes is None:
            raise Refusal(errno.ENOTTY, "no routes")
        routing.num_routes = len(self.routes)
        for i, route in enumerate(self.routes[: routing.len_routes]):
            target = Route.from_address(routing.routes + i * c.sizeof(Route))
            target.sink_pad, target.sink_stream, target.source_pad, target.source_stream, target.flags = route
        if routing.len_routes < len(self.routes):
            raise Refusal(errno.ENOSPC, "room for more routes is needed")

    def vidioc_subdev_s_routing(self, file, routing):
        if self.routes is None:
            raise Refusal(errno.ENOTTY, "no routes")
        read = [Route.from_address(routing.routes + i * c.sizeof(Route)) for i in range(routing.num_routes)]
        if any(route.sink_pad >= len(self.pads) or route.source_pad >= len(self.pads) for route in read):
            raise Refusal(errno.EINVAL, "no such pad")
        self.routes = [
            (one.sink_pad, one.sink_stream, one.source_pad, one.source_stream, one.flags) for one in read
        ]  # fmt: skip


class FakeMediaCamera(FakeCamera):
    """A video node that streams only when the graph behind it fits together."""

    def __init__(self, kernel, path="/dev/video0", **options):
        super().__init__(kernel, path, **options)
        self.capabilities |= 0x20000000  # V4L2_CAP_IO_MC
        self.media = None
        self.entity = ""
        self.by_code = {YUYV: ["YUYV"], RGGB: ["RGGB"]}
        self.formats = [(fourcc(name), 0, b"") for names in self.by_code.values() for name in names]

    def vidioc_enum_fmt(self, file, desc):
        whole = self.formats
        if desc.mbus_code:
            names = self.by_code.get(desc.mbus_code, [])
            self.formats = [(fourcc(name), 0, b"") for name in names]
        try:
            super().vidioc_enum_fmt(file, desc)
        finally:
            self.formats = whole

    def vidioc_streamon(self, file, argument):
        self.media.check_pipeline(self.entity)
        super().vidioc_streamon(file, argument)


class FakeMedia(Device):
    """A media device. ``add`` makes its parts, ``wire`` its links."""

    def __init__(self, kernel, path="/dev/media0", version=0x60C00):
        super().__init__(kernel, path)
        self.version = version
        self.entities = []  # [name, function, device, pad flags, major:minor]
        self.links = []  # [source entity, pad, sink entity, pad, flags]
        self.grows = 0

    def add(self, name, function, device, pads):
        self.entities.append((name, function, device, pads, (81, len(self.entities))))
        if isinstance(device, FakeMediaCamera):
            device.media, device.entity = self, name
        return device

    def wire(self, source, pad, sink, sink_pad, flags=0):
        self.links.append([source, pad, sink, sink_pad, flags])

    def part(self, name):
        return next(one for one in self.entities if one[0] == name)

    def pad_id(self, name, index):
        return 0x1000000 + 16 * [one[0] for one in self.entities].index(name) + index

    def flags_of(self, name, index):
        return self.part(name)[3][index]

    def check_pipeline(self, name):
        """What media_pipeline_start() does, as far as the fake's graphs need it."""
        seen, todo = set(), [name]
        while todo:
            here = todo.pop()
            if here in seen:
                continue
            seen.add(here)
            for source, _, sink, _, flags in self.links:
                if flags & ENABLED and here in (source, sink):
                    todo += [source, sink]
        for source, pad, sink, sink_pad, flags in self.links:
            if flags & ENABLED and source in seen:
                given = self.part(source)[2].active[pad]
                device = self.part(sink)[2]
                if isinstance(device, FakeMediaCamera):
                    width, height, code = device.current[device.capture.type]
                    fit = code in [fourcc(one) for one in device.by_code.get(given[2], [])]
                else:
                    width, height, code = device.active[sink_pad][:3]
                    fit = code == given[2]
                if not fit or [width, height] != given[:2]:
                    raise Refusal(errno.EPIPE, f"{source} does not fit {sink}")

    def media_ioc_device_info(self, file, info):
        info.driver, info.model, info.bus_info = b"fake", b"Fake camera", b"platform:fake"
        info.media_version = self.version

    def media_ioc_g_topology(self, file, graph):
        entities = [(1 + i, *one) for i, one in enumerate(self.entities)]
        nodes = [(0x3000000 + i, one) for i, one in enumerate(self.entities) if one[2] is not None]
        pads = [(self.pad_id(one[0], i), n + 1, flags, i)
                for n, one in enumerate(self.entities) for i, flags in enumerate(one[3])]  # fmt: skip
        links = [(0x2000000 + i, self.pad_id(*one[:2]), self.pad_id(*one[2:4]), one[4])
                 for i, one in enumerate(self.links)]  # fmt: skip
        links += [(0x2000100 + i, id, 1 + self.entities.index(one), 1 << 28 | 3) for i, (id, one) in enumerate(nodes)]
        tables = {
            "entities": (EntityStruct, [{"id": id, "name": name.encode(), "function": function}
                                        for id, name, function, *_ in entities]),
            "interfaces": (InterfaceStruct, [
                {"id": id, "type": 0x203 if isinstance(one[2], FakeSubdev) else 0x200, "major": one[4][0],
                 "minor": one[4][1]} for id, one in nodes]),
            "pads": (PadStruct, [{"id": id, "entity": entity, "flags": flags, "index": index}
                                 for id, entity, flags, index in pads]),
            "links": (LinkStruct, [{"id": id, "source": source, "sink": sink, "flags": flags}
                                   for id, source, sink, flags in links]),
        }  # fmt: skip
        graph.version = 1
        if getattr(graph, "ptr_links", 0) and self.grows:
            self.grows -= 1
            raise Refusal(errno.ENOSPC, "it has grown")
        for kind, (struct, rows) in tables.items():
            room, address = getattr(graph, f"num_{kind}"), getattr(graph, f"ptr_{kind}")
            setattr(graph, f"num_{kind}", len(rows))
            if not address:
                continue
            if room < len(rows):
                raise Refusal(errno.ENOSPC, f"room for {len(rows)} {kind} is needed")
            for i, row in enumerate(rows):
                target = struct.from_address(address + i * c.sizeof(struct))
                for name, value in row.items():
                    setattr(target, name, value)

    def media_ioc_setup_link(self, file, wish):
        ends = []
        for end in (wish.source, wish.sink):
            if not 1 <= end.entity <= len(self.entities) or end.index >= len(self.entities[end.entity - 1][3]):
                raise Refusal(errno.EINVAL, "no such pad")
            ends += [self.entities[end.entity - 1][0], end.index]
            if end.flags != self.flags_of(*ends[-2:]):
                self.kernel.complain(f"{self.path}: a pad is named with other flags than it has")
        for link in self.links:
            if link[:4] == ends:
                break
        else:
            raise Refusal(errno.EINVAL, "no such link")
        if wish.flags & ~ENABLED != link[4] & ~ENABLED:
            raise Refusal(errno.EINVAL, "only ENABLED may change")
        if wish.flags == link[4]:
            return
        if link[4] & IMMUTABLE:
            raise Refusal(errno.EINVAL, "immutable")
        streaming = any(isinstance(one[2], FakeMediaCamera) and one[2].capture.streaming for one in self.entities)
        if streaming and not link[4] & DYNAMIC:
            raise Refusal(errno.EBUSY, "it streams")
        link[4] = wish.flags


def fake_camera_graph(kernel, monkeypatch):
    """Make two sensors, a scaler and a video node, and let zcore find their nodes; gives the media device."""
    from zcore.media import nodes

    media = FakeMedia(kernel)
    sensor = media.add(
        "Sensor", 0x20001, FakeSubdev(kernel, "/dev/v4l-subdev0", [SOURCE], [RGGB, GBRG, YUYV]), [SOURCE]
    )
    other = media.add("Other sensor", 0x20001, FakeSubdev(kernel, "/dev/v4l-subdev1", [SOURCE], [YUYV]), [SOURCE])
    sensor.interval = [1, 30]
    other.fixed = (320, 240)
    pads = [SINK | MUST_CONNECT, SOURCE]
    scaler = FakeSubdev(kernel, "/dev/v4l-subdev2", pads, [YUYV, RGGB], scales=True)
    media.add("Scaler", 0x4005, scaler, pads)
    camera = FakeMediaCamera(kernel)
    media.add("Capture", 0x10001, camera, [SINK])
    media.wire("Sensor", 0, "Scaler", 0, 0)
    media.wire("Other sensor", 0, "Scaler", 0, ENABLED)
    media.wire("Scaler", 1, "Capture", 0, ENABLED | IMMUTABLE)
    numbers = {one[2].path: one[4] for one in media.entities}
    paths = {number: path for path, number in numbers.items()}
    monkeypatch.setattr(nodes, "number_of", lambda path: numbers.get(str(path)))
    monkeypatch.setattr(nodes, "path_of", lambda major, minor: paths.get((major, minor)))
    monkeypatch.setattr(nodes, "media_paths", lambda: [media.path])
    return media
