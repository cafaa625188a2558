"""Elements for capture, output and display devices."""

from __future__ import annotations

from typing import Any

from zcore.pipeline import present
from zcore.pipeline.common import (
    IO_MODE,
    NO_TIMING,
    device_facts,
    do_timestamp,
    num_buffers,
    sink_properties,
    source_properties,
)
from zcore.pipeline.factory import Factory, filters, sinks, sources
from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import (
    BOOL,
    FD,
    INT,
    INT_MAX,
    STRING,
    STRUCTURE,
    UINT,
    Int,
    IntArray,
)
from zcore.stages.selection import Margins

RAW = "video/x-raw"
SHARED = "video/x-raw(memory:DMABuf), format=DMA_DRM"
ID = Int(-1, INT_MAX)
BALANCE = ("brightness", "contrast", "saturation", "hue")
NO_OVERLAY = "overlay windows were removed from V4L2"
STRETCH = "pixels are taken as square"


def _coded() -> str:
    return "; ".join(present.coded_media())


def _v4l2(device: str) -> tuple[Property, ...]:
    """Declare what v4l2src and v4l2sink have in common."""
    return (
        Property("device", STRING, device, "device node"),
        *device_facts(),
        Property("io-mode", IO_MODE, "auto", "how buffers are shared"),
        Property(
            "extra-controls", STRUCTURE, None,
            "controls to set when the device is opened, by v4l2-ctl's names: c,brightness=10",
        ),
        *(Property(name, INT, 0, f"the device's control '{name}'; left out: unchanged") for name in BALANCE),
        Property("norm", STRING, "none", "television standard, such as PAL; none: as it is"),
        Property("pixel-aspect-ratio", STRING, None, "shape of a pixel", only_default=STRETCH),
        Property("force-aspect-ratio", BOOL, True, "keep to pixel-aspect-ratio", without_effect=STRETCH),
    )  # fmt: skip


def _with_controls(given: dict[str, Any]) -> dict[str, Any]:
    """Make controls of the colour balance, and a standard of its name."""
    norm = given.pop("norm", "none")
    if norm != "none":
        given["standard"] = norm
    controls = {name: given.pop(name) for name in BALANCE if name in given}
    if controls or given.get("extra_controls"):
        given["extra_controls"] = {**controls, **(given.get("extra_controls") or {})}
    return given


def _capture(given: dict[str, Any]) -> dict[str, Any]:
    margins = {side: given.pop(f"crop_{side}", 0) for side in Margins._fields}
    if any(margins.values()):
        given["crop"] = Margins(**margins)
    return _with_controls({"device": "/dev/video0", **given})


def _output(given: dict[str, Any]) -> dict[str, Any]:
    area = [given.pop(f"crop_{name}", None) for name in ("left", "top", "width", "height")]
    if any(value is not None for value in area):
        given["compose"] = tuple(area)  # what VIDIOC_S_CROP sets on an output
    return _with_controls({"device": "/dev/video1", **given})


def _crop(names: str, type: Int, meaning: str) -> tuple[Property, ...]:
    return tuple(Property(f"crop-{name}", type, 0, f"{name} {meaning}", "pixels") for name in names.split())


V4L2SRC = Factory(
    "v4l2src",
    "Video (video4linux2) Source",
    "Source/Video",
    "Reads frames from a V4L2 capture device",
    "zcore.stages.capture:Capture",
    sources(SHARED, RAW, _coded()),
    (
        *_v4l2("/dev/video0"),
        *_crop("top left bottom right", UINT, "margin of the picture, which is left out"),
        num_buffers(),
        do_timestamp(),
        *source_properties(),
    ),
    _capture,
    present.captures,
)

