"""AV1 streams that no encoder here makes: sequence headers by hand, frame headers of random bits."""

from zcore.bitstream.av1_frame import HeaderReader
from zcore.bitstream.av1_sequence import Av1Bits
from zcore.bitstream.picture import BitstreamError


class Writer:
    """Writes bits."""

    def __init__(self):
        self.text = ""

    def __call__(self, count, value):
        if count:
            self.text += format(int(value), f"0{count}b")
            assert 0 <= value < 1 << count
        return value

    def ns(self, count, value):
        width = count.bit_length()
        short = (1 << width) - count
        if value < short:
            self(width - 1, value)
        else:
            self(width, value + short)

    def bytes(self, trailing=True):
        text = self.text + ("1" if trailing else "")
        text += "0" * (-len(text) % 8)
        return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:]


def obu(kind, payload, layer=None, sized=True):
    """Give a unit."""
    head = [kind << 3 | (layer is not None) << 2 | sized << 1]
    if layer is not None:
        head.append(layer[0] << 5 | layer[1] << 3)
    if sized:
        size = len(payload)
        while size > 127:
            head.append(size & 127 | 128)
            size >>= 7
        head.append(size)
    return bytes(head) + payload


DELIMITER = obu(2, b"")
DEFAULTS = {
    "profile": 0, "still": 0, "reduced": 0, "timing": None, "model": None, "points": ((0, 8, 0),), "size": (128, 96),
    "ids": None, "sb128": 0, "filter_intra": 0, "edge": 1, "interintra": 1, "masked": 1, "warped": 1, "dual": 1,
    "hint_bits": 7, "jnt": 1, "mvs": 1, "screen": 2, "integer": 2, "superres": 0, "cdef": 1, "restoration": 1,
    "high": 0, "twelve": 0, "mono": 0, "colours": None, "range": 0, "subsampling": (1, 1), "separate": 0, "grain": 1,
}  # fmt: skip


def sequence(**given):
    """Give a sequence header's payload.

    Parameters
    ----------
    timing : bool, optional
        Whether there is timing information, and its pictures are equally long.
    model : (int, int, int), optional
        Bits of delays, of removal times and of presentation times.
    points : sequence of (int, int, int)
        Layers, level, whether there is a decoder model.
    ids : (int, int), optional
        Bits of differences between frame ids, and how many more an id has.
    """
    o = DEFAULTS | given
    w = Writer()
    w(3, o["profile"])
    w(1, o["still"])
    w(1, o["reduced"])
    if o["reduced"]:
        w(5, o["points"][0][1])
    else:
        if w(1, o["timing"] is not None):
            w(32, 1)
            w(32, 25)
            if w(1, o["timing"]):
                w(3, 0b010)  # uvlc: 1
            if w(1, o["model"] is not None):
                w(5, o["model"][0] - 1)
                w(32, 1)
                w(5, o["model"][1] - 1)
                w(5, o["model"][2] - 1)
        w(1, 1)  # initial_display_delay_present_flag
        w(5, len(o["points"]) - 1)
        for idc, level, model in o["points"]:
            w(12, idc)
            if w(5, level) > 7:
                w(1, 0)
            if o["model"] and w(1, model):
                w(o["model"][0], 1)
                w(o["model"][0], 1)
                w(1, 0)
            if w(1, level & 1):
                w(4, 3)
    for _ in range(2):
        w(4, 15)
    for one in o["size"]:
        w(16, one - 1)
    if not o["reduced"] and w(1, o["ids"] is not None):
        w(4, o["ids"][0] - 2)
        w(3, o["ids"][1] - 1)
    for name in ("sb128", "filter_intra", "edge"):
        w(1, o[name])
    if not o["reduced"]:
        for name in ("interintra", "masked", "warped", "dual"):
            w(1, o[name])
        if w(1, o["hint_bits"] > 0):
            w(1, o["jnt"])
            w(1, o["mvs"])
        if not w(1, o["screen"] == 2):
            w(1, o["screen"])
        if o["screen"] and not w(1, o["integer"] == 2):
            w(1, o["integer"])
        if o["hint_bits"]:
            w(3, o["hint_bits"] - 1)
    for name in ("superres", "cdef", "restoration"):
        w(1, o[name])
    if w(1, o["high"]) and o["profile"] == 2:
        w(1, o["twelve"])
    if o["profile"] != 1:
        w(1, o["mono"])
    if w(1, o["colours"] is not None):
        for one in o["colours"]:
            w(8, one)
    rgb = o["colours"] == (1, 13, 0) and not o["mono"]
    if not rgb:
        w(1, o["range"])
    if not o["mono"]:
        x, y = {0: (1, 1), 1: (0, 0), 2: (1, 0)}[o["profile"]]
        if o["profile"] == 2 and o["twelve"] and not rgb:
            x, y = o["subsampling"]
            if w(1, x):
                w(1, y)
        if x and y and not rgb:
            w(2, 1)
        w(1, o["separate"])
    w(1, o["grain"])
    return w.bytes()


