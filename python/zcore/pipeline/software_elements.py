"""Elements without a device: sources, sinks and converters in software."""

from __future__ import annotations

from typing import Any

from zcore.pipeline.common import (
    NO_PREROLL,
    NO_SIGNALS,
    do_timestamp,
    filter_properties,
    messages,
    num_buffers,
    silent,
    sink_properties,
    source_properties,
    traffic,
)
from zcore.pipeline.factory import Factory, filters, sinks, sources
from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import (
    BOOL,
    CAPS,
    INT,
    INT64_MAX,
    INT_MAX,
    STRING,
    STRUCTURE,
    UINT,
    UINT64,
    UINT64_MAX,
    Choice,
    Double,
    Enum,
    Int,
)
from zcore.stages.patterns import MOTIONS, PATTERNS
from zcore.stages.software import METHODS

RAW = "video/x-raw"
SIZE = Int(0, INT_MAX)
LATENCY = Int(-1, INT64_MAX, "int64")
PUSHED = "frames are always pushed"
LEAKY = Enum.of("none: wait", "upstream: drop the new frame", "downstream: drop the oldest frame")
OLDEST = Enum((LEAKY.choices[0], LEAKY.choices[2]))
FORMAT = Enum.of("undefined", "default", "bytes", "time", "buffers", "percent")
ZONE = ("k0", "kx", "ky", "kt", "kxt", "kyt", "kxy", "kx2", "ky2", "kt2", "xoffset", "yoffset")
METHOD = Enum(tuple(Choice(name, number) for number, name in enumerate(METHODS) if METHODS[name] and number < 10))
BY_FRAMES = "limit frames, with max-buffers"
NO_POOL = "buffers come from the chain"

VIDEOTESTSRC = Factory(
    "videotestsrc",
    "Video test source",
    "Source/Video",
    "Draws test pictures",
    "zcore.stages.testsource:TestSource",
    sources(RAW),
    (
        Property("pattern", Enum.of(*PATTERNS), "smpte", "what to draw"),
        Property("is-live", BOOL, False, "give frames in real time, at the rate of the caps"),
        Property("timestamp-offset", Int(0, INT64_MAX, "int64"), 0, "added to each time", "ns"),
        Property("foreground-color", UINT, 0xFFFFFFFF, "ARGB, for patterns of two colours"),
        Property("background-color", UINT, 0xFF000000, "ARGB, for patterns of two colours"),
        Property("animation-mode", Enum.of("frames", "wall-time", "running-time"), "frames", "what moves the ball on"),
        Property("horizontal-speed", INT, 0, "moves the picture to the left", "pixels per frame"),
        Property("motion", Enum.of(*MOTIONS), "wavy", "how the ball moves"),
        Property("flip", BOOL, False, "change the ball's colours every second"),
        *(Property(name, INT, 0, "coefficient of the zone plates") for name in ZONE),
        num_buffers(),
        do_timestamp(),
        *source_properties(),
    ),
    lambda given: {"is_live": False, **given},
)

FAKESRC = Factory(
    "fakesrc",
    "Fake Source",
    "Source",
    "Gives frames of whatever format the next element takes",
    "zcore.stages.fakes:FakeSource",
    sources(),
    (
        Property(
            "filltype",
            Enum.of("nothing", "zero", "random", "pattern", "pattern-span", first=1),
            "nothing",
            "what frames are filled with",
        ),
        Property("sizetype", Enum.of("empty", "fixed", "random", first=1), "empty", "how much of a buffer is used"),
        Property("sizemin", SIZE, 0, "least payload with sizetype=random", "bytes"),
        Property("sizemax", SIZE, 4096, "payload with sizetype=fixed, the most with random", "bytes"),
        Property("is-live", BOOL, False, "give frames in real time"),
        Property("sync", BOOL, False, "keep to datarate"),
        Property("datarate", SIZE, 0, "stamp frames as of this rate; 0: none", "bytes/s"),
        Property("data", Enum.of("allocate", "subbuffer", first=1), "allocate", "where buffers come from",
                 only_default=NO_POOL),
        Property("parentsize", SIZE, 40960, "bytes of a parent buffer", "bytes", without_effect=NO_POOL),
        Property("format", FORMAT, "bytes", "unit of positions", without_effect="there are no positions"),
        Property("pattern", STRING, None, "unused in GStreamer too", without_effect="it is unused in GStreamer too"),
        Property("can-activate-pull", BOOL, True, "can be pulled", without_effect=PUSHED),
        Property("can-activate-push", BOOL, True, "can push", only_default=PUSHED),
        *messages(),
        num_buffers(),
        do_timestamp(),
        *source_properties(),
    ),
)  # fmt: skip

