"""What the tests of containers and software codecs share."""

import re

import av

import zcore
from codec_rig import CodedSource
from zcore.stages.coded_stream import KEYFRAME

SIZE = (64, 48)


class Seen:
    """Keeps what passes a place in a chain."""

    def __init__(self):
        self.times, self.flags, self.sequences, self.payloads = [], [], [], []
        self.stage = zcore.Passthrough(self.look)

    def look(self, frame):
        self.times.append(frame.timestamp_ns)
        self.flags.append(frame.flags)
        self.sequences.append(frame.sequence)
        self.payloads.append(frame.array().tobytes())

    @property
    def keys(self):
        return [bool(flags & KEYFRAME) for flags in self.flags]

    @property
    def since_first(self):
        """Times in whole milliseconds since the first frame."""
        return [round((time - self.times[0]) / 1e6) for time in self.times]


def pictures(fmt="YUV420", size=SIZE, rate=25, **options):
    """Test pictures with times that count up from 0, whatever the clock says."""
    return zcore.TestSource(fmt, size, rate=rate, is_live=False, **{"pattern": "ball", **options})


def coded_source(payloads, codec, size=SIZE):
    """A source of coded frames that tells their size."""
    source = CodedSource(payloads, size, codec)
    source.size = size
    return source


def encoded(place, codec, frames=12, source=None, container_options=None, mux=None, **options):
    """Encode test pictures into a file; gives what went into it, and the report."""
    seen = Seen()
    sink = zcore.MuxSink(place, container_options=container_options, **(mux or {}))
    chain = zcore.Chain(source or pictures(), zcore.SoftwareEncode(codec, **options), seen.stage, sink)
    return seen, chain.run(frames=frames)


def packets_of(place, **options):
    """Read the packets of a file with PyAV: (milliseconds shown, decoded, key, bytes)."""
    found = []
    with av.open(str(place), **options) as file:
        stream = file.streams.video[0]
        for packet in file.demux(stream):
            if packet.size:
                shown, decoded = (
                    None if ticks is None else round(float(ticks * packet.time_base) * 1000)
                    for ticks in (packet.pts, packet.dts)
                )
                found.append((shown, decoded, packet.is_keyframe, bytes(packet)))
    return found


def decoded(place, fmt="gray", **options):
    """Decode a file with PyAV."""
    with av.open(str(place), **options) as file:
        return [frame.to_ndarray(format=fmt) for frame in file.decode(video=0)]


def units(payload, codec="H264", ignore=None):
    """Cut annex B into its units, without access unit delimiters: how they are held apart is the container's."""
    skipped = {"H264": {9}, "HEVC": {35}}[codec] if ignore is None else ignore
    found = []
    for unit in re.split(rb"\0{2,}\x01", payload)[1:]:
        kind = unit[0] & 31 if codec == "H264" else unit[0] >> 1 & 63
        if kind not in skipped:
            found.append(unit.rstrip(b"\0"))
    return found


def psnr(one, other):
    """Signal to noise in dB."""
    import numpy as np

    error = ((one.astype(float) - other.astype(float)) ** 2).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))
