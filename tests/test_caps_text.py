"""Reading and writing caps: as GStreamer does, and where zcore knows better, why."""

import gzip
import json
import pickle
from fractions import Fraction
from pathlib import Path

import pytest
from test_caps_oracle import ask, introspecting

from zcore.caps import (
    Bitmask,
    Caps,
    CapsError,
    DoubleRange,
    Features,
    FlagSet,
    Float,
    FractionRange,
    Int64,
    IntRange,
    Other,
    Structure,
    UInt,
    UInt64,
    ValueArray,
    ValueList,
)

with gzip.open(Path(__file__).parent / "data/gst-caps.json.gz") as file:
    TEXTS = json.load(file)["texts"]

REFUSED = None
SINGLE = "a range of one number is that number; GStreamer makes it [ 0, 0 ]"
LOST = "GStreamer warns and drops the features, and the caps mean something else"
ALONE = "ANY and EMPTY are words for whole caps; GStreamer makes them a media type"
MIXED = "GStreamer reads lists of several types, and writes what it cannot read back"
OPEN = "GStreamer takes the end of the text for the parenthesis"
QUOTED = "what is in quotes is a string; GStreamer announces that it will be one"
WRAPS = "the number does not fit; GStreamer wraps it round"
FLAGS = "GStreamer takes for a flag set what merely begins with hexadecimal digits, without a colon"
LENIENT = "zcore also takes it with spaces"
WORDS = "min and max have the type of the other end"
CONTAINER = "zcore names the container in front of its own bracket only"
STAR = "GStreamer reads a star since 1.30"
OTHER = "zcore does not look into types that caps hardly ever have"

DIFFERENT = {
    "video/x-raw,a=[1,1]": ("video/x-raw, a=(int)1", SINGLE),
    "a/b,x=[0,0]": ("a/b, x=(int)0", SINGLE),
    "video/x-raw,a=[ 5,1]": (REFUSED, "the ends are in the wrong order; GStreamer makes it [ 0, 0 ]"),
    "a/b,x=(fraction)[30/1,0/1]": (REFUSED, "as above"),
    "a/b,x=[2,10,-2]": (REFUSED, "a step is positive; GStreamer makes it [ 0, 0 ]"),
    "a/b,x=[ 1, 9, 2 ]": ("a/b, x=(int)[ 1, 9, 2 ]", "V4L2 has such ranges; GStreamer makes it [ 0, 0 ]"),
    "video/x-raw(memory:A+memory:B)": (REFUSED, LOST),
    "a/b(any)": (REFUSED, LOST),
    "a/b(memory:X,ANY)": (REFUSED, LOST),
    "a/b(memory:9)": (REFUSED, LOST),
    "a/b(mem1:X)": (REFUSED, LOST),
    "a/b(memory)": (REFUSED, LOST),
    "a/b(memory:)": (REFUSED, LOST),
    "video/x-raw(ANY);EMPTY": (REFUSED, ALONE),
    "a/b;ANY": (REFUSED, ALONE),
    "ANY;a/b": (REFUSED, ALONE),
    "EMPTY;a/b": (REFUSED, ALONE),
    'video/x-raw,i={a,"b c",1}': (REFUSED, MIXED),
    "a/b,a={1,2.5}": (REFUSED, MIXED),
    "a/b,x=(int){(string)1,2}": (REFUSED, MIXED),
    "a/b,x={{1,2},3}": ("a/b, x=(int){ 1, 2, 3 }", "any of any of is any of"),
    "a/b(": (REFUSED, OPEN),
    "a/b(memory:X": (REFUSED, OPEN),
    'a/b,x=""': ('a/b, x=(string)""', QUOTED),
    'a/b,x="5"': ("a/b, x=(string)5", QUOTED),
    "a/b,x=(fraction)99999999999/3": (REFUSED, WRAPS),
    "a/b,x=(int)4294967295": (REFUSED, WRAPS),
    "a/b,x=4294967295": ("a/b, x=(double)4294967295", WRAPS),
    "a/b,x=2147483647,y=2147483648,z=-2147483648,w=-2147483649": (
        "a/b, x=(int)2147483647, y=(double)2147483648, z=(int)-2147483648, w=(double)-2147483649",
        WRAPS,
    ),
    "a/b,x=(uint)-1": (REFUSED, WRAPS),
    "a/b,x=(flagset)123456789:1": (REFUSED, WRAPS),
    "a/b,x=(float)max,y=(float)0.1,z=(float)1e39": (
        "a/b, x=(float)3.4028234663852886e+38, y=(float)0.10000000149011612, z=(float)inf",
        "the largest number of the type, and what is beyond it",
    ),
    'a/b,x="\\000"': (REFUSED, "GStreamer takes the rest of the text away"),
    "a/b,x=b+c": ("a/b, x=(string)b+c", FLAGS),
    "a/b,x=1-2": ("a/b, x=(string)1-2", FLAGS),
    "a/b (memory:X),x=1": ("a/b(memory:X), x=(int)1", LENIENT),
    "a/b( memory:X ),x=1": ("a/b(memory:X), x=(int)1", LENIENT),
    "a/b(ANY )": ("a/b(ANY)", LENIENT),
    "a/b, x=\\ 5": ("a/b, x=(int)5", LENIENT),
    "a/b,a=[0/1,max]": ("a/b, a=(fraction)[ 0/1, 2147483647/1 ]", WORDS),
    "a/b,x=(list){1,2}": ("a/b, x=(int){ 1, 2 }", CONTAINER),
    "a/b,x=(array)<1,2>": ("a/b, x=(int)< 1, 2 >", CONTAINER),
    "a/b,x=(int/array){1}": (REFUSED, CONTAINER),
    "a/b,x-y_z.w:v+u*t/s=1": ("a/b, x-y_z.w:v+u*t/s=(int)1", STAR),
    "a.b-c_d:e+f*g": ("a.b-c_d:e+f*g", STAR),
    "a/b,x=(type)int": ("a/b, x=(type)int", OTHER),
    "a/b,x=(date)foo": ("a/b, x=(date)foo", OTHER),
}