FAKESINK = Factory(
    "fakesink",
    "Fake Sink",
    "Sink",
    "Takes frames and drops them",
    "zcore.stages.fakes:FakeSink",
    sinks(),
    (
        num_buffers("end the pipeline after this many frames; -1: never"),
        Property(
            "state-error",
            Enum.of(
                "none", "null-to-ready", "ready-to-paused", "paused-to-playing", "playing-to-paused", "paused-to-ready",
                "ready-to-null",
            ),
            "none",
            "fail at a change of state",
            only_default="a chain has no such states; for a failure see identity error-after",
        ),
        Property("drop-out-of-segment", BOOL, True, "drop what lies out of the segment",
                 without_effect="there are no segments"),
        Property("can-activate-pull", BOOL, False, "can pull", only_default=PUSHED),
        Property("can-activate-push", BOOL, True, "can be pushed to", only_default=PUSHED),
        *messages(),
        *sink_properties(sync=False),
    ),
)  # fmt: skip

FILESRC = Factory(
    "filesrc",
    "File Source",
    "Source/File",
    "Reads frames from a file",
    "zcore.stages.files:FileSource",
    sources(),
    (
        Property("location", STRING, None, "name of the file"),
        Property("blocksize", UINT, 4096, "bytes of a buffer where caps do not say", "bytes"),
        num_buffers(),
        do_timestamp(),
        *source_properties("blocksize"),
    ),
    required={"location": "the name of the file to read"},
)

FILESINK = Factory(
    "filesink",
    "File Sink",
    "Sink/File",
    "Writes frames to a file",
    "zcore.stages.files:FileSink",
    sinks(),
    (
        Property("location", STRING, None, "name of the file; replaced where it exists"),
        Property("append", BOOL, False, "write behind what is in the file"),
        Property(
            "buffer-mode",
            Enum((Choice("default", -1), Choice("full", 0), Choice("line", 1), Choice("unbuffered", 2))),
            "default",
            "how writes are gathered",
        ),
        Property("buffer-size", UINT, 65536, "bytes that are gathered", "bytes"),
        Property("o-sync", BOOL, False, "wait with each write until it is on the disk (O_SYNC)"),
        Property(
            "file-mode", Enum.of("truncate", "output", "overwrite", first=1), "truncate", "how to open it",
            only_default="to write behind what is there use append=true",
        ),
        Property(
            "max-transient-error-timeout", Int(0, INT_MAX), 0, "how long to try again after EACCES", "ms",
            only_default="an error ends the chain at once",
        ),
        *sink_properties(sync=False),
    ),
    required={"location": "the name of the file to write"},
)  # fmt: skip

APPSRC = Factory(
    "appsrc",
    "AppSrc",
    "Generic/Source",
    "Takes frames from the program: chain[name].push(...)",
    "zcore.stages.app:AppSource",
    sources(),
    (
        Property("caps", CAPS, None, "what the program will push"),
        Property("max-buffers", UINT64, 0, "full with this many frames; 0: no such limit", "frames"),
        Property("max-bytes", UINT64, 200_000, "full with this many bytes; 0: no such limit", "bytes"),
        Property("max-time", UINT64, 0, "full when frames span this time; 0: no such limit", "ns"),
        Property("block", BOOL, False, "let push() wait while it is full"),
        Property("leaky-type", LEAKY, "none", "what happens when it is full"),
        Property("is-live", BOOL, False, "frames come in real time"),
        Property("format", FORMAT, "bytes", "unit of positions", without_effect="there are no positions"),
        Property("size", Int(-1, INT64_MAX, "int64"), -1, "bytes of the whole stream; -1: not known", "bytes",
                 without_effect="nothing asks for it"),
        Property("duration", UINT64, UINT64_MAX, "length of the stream", "ns", without_effect="nothing asks for it"),
        Property("stream-type", Enum.of("stream", "seekable", "random-access"), "stream", "kind of stream",
                 only_default="there is no seeking"),
        Property("min-latency", LATENCY, -1, "least latency; -1: default", "ns", without_effect=NO_PREROLL),
        Property("max-latency", LATENCY, -1, "most latency; -1: unlimited", "ns", without_effect=NO_PREROLL),
        Property("min-percent", Int(0, 100, "uint"), 0, "ask for frames below this level", "%",
                 without_effect=NO_SIGNALS),
        Property("emit-signals", BOOL, True, "emit need-data and enough-data", without_effect=NO_SIGNALS),
        Property("handle-segment-change", BOOL, False, "look at segments", without_effect="there are no segments"),
        silent(),
        *traffic(),
        num_buffers(),
        do_timestamp(),
        *source_properties(),
    ),
)  # fmt: skip