def any_sequence(dice):
    """Give a sequence header of random choices."""

    def flag():
        return dice.randrange(2)

    profile, high, twelve = dice.randrange(3), flag(), flag()
    timing = dice.choice([None, 0, 1])
    model = (
        (dice.randrange(1, 33), dice.randrange(1, 33), dice.randrange(1, 33)) if timing is not None and flag() else None
    )
    layers = [(0, 5, flag())] if flag() else [(0x103, 9, 1), (0x101, 4, flag()), (0x102, 4, flag())]
    names = (
        "sb128", "filter_intra", "edge", "interintra", "masked", "warped", "dual", "jnt", "mvs", "superres", "cdef",
        "restoration", "range", "separate", "grain",
    )  # fmt: skip
    return sequence(
        profile=profile, high=high, twelve=high and twelve and profile == 2, mono=flag() and profile != 1,
        timing=timing, model=model, points=layers, size=(dice.randrange(16, 5000), dice.randrange(16, 3000)),
        ids=dice.choice([None, (dice.randrange(2, 9), dice.randrange(1, 6))]), hint_bits=dice.choice([0, 3, 7, 8]),
        screen=dice.choice([0, 1, 2]), integer=dice.choice([0, 1, 2]),
        subsampling=dice.choice([(0, 0), (1, 0), (1, 1)]), colours=dice.choice([None, (1, 1, 1)]),
        **{name: flag() for name in names},
    )  # fmt: skip


class Planner(HeaderReader):
    """Reads a made-up header; writes what the reference slots have where it has to say that."""

    hints_at = -1

    def _mark_by_hints(self, hints):
        if hints != [slot.frame.order_hint for slot in self.slots]:
            self.hints_at = self.bits.position - 8 * self.sequence.order_hint_bits
            raise BitstreamError("other hints", self.hints_at)


def any_frame(dice, parser, prefix, sizes=True, ones=0.4):
    """Give a frame whose header is of random bits behind `prefix`, and that header; ``None`` = no luck.

    Parameters
    ----------
    sizes : bool
        Whether it may have another size than those before.
    """
    text = ""
    for _ in range(300):
        text = text or prefix + "".join("1" if dice.random() < ones else "0" for _ in range(6000))
        text = text[: len(text) // 8 * 8]
        bits = Av1Bits(int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:])
        reader = Planner(bits, parser.sequence, parser.slots)
        try:
            reader.read()
        except BitstreamError:
            width, at = parser.sequence.order_hint_bits, reader.hints_at
            hints = "" if at < 0 else "".join(format(slot.frame.order_hint, f"0{width}b") for slot in parser.slots)
            text = text[:at] + hints + text[at + len(hints) :] if hints else ""
            continue
        frame, used, text = reader.frame, text[: bits.position], ""
        if reader.existing < 0 and (sizes or frame.size == parser.size):
            writer = Writer()
            writer.text = used
            return obu(6, writer.bytes(trailing=False) + tile_data(frame.tiles)), frame
    return None


def show_existing(sequence, slot, id=0):
    """Give a header that shows what is in a slot."""
    w = Writer()
    w(4, 8 | slot)
    if sequence.decoder_model_info_present and not sequence.equal_picture_interval:
        w(sequence.frame_presentation_time_length, 1)
    if sequence.frame_id_numbers_present:
        w(sequence.frame_id_length, id)
    return obu(3, w.bytes())


def tile_data(tiles, start=0):
    """Give a tile group with tiles of one byte more each."""
    out = b"\0" if tiles.count > 1 else b""
    for number in range(start, tiles.count):
        size = number % 7 + 1
        if number < tiles.count - 1:
            out += (size - 1).to_bytes(tiles.size_bytes, "little")
        out += bytes([number & 255]) * size
    return out
