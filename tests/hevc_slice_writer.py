"""Writes HEVC slice headers for the parameter sets of hevc_writer."""

from types import SimpleNamespace

from hevc_writer import IDR, TRAIL_R, Writer, short_term_set, width

B, P, I = range(3)  # noqa: E741 - the standard's names


DATA = b"\x5a\xc3\0\0\1\x77"


def slice_unit(rnd, s, p, poc, kind=TRAIL_R, first=True, like=None, dependent=False, address=0):
    """Write a slice; gives its unit and its reference picture set.

    Parameters
    ----------
    like : object, optional
        What was given for the first slice of the picture: the same set is written again.
    """
    w = Writer()
    m = SimpleNamespace(before=[], after=[], long=[], bits=[])
    w.flag(first)
    if 16 <= kind <= 23:
        w.flag(0)
    w.ue(0)
    if not first:
        if p.dependent:
            w.flag(dependent)
        w.u(width(s.ctbs[0] * s.ctbs[1]), address)
    if not dependent:
        independent(w, rnd, s, p, m, poc, kind, like)
    if p.tiles or p.sync:
        most = p.columns * (s.ctbs[1] if p.sync else p.rows) - 1
        count = w.ue(rnd.randint(0, min(most, 3)))
        if count:
            w.ue(15)
            for _ in range(count):
                w.u(16, rnd.randrange(1 << 16))
    if p.extension:
        size = w.ue(rnd.randrange(3))
        w.u(8 * size, 0)
    return w.unit(kind, data=DATA), m


def independent(w, rnd, s, p, m, poc, kind, like):
    w.u(p.extra, 0)
    where = len(w.bits)
    w.ue(I)
    m.type = I
    if p.output:
        w.flag(rnd.random() < 0.8)
    if s.separate:
        w.u(2, rnd.randrange(3))
    mvp = False
    if kind != IDR:
        begin = len(w.bits)
        if like is not None:
            w.bits += like.bits
            m.before, m.after, m.long = like.before, like.after, like.long
        else:
            references(w, rnd, s, m, poc)
        m.bits = w.bits[begin:]
        mvp = s.mvp and w.flag(rnd.random() < 0.6 if like is None else like.mvp)
    m.mvp = mvp
    total = sum(used for _, used in m.before + m.after) + sum(used for _, used, _ in m.long)
    if total and kind != 21:
        m.type = rnd.choice((B, P, I))
        changed = Writer()
        changed.ue(m.type)
        w.bits[where] = changed.bits[0]
    sao = False
    if s.sao:
        sao = w.flag(rnd.random() < 0.5)
        if s.chroma:
            sao |= w.flag(rnd.random() < 0.5)
    if m.type != I:
        inter(w, rnd, s, p, m, mvp, total)
    w.se(rnd.randint(-10, 10))
    if p.chroma_qp:
        w.se(-2)
        w.se(5)
    off = p.off
    if p.override and w.flag(rnd.random() < 0.5):
        off = w.flag(rnd.random() < 0.5)
        if not off:
            w.se(1)
            w.se(-6)
    if p.across and (sao or not off):
        w.flag(rnd.random() < 0.5)


def references(w, rnd, s, m, poc):
    w.u(s.poc_bits, poc % (1 << s.poc_bits))
    if not w.flag(bool(s.sets) and rnd.random() < 0.4):
        m.before, m.after = short_term_set(w, rnd, len(s.sets), s.sets, True)
    else:
        index = rnd.randrange(len(s.sets))
        if len(s.sets) > 1:
            w.u(width(len(s.sets)), index)
        m.before, m.after = s.sets[index]
    if not s.has_long:
        return
    of_sequence = w.ue(rnd.randint(0, min(len(s.long), 2))) if s.long else 0
    count = w.ue(rnd.randrange(3))
    cycle = 0
    for i in range(of_sequence + count):
        if i < of_sequence:
            index = rnd.randrange(len(s.long))
            if len(s.long) > 1:
                w.u(width(len(s.long)), index)
            lsb, used = s.long[index]
        else:
            lsb, used = w.u(s.poc_bits, rnd.randrange(1 << s.poc_bits)), w.flag(rnd.random() < 0.7)
        present = w.flag(rnd.random() < 0.5)
        delta = w.ue(rnd.randint(1, 3)) if present else 0
        cycle = delta if i in (0, of_sequence) else delta + cycle
        most = 1 << s.poc_bits
        m.long.append((poc - cycle * most - (poc & (most - 1)) + lsb if present else lsb, used, present))


def inter(w, rnd, s, p, m, mvp, total):
    active = [p.active[0] + 1, p.active[1] + 1]
    if w.flag(rnd.random() < 0.5):
        for i in range(2 if m.type == B else 1):
            active[i] = w.ue(rnd.randrange(5)) + 1
    m.entries = [None, None]
    if p.modification and total > 1:
        for i in range(2 if m.type == B else 1):
            if w.flag(rnd.random() < 0.6):
                m.entries[i] = [w.u(width(total), rnd.randrange(total)) for _ in range(active[i])]
    if m.type == B:
        w.flag(rnd.random() < 0.5)
    if p.cabac_init:
        w.flag(rnd.random() < 0.5)
    if mvp:
        from_l0 = w.flag(rnd.random() < 0.5) if m.type == B else 1
        count = active[0 if from_l0 else 1]
        if count > 1:
            w.ue(rnd.randrange(count))
    if p.weighted[0] if m.type == P else p.weighted[1]:
        weights(w, rnd, s, active[: 2 if m.type == B else 1])
    w.ue(rnd.randrange(5))


def weights(w, rnd, s, counts):
    luma = w.ue(rnd.randrange(8))
    if s.chroma:
        w.se(rnd.randint(-luma, 7 - luma))
    for count in counts:
        has = [w.flag(rnd.random() < 0.5) for _ in range(count)]
        has_chroma = [bool(s.chroma) and w.flag(rnd.random() < 0.5) for _ in range(count)]
        for i in range(count):
            if has[i]:
                w.se(rnd.randint(-128, 127))
                w.se(rnd.randint(-128, 127))
            for _ in range(2 if has_chroma[i] else 0):
                w.se(rnd.randint(-128, 127))
                w.se(rnd.randint(-512, 511))