def _appsink(given: dict[str, Any]) -> dict[str, Any]:
    leaks = given.pop("leaky_type", "none") == "downstream"
    return {"sync": True, **given, "drop": leaks or given.get("drop", False)}


APPSINK = Factory(
    "appsink",
    "AppSink",
    "Generic/Sink",
    "Hands frames to the program: chain[name].pull()",
    "zcore.stages.app:AppSink",
    sinks(),
    (
        Property("caps", CAPS, None, "what the program takes"),
        Property("max-buffers", UINT, 0, "full with this many frames; 0: no such limit", "frames"),
        Property("max-bytes", UINT64, 0, "full with this many bytes", "bytes", only_default=BY_FRAMES),
        Property("max-time", UINT64, 0, "full when frames span this time", "ns", only_default=BY_FRAMES),
        Property("drop", BOOL, False, "drop the oldest frame when it is full"),
        Property("leaky-type", OLDEST, "none", "what happens when it is full; downstream is the same as drop=true"),
        Property(
            "wait-on-eos", BOOL, True, "at the end wait until all frames were taken",
            without_effect="frames that wait can be pulled after the end, too",
        ),
        Property("eos", BOOL, True, "whether the end was reached", writable=False),
        Property("emit-signals", BOOL, False, "emit new-sample", without_effect=NO_SIGNALS),
        Property("buffer-list", BOOL, False, "take lists of buffers", without_effect="frames come one by one"),
        silent(),
        *traffic(),
        *sink_properties(sync=True),
    ),
    _appsink,
)  # fmt: skip


def _scaling(add_borders: bool) -> tuple[Property, ...]:
    fixed = "the scaler does not let one choose"
    return (
        Property("method", METHOD, "bilinear", "how samples are interpolated"),
        Property(
            "add-borders", BOOL, True, "keep the shape of the picture with black borders",
            without_effect="the picture fills the size of the caps" if add_borders else "it does not scale",
        ),
        Property("sharpness", Double(0.5, 1.5), 1.0, "sharpness of the filter", only_default=fixed),
        Property("sharpen", Double(0.0, 1.0), 0.0, "sharpening", only_default=fixed),
        Property("envelope", Double(1.0, 5.0), 2.0, "size of the filter", only_default=fixed),
        Property("n-threads", UINT, 1, "threads that share the work; 0: one for each processor"),
        Property("dither", Enum.of("none", "verterr", "floyd-steinberg", "sierra-lite", "bayer"), "bayer",
                 "how errors of rounding are spread", only_default=fixed),
        Property("dither-quantization", UINT, 1, "levels of dithering", only_default=fixed),
        Property("chroma-resampler", Enum.of("nearest", "linear", "cubic", "sinc", "lanczos"), "linear",
                 "how chroma is interpolated", only_default=fixed),
        Property("chroma-mode", Enum.of("full", "upsample-only", "downsample-only", "none"), "full",
                 "where chroma is resampled", only_default=fixed),
        Property("alpha-mode", Enum.of("copy", "set", "mult"), "copy", "what becomes of alpha", only_default=fixed),
        Property("alpha-value", Double(0.0, 1.0), 1.0, "alpha to set", only_default=fixed),
        Property("matrix-mode", Enum.of("full", "input-only", "output-only", "none"), "full",
                 "where colours are converted", only_default=fixed),
        Property("gamma-mode", Enum.of("none", "remap"), "none", "whether gamma is converted", only_default=fixed),
        Property("primaries-mode", Enum.of("none", "merge-only", "fast"), "none", "whether primaries are converted",
                 only_default=fixed),
        Property("converter-config", STRUCTURE, None, "options of GStreamer's converter", only_default=fixed),
        *filter_properties(qos=True),
    )  # fmt: skip


VIDEOCONVERT = Factory(
    "videoconvert",
    "Video colorspace converter",
    "Filter/Converter/Video/Colorspace",
    "Converts format and size on the CPU where nothing else helps: a copy, and reported as one",
    "zcore.stages.flow:MayConvert",
    filters((RAW,), (RAW,)),
    _scaling(add_borders=False),
)

VIDEOSCALE = Factory(
    "videoscale",
    "Video scaler",
    "Filter/Converter/Video/Scaler",
    "Scales and converts on the CPU where nothing else helps: a copy, and reported as one",
    "zcore.stages.flow:MayConvert",
    filters((RAW,), (RAW,)),
    (*_scaling(add_borders=True), Property("gamma-decode", BOOL, False, "scale linear light",
                                           only_default="the scaler does not let one choose")),
)  # fmt: skip

FACTORIES = (VIDEOTESTSRC, FAKESRC, FAKESINK, FILESRC, FILESINK, APPSRC, APPSINK, VIDEOCONVERT, VIDEOSCALE)