def text(caps: str) -> str | None:
    try:
        return str(Caps.parse(caps))
    except CapsError:
        return None


@pytest.mark.parametrize(("caps", "theirs"), TEXTS, ids=range(len(TEXTS)))
def test_reading_and_writing_as_in_the_table(caps, theirs):
    mine = text(caps)
    if caps in DIFFERENT:
        assert mine == DIFFERENT[caps][0]
        assert mine != theirs, "no longer an exception"
    else:
        assert mine == theirs
    if mine is not None:
        assert str(Caps.parse(mine)) == mine


def test_texts_are_those_of_the_table():
    lines = (Path(__file__).parent / "data/caps.txt").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [caps for caps, _ in TEXTS]
    assert set(DIFFERENT) <= {caps for caps, _ in TEXTS}


def test_gstreamer_of_this_machine_reads_what_zcore_writes():
    python = introspecting()
    mine = sorted({written for caps, _ in TEXTS if (written := text(caps)) is not None})
    unreadable = ("(type)", "(date)foo", "*", "[ 1, 9, 2 ]", "(float)3.4", "(caps)")
    mine = [caps for caps in mine if not any(part in caps for part in unreadable)]
    assert len(mine) > 100
    assert ask(python, texts=mine)["texts"] == mine


def test_types_of_values():
    caps = Caps.parse(
        "a/b, i=(int)640, u=(uint)1, l=(gint64)2, ul=(guint64)3, d=(double)1.5, f=(float)0.5, b=(boolean)yes, "
        "s=(string)x, n=(string)NULL, r=(fraction)60/2, m=(bitmask)0x3, g=(flagset)1:3, y=(buffer)00ff, "
        "w=[ 1, max ], st=[ 2, 10, 4 ], "
        "dr=[ 0.5, 1.5 ], fr=[ 0/1, max ], v={ NV12, I420 }, a=< 1, 2 >, z=(date)2024-02-29"
    )
    fields = caps[0].fields
    expected = {
        "i": 640, "u": UInt(1), "l": Int64(2), "ul": UInt64(3), "d": 1.5, "f": Float(0.5), "b": True, "s": "x",
        "n": None, "r": Fraction(30), "m": Bitmask(3), "g": FlagSet(1, 3), "y": b"\x00\xff",
        "w": IntRange(1, 2**31 - 1), "st": IntRange(2, 10, 4), "dr": DoubleRange(0.5, 1.5),
        "fr": FractionRange(Fraction(0), Fraction(2**31 - 1)),
        "v": ValueList("NV12", "I420"), "a": ValueArray(1, 2), "z": Other("date", "2024-02-29"),
    }  # fmt: skip
    assert dict(fields) == expected
    assert {name: type(value) for name, value in fields.items()} == {name: type(v) for name, v in expected.items()}
    assert Caps.parse(str(caps)) == caps


def test_guesses():
    guesses = {
        "5": 5, "-0x10": -16, "010": 8, "max": 2**31 - 1, "little_endian": 1234, "5.0": 5.0, "1e3": 1000.0,
        "30/1": Fraction(30), "1:3": FlagSet(1, 3), "yes": True, "F": False, "NV12": "NV12", "08": 8.0,
        "1/0": "1/0", "4:2:0": "4:2:0", "0x1p99999": float("inf"), "-0x1p99999": float("-inf"),
    }  # fmt: skip
    for word, value in guesses.items():
        found = Caps.parse(f"a/b,x={word}")[0]["x"]
        assert (found, type(found)) == (value, type(value)), word


