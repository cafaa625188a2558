"""Structures of controls against the kernel's own header, and texts that people write for values."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcore._v4l2_ext_controls import ControlDescription
from zcore.cli.controls import split
from zcore.controls import ControlError, structure_dtype
from zcore.controls.kinds import _LAYOUTS, ControlType, element_dtype, type_name
from zcore.controls.values import decode, encode, from_text
from zcore.stages.structures import parse_structure, plain_name

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
# Names that have no ctrl_ in the header: they are no controls of their own, or other headers use them, too.
PARTS = {"area", "rect"}
NEW = {"rect": "v4l2_rect"}


def real_name(name):
    known = {type_name(kind) for kind in ControlType}
    return f"struct v4l2_{'ctrl_' if name in known - PARTS else ''}{name}"


@pytest.mark.skipif(COMPILER is None, reason="no C compiler to read the kernel headers with")
def test_layouts_are_the_kernels(tmp_path):
    """Sizes and offsets of every field; a structure that an older header lacks is left out, by its name only."""
    source = tmp_path / "probe.c"
    head = "#include <stddef.h>\n#include <stdio.h>\n#include <linux/videodev2.h>\n"
    header = subprocess.run(
        [COMPILER, "-E", "-"], input=head, capture_output=True, text=True, check=True
    ).stdout  # what this machine's header has
    checked, lines = [], []
    for name in _LAYOUTS:
        struct = real_name(name)
        if not re.search(rf"{struct}\s*\{{", header):
            assert name.startswith("av1"), f"the header has no {struct}"  # Linux 6.6
            continue
        checked.append(name)
        lines.append(f'printf("{name} %zu\\n", sizeof({struct}));')
        lines += [f'printf("{name}.{f} %zu\\n", offsetof({struct}, {f}));' for f in structure_dtype(name).names]
    source.write_text(head + "int main(void) { " + "\n".join(lines) + " return 0; }\n")
    program = tmp_path / "probe"
    subprocess.run([COMPILER, "-o", str(program), str(source)], check=True)
    told = dict(line.split() for line in subprocess.run([program], capture_output=True, text=True).stdout.splitlines())
    for name in checked:
        kind = structure_dtype(name)
        assert int(told[name]) == kind.itemsize, name
        for field in kind.names:
            assert int(told[f"{name}.{field}"]) == kind.fields[field][1], f"{name}.{field}"
    assert len(checked) >= 30


def test_every_type_has_its_elements():
    for kind in ControlType:
        if kind in (ControlType.BUTTON, ControlType.CTRL_CLASS, ControlType.STRING):
            continue
        name = type_name(kind)
        size = structure_dtype(name).itemsize if name in _LAYOUTS else {"u8": 1, "u16": 2, "integer64": 8}.get(name, 4)
        assert element_dtype(kind, size) is not None, name
        assert element_dtype(kind, size + 1) is None  # a kernel whose structure is another: bytes
    assert element_dtype(0x7FF, 4) is None


def info(type, low, high, *, dims=(), size=4, flags=0x100, step=1):
    return ControlDescription(1, "Thing", type, low, high, step, 0, flags, size, int(np.prod(dims or (1,))), dims)


class Device:
    path = "/dev/video0"


@given(st.lists(st.integers(0, 65535), min_size=6, max_size=6), st.sampled_from([", ", ",", " ", ";", "\n"]))
def test_arrays_as_text(values, between):
    matrix = info(0x101, 0, 65535, dims=(2, 3), size=2)
    text = between.join(hex(value) if value % 2 else str(value) for value in values)
    for form in (text, f"<{text}>", f"[{text}]", values, np.array(values).reshape(2, 3)):
        _, raw = encode(Device, matrix, form, {})
        assert decode(matrix, raw).tolist() == np.array(values).reshape(2, 3).tolist()


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    def refuse(message):
        return ControlError(message)

    try:
        found = from_text(text, refuse)
    except ControlError:
        return
    assert isinstance(found, (bytes, list))


@given(st.integers(), st.integers(-1000, 1000), st.integers(0, 2000), st.integers(1, 50))
def test_a_number_is_taken_where_it_is_in_range_and_on_a_step(value, low, span, step):
    thing = info(1, low, low + span, flags=0, step=step)
    fits = low <= value <= low + span and (value - low) % step == 0
    if fits:
        assert encode(Device, thing, value, {}) == (1, value)
    else:
        with pytest.raises(ControlError, match="thing is "):
            encode(Device, thing, value, {})


anything = st.one_of(
    st.none(), st.text(max_size=5), st.floats(), st.lists(st.integers(), max_size=3), st.binary(max_size=9),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.complex_numbers(),
)  # fmt: skip


@given(anything)
@pytest.mark.parametrize("kind", [1, 2, 3, 5, 7, 8, 0x100, 0x106, 0x220, 0x7FF])
def test_whatever_is_given_it_is_taken_or_refused_in_words(kind, value):
    size = {5: 8, 7: 9, 0x100: 1, 0x106: 8, 0x220: 40}.get(kind, 4)
    thing = info(kind, 0, 8, dims=(3,) if kind == 0x100 else (), size=size, flags=0x100 if kind >= 0x100 else 0)
    try:
        encode(Device, thing, value, {0: "none", 1: "some"})
    except ControlError as error:
        assert "thing" in str(error)  # noqa: PT017 - most are taken


words = st.from_regex(r"[A-Za-z][A-Za-z0-9 _-]{0,20}", fullmatch=True)


@given(words, st.text(max_size=20))
def test_name_and_value_on_the_command_line(name, value):
    assert split(f"{name}={value}") == (name.strip(), value)


@given(words.filter(lambda text: plain_name(text)), st.lists(st.integers(-99, 99), min_size=1, max_size=5))
def test_arrays_in_structures(name, values):
    text = ",".join(map(str, values))
    assert parse_structure(f"c,{plain_name(name)}=<{text}>,1x=1") == {plain_name(name): text, "1x": 1}
