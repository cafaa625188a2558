"""VP9 for tests: a writer of headers by the specification, a second reader of compressed ones, and FFmpeg's words."""

import io
import re

import numpy as np
import pytest

from zcore.controls import structure_dtype

TX_SELECT, SWITCHABLE = 4, 4
STEPS = [*range(7, 255, 13)]
MAP = STEPS + [n for n in range(1, 254) if n not in STEPS]  # inv_map_table


# Writing


class BoolEncoder:
    """The encoder of RFC 6386, section 7.3, which VP9 has too."""

    def __init__(self):
        self.out, self.bottom, self.size, self.count = bytearray(), 0, 255, 24
        self.bit(0)  # the marker

    def bit(self, bit, probability=128):
        split = 1 + (((self.size - 1) * probability) >> 8)
        self.bottom, self.size = (self.bottom + split, self.size - split) if bit else (self.bottom, split)
        while self.size < 128:
            self.size <<= 1
            if self.bottom & (1 << 31):
                place = len(self.out) - 1
                while self.out[place] == 255:
                    self.out[place], place = 0, place - 1
                self.out[place] += 1
            self.bottom = self.bottom << 1 & 0xFFFFFFFF
            self.count -= 1
            if not self.count:
                self.out.append(self.bottom >> 24)
                self.bottom, self.count = self.bottom & 0xFFFFFF, 8

    def u(self, value, count):
        for n in reversed(range(count)):
            self.bit(value >> n & 1)

    def delta(self, value):
        """``encode_term_subexp()`` of a place in inv_map_table; ``None`` = no change."""
        self.bit(value is not None, 252)
        if value is None:
            return
        for least, most, count in ((0, 16, 4), (16, 32, 4), (32, 64, 5)):
            self.bit(value >= most)
            if value < most:
                self.u(value - least, count)
                return
        self.u(value - 64 if value < 129 else (value + 1) >> 1, 7)
        if value >= 129:
            self.bit((value + 1) & 1)

    def done(self):
        for _ in range(32):
            self.bit(0)
        return bytes(self.out)


def compressed(rng, *, intra, lossless=False, switchable=False, both=False, high=False, often=0.1):
    """Write a compressed header; gives it, the kernel's structure for it, and the reference mode."""
    want = np.zeros((), structure_dtype("vp9_compressed_hdr"))
    coder, mode, single = BoolEncoder(), 0, 0

    def deltas(array):
        for place in np.ndindex(array.shape):
            value = rng.randrange(254) if rng.random() < often else None
            coder.delta(value)
            if value is not None:
                array[place] = MAP[value]

    def values(array):
        for place in np.ndindex(array.shape):
            changes = rng.random() < often
            coder.bit(changes, 252)
            if changes:
                array[place] = rng.randrange(128) << 1 | 1
                coder.u(int(array[place]) >> 1, 7)

    if not lossless:
        mode = rng.randrange(5)
        coder.u(min(mode, 3), 2)
        if mode >= 3:
            coder.bit(mode == 4)
    want["tx_mode"] = mode
    if mode == TX_SELECT:
        for name in ("tx8", "tx16", "tx32"):
            deltas(want[name])
    for size in range(min(mode, 3) + 1):
        update = rng.random() < 0.7
        coder.bit(update)
        for plane, kind, band in np.ndindex((2, 2, 6)) if update else ():
            deltas(want["coef"][size, plane, kind, band, : 6 if band else 3])
    deltas(want["skip"])
    if intra:
        return coder.done(), want, 0
    deltas(want["inter_mode"])
    if switchable:
        deltas(want["interp_filter"])
    deltas(want["is_inter"])
    if both:
        single = rng.randrange(3)
        coder.bit(single > 0)
        if single:
            coder.bit(single == 2)
    for name, modes in (("comp_mode", (2,)), ("single_ref", (0, 2)), ("comp_ref", (1, 2))):
        if single in modes:
            deltas(want[name])
    deltas(want["y_mode"])
    deltas(want["partition"])
    mv = want["mv"]
    values(mv["joint"])
    for i in range(2):
        for name in ("sign", "classes", "class0_bit", "bits"):
            values(mv[name][i : i + 1])
    for i in range(2):
        values(mv["class0_fr"][i])
        values(mv["fr"][i])
    for i in range(2) if high else ():
        values(mv["class0_hp"][i : i + 1])
        values(mv["hp"][i : i + 1])
    return coder.done(), want, single