def test_types_within_ranges():
    assert Caps.parse("a/b, x=[ (gint64)1, (gint64)5 ]")[0]["x"] == IntRange(1, 5, type="gint64")
    assert Caps.parse("a/b, x={ (double)[ 1, 2 ], 3.5 }")[0]["x"] == ValueList(DoubleRange(1, 2), 3.5)
    assert Caps.parse("a/b, x=[ min, max ]")[0]["x"] == IntRange(-(2**31), 2**31 - 1)


def test_nested_caps():
    some = "(caps)[video/x-raw(ANY); ANY/x, y={ 1, 2 }]"
    caps = Caps.parse(f"a/b, s=(structure)[foo, x=[ 1, 2 ]], c={some}, e=(caps)[ANY]")
    fields = caps[0].fields
    assert fields["s"] == Structure("foo", {"x": IntRange(1, 2)})
    assert fields["c"] == Caps([Structure("video/x-raw", (), Features.ANY), Structure("ANY/x", {"y": ValueList(1, 2)})])
    assert fields["e"] is Caps.ANY
    assert Caps.parse(str(caps)) == caps
    assert Caps.parse('a/b, c=(structure)"foo, x=(int)1;"')[0]["c"] == Structure("foo", {"x": 1})
    lists = Caps.parse("a/b, x=<<1,2>,{[3,4],5}>")
    assert str(lists) == "a/b, x=(int)< < (int)1, (int)2 >, { (int)[ 3, 4 ], (int)5 } >"
    assert Caps.parse(str(lists)) == lists
    assert Caps.parse("a/b, x=(int)< < (GstIntRange)[ 1, 3 ] > >")[0]["x"] == ValueArray(ValueArray(IntRange(1, 3)))


def test_flag_sets_with_names():
    text = "a/b, f=(GstVideoMultiviewFlagsSet)1:c001:+right-view-first/half-aspect/mixed-mono"
    caps = Caps.parse(text)
    assert caps[0]["f"] == FlagSet(1, 0xC001, "GstVideoMultiviewFlagsSet")
    assert str(caps) == text
    assert Caps.parse("a/b, f=(GstVideoMultiviewFlagsSet)+right-view-first/half-aspect/mixed-mono") == caps
    assert str(Caps.parse("a/b, f=(GstFooFlagsSet)1:3")) == "a/b, f=(GstFooFlagsSet)1:3"
    with pytest.raises(CapsError, match="has no flag 'upside-down'"):
        Caps.parse("a/b, f=(GstVideoMultiviewFlagsSet)+upside-down")
    with pytest.raises(CapsError, match="expected two hexadecimal numbers"):
        Caps.parse("a/b, f=(GstFooFlagsSet)+foo")


