"""Makes docs/pictures.md of what the device tests found (tests/device/pictures.json).

In the testbed, ``ZCORE_PICTURES=write python -m pytest tests/device/test_pictures.py`` writes the results anew; then
``PYTHONPATH=python:tests python tests/pictures_page.py`` makes the page.
"""

from pathlib import Path

from picture_rig import stored

PAGE = Path(__file__).resolve().parents[1] / "docs/pictures.md"
HEAD = """# Pictures that were compared

Each row is a picture that zcore showed on vkms, the kernel's virtual display, with Linux 6.12. It was read back through
the writeback connector, and compared with what numpy says it should be, pixel for pixel.
`tests/device/test_pictures.py` does that;
`tests/pictures_page.py` made this page of its results. A result of "differs" is a fact about vkms, and the reason was
looked up in its source.

| what | expected | result | why |
| --- | --- | --- | --- |
"""
ROWS = "vkms_composer.c writes row y of the writeback picture at the row of the plane that it has read, so "
WHY = {
    "reflect-y": ROWS + "rows that are taken from below also land below: the turn is undone",
    "rotate-90": ROWS + "the rows of a picture turned this way land in reverse order",
    "rotate-180": ROWS + "it is shown mirrored to left and right instead",
    "format RG16": "vkms computes with 16 bits a channel and rounds to 8; the expectation does the same",
    "vivid RGBP": "as for RG16",
    "vivid AR24": "vivid's alpha is 0; pre-multiplied colours add up on black",
    "letterbox": "vkms refuses to scale (DRM_PLANE_NO_SCALING): the picture stands in the middle at its own size",
    "crop in the middle": "as for letterbox",
    "alpha": "vkms 6.12 has no property alpha",
    "pixel blend mode": "vkms 6.12 has no such property; it blends pre-multiplied",
    "zpos": "vkms 6.12 has no such property; planes lie in the order primary, overlays, cursor",
    "COLOR_ENCODING": "vkms 6.12 shows no Y'CbCr",
    "scaling": "vkms refuses to scale (DRM_PLANE_NO_SCALING)",
}
EXPECTED = {
    "format": "the picture that was drawn in this format",
    "vivid": "the camera's own frame",
    "position": "the picture at this place, black around it",
    "crop": "the part of the picture, black around it",
    "rotate": "`numpy.rot90`, against the clock",
    "reflect-x": "`picture[:, ::-1]`",
    "reflect-y": "`picture[::-1]`",
    "overlay": "one picture over the other",
    "primary": "the lower picture alone",
    "gamma": "`255 - picture`",
    "letterbox": "the picture in the middle, black around it",
}


def render(results):
    """Give the page for results."""
    rows = []
    for name, result in results.items():
        expected = next((text for start, text in EXPECTED.items() if name.startswith(start)), "cannot be compared")
        word = result if result in ("equal", "not there") else f"differs: {result}"
        rows.append(f"| {name} | {expected} | {word} | {WHY.get(name, '')} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(stored()))
