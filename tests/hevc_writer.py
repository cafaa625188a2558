"""Writes HEVC headers with every tool that x265 has not got; FFmpeg's trace_headers is asked whether they are right."""

from types import SimpleNamespace

IDR, TRAIL_R, CRA, RASL_N = 19, 1, 21, 8


class Writer:
    """Syntax elements, one behind the other."""

    def __init__(self):
        self.bits = []

    def u(self, count, value):
        assert 0 <= value < 1 << count
        self.bits.append(f"{value:0{count}b}" if count else "")
        return value

    def flag(self, value):
        return self.u(1, int(value))

    def ue(self, value):
        length = (value + 1).bit_length()
        self.bits.append("0" * (length - 1) + f"{value + 1:b}")
        return value

    def se(self, value):
        self.ue(2 * value - 1 if value > 0 else -2 * value)
        return value

    def unit(self, kind, layer=0, temporal=1, data=b""):
        """Give the NAL unit, with a start code and emulation prevention."""
        text = "".join(self.bits)
        text += "1" + "0" * (-(len(text) + 1) % 8)
        header = (kind << 9 | layer << 3 | temporal).to_bytes(2, "big")
        content = header + int(text, 2).to_bytes(len(text) // 8, "big") + data
        out, zeros = bytearray(b"\0\0\1"), 0
        for byte in content:
            if zeros == 2 and byte < 4:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = 0 if byte else zeros + 1
        return bytes(out)


def width(count):
    return max(count - 1, 0).bit_length()


def short_term_set(w, rnd, index, known, last):
    """Write st_ref_pic_set(); gives its distances as the standard's loops make them."""
    if index and w.flag(rnd.random() < 0.6):
        back = 1 + (w.ue(rnd.randrange(index)) if last else 0)
        before, after = known[index - back]
        sign, most = w.flag(rnd.random() < 0.5), rnd.randrange(4)
        shift = (1 - 2 * sign) * (w.ue(most) + 1)
        used, use = [], []
        for _ in range(len(before) + len(after) + 1):
            used.append(w.flag(rnd.random() < 0.6))
            use.append(1 if used[-1] else w.flag(rnd.random() < 0.7))
        return predicted(before, after, shift, used, use)
    counts = w.ue(rnd.randrange(4)), w.ue(rnd.randrange(3))
    parts = []
    for count, sign in zip(counts, (-1, 1), strict=True):
        at, part = 0, []
        for _ in range(count):
            at += sign * (w.ue(rnd.randrange(3)) + 1)
            part.append((at, w.flag(rnd.random() < 0.8)))
        parts.append(part)
    return parts[0], parts[1]


def predicted(before, after, shift, used, use):
    """The loops of (7-61) and (7-62), word for word."""
    negative, positive = len(before), len(after)
    total = negative + positive
    s0, s1 = [], []
    for j in range(positive - 1, -1, -1):
        delta = after[j][0] + shift
        if delta < 0 and use[negative + j]:
            s0.append((delta, used[negative + j]))
    if shift < 0 and use[total]:
        s0.append((shift, used[total]))
    for j in range(negative):
        delta = before[j][0] + shift
        if delta < 0 and use[j]:
            s0.append((delta, used[j]))
    for j in range(negative - 1, -1, -1):
        delta = before[j][0] + shift
        if delta > 0 and use[j]:
            s1.append((delta, used[j]))
    if shift > 0 and use[total]:
        s1.append((shift, used[total]))
    for j in range(positive):
        delta = after[j][0] + shift
        if delta > 0 and use[negative + j]:
            s1.append((delta, used[negative + j]))
    return s0, s1


def scaling_lists(w, rnd):
    """Write scaling_list_data(); gives lists as the standard derives them, and their first values."""
    found = {}
    for size in range(4):
        for matrix in range(0, 6, 3 if size == 3 else 1):
            step = 3 if size == 3 else 1
            if not w.flag(rnd.random() < 0.6):
                back = w.ue(rnd.randint(0, matrix // step))
                found[size, matrix] = found[size, matrix - back * step] if back else (matrix, None)
                continue
            coming = 8
            if size > 1:
                coming = w.se(rnd.randint(-7, 247)) + 8
            dc, values = coming, []
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                wanted = rnd.randint(1, 255)
                delta = (wanted - coming + 128) % 256 - 128
                w.se(delta)
                coming = wanted
                values.append(wanted)
            found[size, matrix] = values, dc if size > 1 else 16
    return found


def hrd(w, rnd, layers):
    kinds = w.flag(rnd.random() < 0.7) + w.flag(rnd.random() < 0.5)
    sub = False
    if kinds:
        sub = w.flag(rnd.random() < 0.5)
        if sub:
            w.u(19, rnd.randrange(1 << 19))
        w.u(8, 0x23)
        if sub:
            w.u(4, 3)
        w.u(15, rnd.randrange(1 << 15))
    for _ in range(layers + 1):
        fixed = w.flag(rnd.random() < 0.5)
        if not fixed:
            fixed = w.flag(rnd.random() < 0.5)
        low = False
        if fixed:
            w.ue(5)
        else:
            low = w.flag(rnd.random() < 0.5)
        count = 1 if low else w.ue(rnd.randrange(3)) + 1
        for _ in range(kinds * count):
            for _ in range(4 if sub else 2):
                w.ue(rnd.randrange(100))
            w.flag(1)


def vui(w, rnd, layers):
    if w.flag(rnd.random() < 0.5) and w.u(8, rnd.choice((1, 255))) == 255:
        w.u(32, 0x00400030)
    if w.flag(rnd.random() < 0.5):
        w.flag(1)
    if w.flag(rnd.random() < 0.5):
        w.u(4, 5 << 1)
        if w.flag(rnd.random() < 0.5):
            w.u(24, 0x010101)
    if w.flag(rnd.random() < 0.5):
        w.ue(1)
        w.ue(2)
    w.u(2, 0)
    field_info = w.flag(rnd.random() < 0.5)
    if w.flag(rnd.random() < 0.3):
        for _ in range(4):
            w.ue(0)
    if w.flag(rnd.random() < 0.6):
        w.u(64, 1 << 32 | 25)
        if w.flag(rnd.random() < 0.5):
            w.ue(0)
        if w.flag(rnd.random() < 0.7):
            hrd(w, rnd, layers)
    if w.flag(rnd.random() < 0.5):
        w.u(3, 2)
        for value in (0, 2, 1, 15, 15):
            w.ue(value)
    return field_info


def profile(w, rnd, layers):
    w.u(8, 1)
    w.u(32, 0x60000000)
    w.u(48, 0x900000000000)
    w.u(8, 93)
    present = [(w.flag(rnd.random() < 0.5), w.flag(rnd.random() < 0.5)) for _ in range(layers)]
    w.u(2 * (8 - layers) if layers else 0, 0)
    for has_profile, level in present:
        if has_profile:
            w.u(88, 1 << 80)
        if level:
            w.u(8, 60)


def video(rnd, layers):
    """Write a video parameter set, which only FFmpeg wants."""
    w = Writer()
    w.u(12, 0b000011000000)
    w.u(4, layers << 1 | 1)
    w.u(16, 0xFFFF)
    profile(w, rnd, layers)
    w.flag(0)
    for value in (8, 2, 0):
        w.ue(value)
    w.u(6, 0)
    w.ue(0)
    w.u(2, 0)
    return w.unit(32)


def sequence(rnd, **wanted):
    """Write a sequence parameter set; gives its unit and what the others need of it."""
    w = Writer()
    layers = rnd.randrange(3)
    m = SimpleNamespace(sets=[], long=[], lists=None, vps=video(rnd, layers))
    w.u(4, 0)
    w.u(3, layers)
    w.flag(1)
    profile(w, rnd, layers)
    w.ue(0)
    chroma = w.ue(rnd.choice((1, 1, 0, 2, 3)))
    m.separate = chroma == 3 and w.flag(rnd.random() < 0.5)
    m.chroma = 0 if m.separate else chroma
    width_, height = w.ue(8 * rnd.randint(8, 40)), w.ue(8 * rnd.randint(8, 40))
    if w.flag(rnd.random() < 0.5):
        m.window = [w.ue(rnd.randrange(3)) for _ in range(4)]
    m.depth = w.ue(rnd.choice((0, 2)))
    w.ue(m.depth)
    m.poc_bits = w.ue(rnd.randrange(9)) + 4
    for _ in range(layers + 1 if w.flag(rnd.random() < 0.5) else 1):
        w.ue(8)
        w.ue(2)
        w.ue(rnd.randrange(5))
    w.ue(0)
    log2 = 3 + w.ue(rnd.randint(1, 3))
    w.ue(0)
    w.ue(rnd.randint(1, min(3, log2 - 2)))
    w.ue(1)
    w.ue(0)
    m.ctbs = -(-width_ >> log2), -(-height >> log2)
    m.scaling = w.flag(rnd.random() < 0.5)
    if m.scaling and w.flag(rnd.random() < 0.6):
        m.lists = scaling_lists(w, rnd)
    w.flag(rnd.random() < 0.5)
    m.sao = w.flag(rnd.random() < 0.5)
    if w.flag(rnd.random() < 0.3):
        w.u(8, 0x77)
        w.ue(0)
        w.ue(0)
        w.flag(1)
    for index in range(w.ue(rnd.randrange(5))):
        m.sets.append(short_term_set(w, rnd, index, m.sets, False))
    m.has_long = w.flag(rnd.random() < 0.6)
    if m.has_long:
        m.long = [(w.u(m.poc_bits, rnd.randrange(1 << m.poc_bits)), w.flag(rnd.random() < 0.7))
                  for _ in range(w.ue(rnd.randrange(4)))]  # fmt: skip
    m.mvp = w.flag(rnd.random() < 0.7)
    w.flag(1)
    m.field_info = False
    if w.flag(rnd.random() < 0.7):
        m.field_info = vui(w, rnd, layers)
    extension = wanted.get("extension")
    if w.flag(extension is not None or rnd.random() < 0.2):
        text = extension or "10000000" + "0" * 9
        w.u(len(text), int(text, 2))
    return w.unit(33), m


def picture_set(rnd, s, **wanted):
    """Write a picture parameter set for a sequence."""
    w = Writer()
    m = SimpleNamespace(lists=None, uniform=False)
    w.ue(0)
    w.ue(0)
    m.dependent, m.output = w.flag(rnd.random() < 0.6), w.flag(rnd.random() < 0.4)
    m.extra = w.u(3, rnd.choice((0, 0, 2)))
    w.flag(1)
    m.cabac_init = w.flag(rnd.random() < 0.5)
    m.active = w.ue(rnd.randrange(3)), w.ue(rnd.randrange(3))
    m.qp = w.se(rnd.randint(-10, 10))
    w.flag(0)
    m.skip = w.flag(rnd.random() < 0.5)
    if w.flag(rnd.random() < 0.5):
        w.ue(1)
    w.se(-3)
    w.se(4)
    m.chroma_qp = w.flag(rnd.random() < 0.5)
    m.weighted = w.flag(rnd.random() < 0.5), w.flag(rnd.random() < 0.5)
    w.flag(rnd.random() < 0.5)
    m.tiles, m.sync = w.flag(rnd.random() < 0.5), w.flag(rnd.random() < 0.4)
    m.columns = m.rows = 1
    if m.tiles:
        m.columns, m.rows = (1 + w.ue(rnd.randint(0, min(size, 4) - 1)) for size in s.ctbs)
        m.uniform = w.flag(rnd.random() < 0.5)
        if not m.uniform:
            for count in (m.columns, m.rows):
                for _ in range(count - 1):
                    w.ue(0)
        w.flag(rnd.random() < 0.5)
    m.across = w.flag(rnd.random() < 0.5)
    m.override = m.off = 0
    if w.flag(rnd.random() < 0.7):
        m.override, m.off = w.flag(rnd.random() < 0.5), w.flag(rnd.random() < 0.5)
        if not m.off:
            w.se(-2)
            w.se(3)
    if w.flag(s.scaling and rnd.random() < 0.5):
        m.lists = scaling_lists(w, rnd)
    m.modification = w.flag(rnd.random() < 0.5)
    w.ue(1)
    m.extension = w.flag(rnd.random() < 0.4)
    text = wanted.get("extension")
    if w.flag(text is not None or rnd.random() < 0.2):
        text = (text or "10000000s0011").replace("s", "1" * m.skip)
        w.u(len(text), int(text, 2))
    return w.unit(34), m