ERRORS = [
    ("video/x-raw,width=(itn)640", 19, "unknown type 'itn'; did you mean int"),
    ("video/x-raw(memory:DMABUF)", 12, "did you mean memory:DMABuf"),
    ("video/x-raw(memory:DMABuff),width=1", 12, "did you mean memory:DMABuf"),
    ("video/x-raw(memory:dma_buf)", 12, "did you mean memory:DMABuf"),
    ("video/x-raw(memory)", 12, "looks like memory:DMABuf"),
    ("video/x-raw, format=nv12", 20, "did you mean NV12"),
    ("video/x-raw, format={ NV12, YUYV }", 28, "did you mean YUY2"),
    ("video/x-raw, format=NV13", 20, "did you mean NV1"),
    ("video/x-raw(memory:DMABuf),format=DMA_DRM,drm-format=NV12:0x0", 53, "write NV12"),
    ("video/x-raw(memory:DMABuf),format=DMA_DRM,drm-format=NV12:02", 53, "fourcc of four characters"),
    ("video/x-raw, width", 18, "expected '=' and the value of width, found the end"),
    ("video/x-raw, width=", 19, "expected a value, found the end"),
    ("video/x-raw width=5", 12, "expected ',' and a field, or ';', found 'w'"),
    ("video/x-raw, name=a b", 20, "expected ',' and a field"),
    ("video/x-raw, name=a@b", 19, "needs double quotes"),
    ("video/x-raw, name=(string)ä", 26, "in double quotes where it has such characters"),
    ('video/x-raw, name="abc', 22, "expected '\"' at the end"),
    ('video/x-raw, name="\\9\\12"', 18, "wrong escape"),
    ("video/x-raw, width=(int)6.5", 24, "'6.5' is no int; expected a whole number"),
    ("video/x-raw, width=(int)\"5\"", 24, "without quotes"),
    ("video/x-raw, framerate=(fraction)1/0", 33, "expected a fraction like 30/1"),
    ("video/x-raw, width=[ 1, 2", 25, "expected ']', found the end"),
    ("video/x-raw, width=[ 5, 1 ]", 21, "from the smaller to the larger"),
    ("video/x-raw, width=[ 1, 10, 0 ]", 28, "the step of a range is positive"),
    ("video/x-raw, width=[ 1, 30/1 ]", 19, "one type, not fraction and int"),
    ("video/x-raw, width=[ 1.0, 2.0, 1.0 ]", 31, "only ranges of whole numbers have a step"),
    ("video/x-raw, width=(string)[ 1, 2 ]", 27, "ranges of int, gint64, double and fraction"),
    ("video/x-raw, width={ 1, 2", 25, "expected ',' or '}', found the end"),
    ("video/x-raw, width={ 1, 2.5 }", 19, "one type, not double and int; tell the type in front"),
    ("video/x-raw, width=(structure)5", 30, "expected a structure in brackets"),
    ("video/x-raw; 9/x", 13, "'9/x' is no media type"),
    ("video/x-raw;;", 12, "expected a media type"),
    ("video/x-raw; ANY", 13, "ANY stands alone"),
    ("video/x-raw, a=\x00", 15, "no caps can hold"),
    ("video/x-raw, a=\ud800", 15, "no caps can hold"),
    ("video/x-raw, a=" + "{" * 40, 15 + 32, "nested more than 32 deep"),
    ("video/x-raw(memory:DMABuf", 25, "expected ')' after the features"),
    ("video/x-raw(any)", 12, "ANY is written in capitals"),
    ("a/b, x=(caps)[c/d", 17, "expected ']'"),
    ("a/b, x=(structure)[c/d; e/f]", 27, "expected one structure"),
    ('a/b, x=(structure)"c/d; e/f"', 18, "expected one structure"),
    ('a/b, x=(structure)"c/d, y"', 18, "expected '=' and the value of y"),
    ('a/b, x=(GstFooFlagsSet)"1:2"', 23, "expected two hexadecimal numbers"),
    ('a/b, x=[ "1", 2 ]', 9, "expected a number"),
    ("a/b, x=(float)abc", 14, "'abc' is no float"),
    ("a/b, x=(gint64)" + "9" * 99, 15, "expected a whole number"),
    ("a/b, x=(int,", 7, "expected a type in parentheses"),
    ("a/b, x={ 1,, 2 }", 11, "expected a value"),
    ("a/b, x={ 1 2 }", 11, "expected ',' or '}'"),
    ("a/b, =5", 5, "expected a field's name"),
    ('"a/b" , 5', 9, "expected '=' and the value of 5"),
]  # fmt: skip


@pytest.mark.parametrize(("caps", "position", "words"), ERRORS, ids=range(len(ERRORS)))
def test_errors_tell_the_place_and_the_cure(caps, position, words):
    with pytest.raises(CapsError) as caught:
        Caps.parse(caps)
    error = caught.value
    assert words in error.reason
    assert (error.text, error.position) == (caps, position)
    reason, shown, caret = str(error).rsplit("\n", 2)
    assert reason == error.reason
    assert shown[len(caret) - 1 :][:1] in (caps[position : position + 1], "?", "")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.text, copy.position) == (str(error), error.text, error.position)


def test_a_long_text_is_cut_around_the_place():
    with pytest.raises(CapsError) as caught:
        Caps.parse("video/x-raw, " + ", ".join(f"field{number}=(int)1" for number in range(50)) + ", x=(int)?, y=1")
    shown, caret = str(caught.value).splitlines()[-2:]
    assert len(shown) < 120
    assert shown[len(caret) - 1] == "?"


def test_unknown_names_that_resemble_nothing_are_let_through():
    new = ("video/x-raw(memory:MyOwnMemory)", "video/x-raw, format=(string)ZZZZZZ", "video/x-foo, format=(string)nv12")
    for caps in new:
        assert str(Caps.parse(caps)) == caps
    assert str(Caps.parse("video/x-raw,format=NV13", strict=False)) == "video/x-raw, format=(string)NV13"


def test_only_text_is_read():
    with pytest.raises(TypeError, match="not bytes"):
        Caps.parse(b"video/x-raw")  # type: ignore[arg-type]
    assert Caps.of("ANY") is Caps.ANY
    assert Caps.of(Caps.EMPTY) is Caps.EMPTY
    for nothing in ("", "  ", "EMPTY", " NONE "):
        assert Caps.parse(nothing).is_empty