class Bits(list):
    """Bits of an uncompressed header, as they are written."""

    def u(self, value, count=1):
        self += [int(value) >> n & 1 for n in reversed(range(count))]

    def optional(self, value, count, signed=True):
        self.u(value is not None)
        if value is not None:
            self.u(abs(value), count)
            if signed:
                self.u(value < 0)

    def pixels(self, size):
        self.u(size[0] - 1, 16)
        self.u(size[1] - 1, 16)


def uncompressed(rest, *, profile=0, key=False, show=True, resilient=False, intra_only=False, reset=0, refresh=1,
                 refs=(0, 1, 2), bias=(0, 0, 0), colour=(0, 1, 0, 1, 1), size=None, found=0, render=None, high=False,
                 filter=SWITCHABLE, refresh_ctx=False, parallel=True, ctx=0, level=0, sharpness=0, delta=True,
                 deltas=None, q=(60, None, None, None), seg=None, tiles=(0, 0), width=64):  # fmt: skip
    """Write an uncompressed header, with what follows it; the names are mine, the order is the specification's."""
    bits = Bits()
    bits.u(2, 2)
    bits.u(profile & 1)
    bits.u(profile >> 1)
    bits.u(0, 2 if profile == 3 else 1)  # a reserved bit; show_existing_frame
    for flag in (not key, show, resilient):
        bits.u(flag)
    if not key:
        if not show:
            bits.u(intra_only)
        if not resilient:
            bits.u(reset, 2)
    if key or intra_only:
        bits.u(0x498342, 24)
        if key or profile:
            twelve, space, full, *subsampling = colour
            if profile > 1:
                bits.u(twelve)
            bits.u(space, 3)
            if space != 7:
                bits.u(full)
                for flag in (*subsampling, 0) if profile & 1 else ():
                    bits.u(flag)
            elif profile & 1:
                bits.u(0)
    if not key:
        bits.u(refresh, 8)
    if key or intra_only:
        bits.pixels(size)
    else:
        for ref, sign in zip(refs, bias, strict=True):
            bits.u(ref, 3)
            bits.u(sign)
        if size is not None:
            bits.u(0, 3)
            bits.pixels(size)
        else:
            bits.u(1, found + 1)
    bits.u(render is not None)
    if render is not None:
        bits.pixels(render)
    if not (key or intra_only):
        bits.u(high)
        bits.u(filter == SWITCHABLE)
        if filter != SWITCHABLE:
            bits.u(filter, 2)
    if not resilient:
        bits.u(refresh_ctx)
        bits.u(parallel)
    bits.u(ctx, 2)
    bits.u(level, 6)
    bits.u(sharpness, 3)
    bits.u(delta)
    if delta:
        bits.u(deltas is not None)
        for value in deltas or ():
            bits.optional(value, 6)
    bits.u(q[0], 8)
    for value in q[1:]:
        bits.optional(value, 4)
    bits.u(seg is not None)
    if seg is not None:
        _segmentation(bits, **seg)
    wide = (width + 63) // 64
    least = next(n for n in range(7) if wide <= 64 << n)
    for n in range(least, 7):
        if wide >> n + 1 < 4 or n > tiles[0]:
            break
        bits.u(n < tiles[0])
    bits.u(tiles[1] > 0)
    if tiles[1]:
        bits.u(tiles[1] - 1)
    bits.u(len(rest), 16)
    return packed(bits) + rest


def _segmentation(bits, tree=None, pred=None, data=None, absolute=False):
    bits.u(tree is not None)
    if tree is not None:
        for value in tree:
            bits.optional(value, 8, signed=False)
        bits.u(pred is not None)
        for value in pred or ():
            bits.optional(value, 8, signed=False)
    bits.u(data is not None)
    if data is not None:
        bits.u(absolute)
        for features in data:
            for value, (count, signed) in zip(features, ((8, 1), (6, 1), (2, 0), (0, 0)), strict=True):
                bits.optional(value, count, signed)


