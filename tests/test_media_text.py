"""media-ctl's words: what they mean, and what is said about a mistake; the command ``zcore media``."""

import json
import re
import shutil
import string
from pathlib import Path

import pytest
import test_uapi
from hypothesis import given
from hypothesis import strategies as st

import zcore
from fakekernel.media import fake_camera_graph
from zcore import cli
from zcore.media import CODES, MediaTextError, code_name, code_of
from zcore.media.text import COLORSPACES, parse_formats, parse_links


def test_formats_are_read():
    one, two = parse_formats(
        "'Sensor A':0 [fmt:SRGGB8_1X8/640x480@1/30 field:none colorspace:srgb],\n \"ISP\":2/1 [crop:(1,-2)/3x4]"
    )
    assert (one.name, one.pad, one.code, one.size, one.interval) == ("Sensor A", 0, 0x3014, (640, 480), (1, 30))
    assert one.more == {"field": 1, "colorspace": 8}
    assert (two.name, two.pad, two.stream, two.rectangles) == ("ISP", 2, 1, {"crop": (1, -2, 3, 4)})
    # as media-ctl -p prints a pad
    printed = "'x':0 [fmt:UYVY8_1X16/1x1 field:none colorspace:srgb crop.bounds:(0,0)/640x480 crop:(0,0)/640x480]"
    assert parse_formats(printed)[0].rectangles == {"crop": (0, 0, 640, 480)}
    assert parse_formats("3:1[fmt:UYVY/2x2]")[0].name == 3


