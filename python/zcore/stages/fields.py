"""Half pictures: the words for V4L2's field orders, and what they mean for frames."""

from __future__ import annotations

from difflib import get_close_matches

from zcore.errors import NegotiationError

FIELDS = {
    "any": 0, "progressive": 1, "none": 1, "top": 2, "bottom": 3, "interlaced": 4, "seq-tb": 5, "seq-bt": 6,
    "alternate": 7, "interlaced-tb": 8, "interlaced-bt": 9,
}  # fmt: skip
GST_MODES: dict[str, tuple[int, ...]] = {
    "progressive": (1,), "interleaved": (4, 8, 9), "alternate": (7,), "mixed": (), "fields": (),
}  # fmt: skip
"""GStreamer's ``interlace-mode`` and the field orders that are it, the one to ask for first; none = not V4L2's."""
TOP, BOTTOM, SEQ_TB, SEQ_BT, ALTERNATE = 2, 3, 5, 6, 7
HALVES = {TOP, BOTTOM, ALTERNATE}
"""Orders in which a frame has the lines of one field only, and so half the height."""

# What a stage that takes each frame for a whole picture would show as garbage, and why.
NO_PICTURE = {
    SEQ_TB: "the top field above the bottom field (V4L2_FIELD_SEQ_TB)",
    SEQ_BT: "the bottom field above the top field (V4L2_FIELD_SEQ_BT)",
    ALTERNATE: "one field in each, top and bottom by turns (V4L2_FIELD_ALTERNATE), so that the picture would jump",
}


def as_field(wanted: str | int | None) -> int:
    """Turn a word such as ``interlaced``, or V4L2's number, into ``V4L2_FIELD_*``; 0 = whatever the driver likes."""
    if wanted is None:
        return 0
    if isinstance(wanted, bool) or not isinstance(wanted, str | int):
        raise TypeError(f"a field order is a word such as 'interlaced', not {wanted!r}")
    if isinstance(wanted, int):
        if wanted not in FIELDS.values():
            raise ValueError(f"V4L2 has no field order {wanted}; it has 0 to 9")
        return wanted
    word = wanted.lower().replace("_", "-").removeprefix("v4l2-field-")
    if word not in FIELDS:
        near = get_close_matches(word, FIELDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no field order {wanted!r}{hint}; there are {', '.join(FIELDS)}")
    return FIELDS[word]


def field_word(field: int) -> str:
    """Give a field order as a word."""
    return next((word for word, number in FIELDS.items() if number == field), str(field))


def check_field(wanted: int, granted: int, who: str) -> None:
    """Refuse another field order than the user asked for."""
    if wanted and granted and wanted != granted and {wanted, granted} not in ({4, 8}, {4, 9}):
        raise NegotiationError(
            f"{who} was asked for the field order {field_word(wanted)!r} and answered with {field_word(granted)!r}: "
            "the input or the standard that is set has no other"
        )