def packed(bits):
    """Make bytes of bits; the last one is filled up."""
    text = "".join(map(str, bits))
    return bytes(int(text[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(text), 8))


def superframe(*frames, width=2):
    """Annex B."""
    marker = bytes([0xC0 | width - 1 << 3 | len(frames) - 1])
    return b"".join(frames) + marker + b"".join(len(one).to_bytes(width, "little") for one in frames) + marker


def show_existing(slot):
    """A frame that shows another one."""
    return bytes([0x88 | slot])


def hidden(frame, fields, refresh=0):
    """Rewrite a frame of an encoder as one that is not shown; `fields` are FFmpeg's words about it."""
    length = fields["end"]
    bits = [byte >> n & 1 for byte in frame[: (length + 7) // 8] for n in reversed(range(8))][:length]
    bits[6] = 0
    if bits[5]:
        bits.insert(8, 0)  # no intra-only frame
        at = 9 if bits[7] else 11
        for n in range(8):
            bits[at + n] |= refresh >> 7 - n & 1
    return packed(bits) + frame[(length + 7) // 8 :]


# Reading


class SecondReader:
    """The arithmetic decoder of section 9.2 of the VP9 specification, bit by bit over one long number."""

    def __init__(self, data):
        self.data, self.at = data, 8
        self.value, self.range = data[0], 255
        assert self.bit(128) == 0

    def bit(self, probability):
        split = 1 + (((self.range - 1) * probability) >> 8)
        found = int(self.value >= split)
        self.range = self.range - split if found else split
        self.value -= split if found else 0
        while self.range < 128:
            byte = self.data[self.at // 8]  # not behind the end
            self.value = self.value * 2 + (byte >> 7 - self.at % 8 & 1)
            self.range, self.at = self.range * 2, self.at + 1
        return found

    def u(self, count):
        return sum(self.bit(128) << n for n in reversed(range(count)))


def changes(data, lossless, intra, switchable, both, high):
    """Read the places of a compressed header that change; gives what was read in its order, and what is left."""
    reader, found = SecondReader(data), []

    def run(*counts, value=lambda: term(reader)):
        for _ in range(int(np.prod(counts))):
            found.append(value() if reader.bit(252) else None)

    mode = 0 if lossless else reader.u(2)
    mode += reader.u(1) if mode == 3 else 0
    if mode == TX_SELECT:
        run(2 + 4 + 6)
    for _ in range(min(mode, 3) + 1):
        if reader.u(1):
            run(2, 2, 3 + 5 * 6, 3)
    run(3)
    single = 0
    if not intra:
        run(7, 3)
        if switchable:
            run(4, 2)
        run(4)
        if both and reader.u(1):
            single = 1 + reader.u(1)
        run({0: 10, 1: 5, 2: 20}[single])
        run(4 * 9 + 16 * 3)
        run(3 + 2 * (1 + 10 + 1 + 10) + 2 * (6 + 3) + 4 * high, value=lambda: reader.u(7) * 2 + 1)
    return mode, single, found, reader


def term(reader):
    for least, count in ((0, 4), (16, 4), (32, 5)):
        if not reader.u(1):
            return MAP[least + reader.u(count)]
    value = reader.u(7)
    return MAP[value + 64 if value < 65 else value * 2 - 1 + reader.u(1)]


_line = re.compile(r"(\d+)\s+([\w.\[\]]+)\s+[01]*\s*= (-?\d+)")


def traced(packets):
    """Give the syntax elements of each frame, as FFmpeg's trace_headers names them."""
    av = pytest.importorskip("av")
    frames = []
    container = av.open(io.BytesIO(), "w", format="ivf")
    stream = container.add_stream("vp9" if "vp9" in av.codecs_available else "libvpx-vp9", rate=25)
    stream.width, stream.height = 64, 64
    level, repeated = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.INFO)
    av.logging.set_skip_repeated(False)
    try:
        reader = av.bitstream.BitStreamFilterContext("trace_headers", stream)
        with av.logging.Capture() as logs:
            for packet in packets:
                reader.filter(av.Packet(packet))
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(repeated)
    for _, name, text in logs:
        if name != "trace_headers":
            continue
        if text.strip() == "Frame":
            frames.append({})
        found = _line.match(text)
        if found and frames:
            frames[-1].setdefault(found[2], int(found[3]))
            if found[2] == "header_size_in_bytes":
                frames[-1]["end"] = int(found[1]) + 16
    return frames