V4L2SINK = Factory(
    "v4l2sink",
    "Video (video4linux2) Sink",
    "Sink/Video",
    "Writes frames to a V4L2 output device",
    "zcore.stages.output:Output",
    sinks(SHARED, RAW, _coded()),
    (
        *_v4l2("/dev/video1"),
        *_crop("top left", INT, "edge of the part of the screen that is used"),
        *_crop("width height", UINT, "of the part of the screen that is used; left out: as it is"),
        *(
            Property(f"overlay-{name}", INT if name in ("top", "left") else UINT, 0, f"{name} of the overlay", "pixels",
                     only_default=NO_OVERLAY)
            for name in ("top", "left", "width", "height")
        ),
        *sink_properties(sync=True, paced=False, video=True),
    ),
    _output,
    present.outputs,
)  # fmt: skip


def m2m_properties(meaning: str) -> tuple[Property, ...]:
    """Declare what converters, encoders and decoders have in common."""
    return (
        Property("device", STRING, None, meaning),
        *device_facts(),
        Property("output-io-mode", IO_MODE, "auto", "how buffers are shared on the side that takes frames (sink pad)"),
        Property("capture-io-mode", IO_MODE, "auto", "how buffers are shared on the side that gives frames (src pad)"),
        Property(
            "extra-controls", STRUCTURE, None,
            "controls to set when the device is opened, by v4l2-ctl's names: c,brightness=10",
        ),
    )  # fmt: skip


CONVERT_PROPERTIES = (
    Property(
        "disable-passthrough", BOOL, False, "convert even where caps are the same on both sides",
        without_effect="every frame goes through the device",
    ),
    Property("qos", BOOL, True, "handle messages about late frames", without_effect=NO_TIMING),
)  # fmt: skip

V4L2CONVERT = Factory(
    "v4l2convert",
    "V4L2 Video Converter",
    "Filter/Converter/Video/Scaler",
    "Converts pixel format and size with a V4L2 mem-to-mem device",
    "zcore.stages.convert:Convert",
    filters((SHARED, RAW), (SHARED, RAW)),
    (*m2m_properties("device node, or the driver's name; left out: the first converter"), *CONVERT_PROPERTIES),
    None,
    present.converters,
)


def _display(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("fd") == -1:
        del given["fd"]
    return {"sync": True, **given}


KMSSINK = Factory(
    "kmssink",
    "KMS video sink",
    "Sink/Video",
    "Shows frames on a plane of a DRM device",
    "zcore.stages.display:Display",
    sinks(SHARED, RAW),
    (
        Property("driver-name", STRING, None, "driver of the card, such as vkms; left out: the first with a display"),
        Property("bus-id", STRING, None, "bus of the card, such as platform:vkms, where a driver has several"),
        Property("connector-id", ID, -1, "id of the connector; -1: the first that is connected"),
        Property("plane-id", ID, -1, "id of the plane; -1: the first that shows the format"),
        Property("fd", FD, -1, "open descriptor of the card, such as a lease; stays the caller's"),
        Property("force-modesetting", BOOL, False, "set a mode of the frames' size, or fail"),
        Property("restore-crtc", BOOL, True, "put back what was on the screen at the end"),
        Property("can-scale", BOOL, True, "let the plane scale to the screen, as far as the driver can"),
        Property(
            "render-rectangle", IntArray(("x", "y", "width", "height")), None, "where on the screen the picture goes",
            "pixels", readable=False,
        ),
        Property("plane-properties", STRUCTURE, None, "KMS properties to set on the plane: s,rotation=4"),
        Property("connector-properties", STRUCTURE, None, "KMS properties to set on the connector"),
        Property(
            "skip-vsync", BOOL, False, "do not wait for the vertical blank a second time",
            without_effect="zcore never waits for it twice",
        ),
        Property("display-width", Int(0, INT_MAX), 0, "width of the screen", "pixels", writable=False),
        Property("display-height", Int(0, INT_MAX), 0, "height of the screen", "pixels", writable=False),
        *sink_properties(sync=True, video=True),
    ),
    _display,
    present.displays,
)  # fmt: skip

FACTORIES = (V4L2SRC, V4L2SINK, V4L2CONVERT, KMSSINK)