def test_links_are_read():
    assert parse_links("'A':0->'B':1[1], 5 : 2 -> \"C\":0 [0]") == [
        (("A", 0), ("B", 1), True), ((5, 2), ("C", 0), False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says", "column"),
    [
        ("", "expected a pad", 0),
        ("'A':0", "expected '\\['", 5),
        ("'A':0 [fmt:SRGB8_1X8/1x1]", "near are", 11),
        ("'A':0 [fmt:SRGGB8_1X8]", "expected '/'", 21),
        ("'A':0 [fmt:SRGGB8_1X8/640]", "expected a size", 22),
        ("'A':0 [frm:SRGGB8_1X8/1x1]", "no property is named 'frm'", 7),
        ("'A':0 [field:odd]", "field is one of any, none", 13),
        ("'A':0 [@0/30]", "an interval is not 0", 8),
        ("'A':0 [crop:1,2]", "expected a rectangle", 12),
        ("'A':0 [field:none", "expected '\\]'", 17),
        ("'A':0 [] 'B':0 []", "expected ','", 9),
    ],
)
def test_mistake_is_shown_at_its_place(text, says, column):
    with pytest.raises(MediaTextError, match=says) as caught:
        parse_formats(text)
    assert str(caught.value).splitlines()[-1] == "  " + " " * column + "^"


def test_mistake_in_links():
    with pytest.raises(MediaTextError, match="1 to enable or 0 to disable"):
        parse_links("'A':0->'B':1[2]")
    with pytest.raises(MediaTextError, match="expected '->'"):
        parse_links("'A':0=>'B':1[1]")


@given(st.text(alphabet="'\"ABf:mt/x01[]()@,-> \n", max_size=60))
def test_any_text_is_read_or_refused(text):
    for parse in (parse_formats, parse_links):
        try:
            parse(text)
        except MediaTextError:
            continue


@given(
    st.text(alphabet=string.ascii_letters + " 0-9_", min_size=1, max_size=20), st.integers(0, 20),
    st.sampled_from(sorted(CODES)), st.integers(1, 8192), st.integers(1, 8192), st.sampled_from(sorted(COLORSPACES)),
)  # fmt: skip
def test_what_is_printed_is_read(name, pad, code, width, height, colorspace):
    (one,) = parse_formats(f"'{name}':{pad} [fmt:{code}/{width}x{height} colorspace:{colorspace}]")
    assert (one.name, one.pad, one.code, one.size) == (name, pad, CODES[code], (width, height))
    assert one.more == {"colorspace": COLORSPACES[colorspace]}


def test_names_of_codes():
    assert code_of("MEDIA_BUS_FMT_SRGGB8_1X8") == code_of("srggb8_1x8") == code_of("0x3014") == code_of(0x3014)
    assert code_name(0x3014) == "SRGGB8_1X8"
    assert code_name(0xABCD) == "0xabcd"
    with pytest.raises(ValueError, match="near are"):
        code_of("SRGGB9_1X8")


def test_names_of_codes_are_the_kernels():
    header = Path("/usr/include/linux/media-bus-format.h")
    if not header.exists():
        pytest.skip(f"{header} is not installed (ENOENT)")
    theirs = {
        name: int(number, 16)
        for name, number in re.findall(r"#define MEDIA_BUS_FMT_(\w+)\s+(0x[0-9a-f]+)", header.read_text())
    }
    assert len(theirs) > 50
    assert {name: CODES.get(name) for name in theirs} == theirs


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to read the kernel headers with (ENOENT)")
def test_structures_are_the_kernels(tmp_path):
    """Sizes and numbers are checked by the compiler, in the header itself; here are the places of the fields."""
    ours = test_uapi.parse("zc_media.h")
    assert len(ours.structs) == 10
    newer = {"routes", "len_routes", "num_routes", "reserved"}  # otherwise before 6.10; what is unknown is left out
    pairs = []
    for struct in ours.structs:
        name = struct.name.removeprefix("zc_")
        pairs += [(f"offsetof(struct {struct.name}, {one})", f"offsetof(struct {name}, {one})")
                  for one in struct.fields if one not in newer]  # fmt: skip
    mine = test_uapi.evaluate(tmp_path, ['"uapi/zc_media.h"'], [], [one for one, _ in pairs])
    real = test_uapi.evaluate(tmp_path, ["<linux/v4l2-subdev.h>"], [], [one for _, one in pairs])
    compared = {one: (mine[one], real[other]) for one, other in pairs if other in real}
    assert len(compared) >= 30
    assert {one: values for one, values in compared.items() if values[0] != values[1]} == {}


@pytest.fixture
def fake(fake_kernel, monkeypatch):
    return fake_camera_graph(fake_kernel, monkeypatch)


def test_command_lists(fake, capsys):
    assert cli.main(["media"]) == 0
    text = capsys.readouterr().out
    assert "'Scaler':0 sink 'Scaler':0 [fmt:YUYV8_1X16/64x16 field:none colorspace:srgb crop:(0,0)/64x16]" in text
    assert "-> 'Capture':0 [enabled,immutable]" in text
    assert cli.main(["media", "/dev/video0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[0]
    assert told["entities"][3]["nodes"] == [{"kind": "video", "path": "/dev/video0"}]
    assert told["links"][2]["flags"] == ["enabled", "immutable"]
    assert cli.main(["media", "/dev/media0", "--dot"]) == 0
    dot = capsys.readouterr().out
    assert [dot.count(f"style={style}") for style in ("dashed", "solid", "bold")] == [1, 1, 1]


def test_command_sets(fake, capsys):
    links = "'Sensor':0->'Scaler':0[1], 'Other sensor':0->'Scaler':0[0]"
    assert cli.main(["media", "/dev/media0", "'Sensor':0 [fmt:YUYV8_1X16/32x16]", "--links", links]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "'Sensor':0->'Scaler':0[1]", "'Other sensor':0->'Scaler':0[0]",
        "'Sensor':0 [fmt:YUYV8_1X16/32x16@1/30 field:none colorspace:srgb]",
    ]  # fmt: skip
    assert cli.main(["media", "/dev/video0", "--camera", "64x16", "--source", "Sensor"]) == 0
    assert "Sensor to /dev/video0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--camera", "64x16"], 2, "name the media device"),
        (["/dev/media0", "--code", "YUYV8_1X16"], 2, "go with --camera"),
        (["/dev/media0", "'A':0 [fm:X/1x1]"], 2, "no property is named"),
        (["/dev/media0", "'A':0 [field:none]"], 1, "no entity 'A'"),
        (["/dev/video0", "--camera", "640"], 2, "takes a size"),
        (["/dev/video0", "--camera", "64x16", "--code", "YUV8"], 2, "no code of the media bus"),
        (["/dev/video0", "--camera", "64x16", "--source", "Sensors"], 1, "did you mean 'Sensor'"),
        (["/dev/media9"], 1, "ENOENT"),
        (["/dev/video9"], 1, "no such device node"),
    ],
)
def test_command_says_what_is_wrong(fake, capsys, words, status, says):
    assert cli.main(["media", *words]) == status
    assert says in capsys.readouterr().err


def test_text_error_is_a_chain_error():
    assert issubclass(MediaTextError, zcore.ChainError)
    assert issubclass(MediaTextError, ValueError)
