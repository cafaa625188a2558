"""Texts become values of properties, or errors that say what is accepted."""

from fractions import Fraction

import pytest

from zcore.caps import Caps
from zcore.pipeline.factory import PadTemplate
from zcore.pipeline.properties import Property, by_name
from zcore.pipeline.property_types import (
    BOOL,
    CAPS,
    COUNT,
    STRING,
    STRUCTURE,
    UINT,
    UINT64,
    Double,
    Enum,
    FractionType,
    IntArray,
)
from zcore.pipeline.values import ValueProblem

RECTANGLE = IntArray(("x", "y", "width", "height"))
LEAKY = Enum.of("no: it waits", "upstream", "downstream")
SHARE = Double(0.0, 1.0)
RATE = FractionType()


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (COUNT, "5", 5), (COUNT, "-1", -1), (COUNT, "+7", 7), (COUNT, "0x1F", 31), (COUNT, "010", 8), (COUNT, " 5 ", 5),
        (COUNT, "(int)5", 5), (COUNT, "( gint ) 5", 5), (COUNT, "max", 2**31 - 1), (COUNT, "MIN", -1),
        (UINT, "4294967295", 2**32 - 1), (UINT64, "18446744073709551615", 2**64 - 1),
        *((BOOL, text, True) for text in ("true", "TRUE", "yes", "Yes", "t", "T", "1", "(boolean)true", "(bool)1")),
        *((BOOL, text, False) for text in ("false", "FALSE", "no", "f", "0", "(b)no")),
        (LEAKY, "downstream", "downstream"), (LEAKY, "2", "downstream"), (LEAKY, "0x1", "upstream"),
        (LEAKY, "NO", "no"), (LEAKY, "(string)upstream", "upstream"),
        (STRING, "a b", "a b"), (STRING, "", ""), (STRING, "(string)a", "a"), (STRING, '"a"', "a"), (STRING, '"', '"'),
        (RATE, "30/1", Fraction(30)), (RATE, "30000/1001", Fraction(30000, 1001)), (RATE, "25", Fraction(25)),
        (RATE, "(fraction)30/1", Fraction(30)),
        (SHARE, "0.5", 0.5), (SHARE, "1", 1.0), (SHARE, "1e-3", 0.001), (SHARE, ".5", 0.5), (SHARE, "(double)1.0", 1.0),
        (CAPS, "video/x-raw,width=5", Caps.parse("video/x-raw,width=5")), (CAPS, "ANY", Caps.parse("ANY")),
        (STRUCTURE, "c,a=1,b=(int)2", {"a": 1, "b": 2}), (STRUCTURE, "c", {}),
        (STRUCTURE, 'c,a="x y",b=true', {"a": "x y", "b": True}),
        (RECTANGLE, "<0,0,640,480>", (0, 0, 640, 480)), (RECTANGLE, " < 1 , -2,0x10, (int)4 > ", (1, -2, 16, 4)),
    ],
)  # fmt: skip
def test_text_becomes_a_value(type, text, value):
    found = type.parse(text)
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    ("type", "text", "message"),
    [
        *((COUNT, text, "it takes a whole number from -1 to 2147483647")
          for text in ("", "x", "5.0", "5x", "1_0", "\uff11", "--1", "0x", "089", "1e3", "9" * 5000)),
        (COUNT, "2147483648", "'2147483648' is out of range"), (COUNT, "-2", "'-2' is out of range"),
        (COUNT, "(string)5", "it is an int, not (string)"), (COUNT, "(float)5", "it is an int, not (float)"),
        *((BOOL, text, "it takes true, yes, t, 1 or false, no, f, 0") for text in ("on", "off", "2", "", "truee")),
        (BOOL, "(int)1", "it is a boolean, not (int)"),
        (LEAKY, "downstraem", "it takes one of no (0), upstream (1), downstream (2); did you mean 'downstream'?"),
        (LEAKY, "3", "it takes one of no (0)"), (LEAKY, "", "it takes one of"),
        (STRING, "a\0b", "without NUL"),
        (RATE, "1/0", "a fraction such as 30/1"), (RATE, "x", "a fraction"), (RATE, "99999999999/1", "a fraction"),
        (SHARE, "1.1", "it takes a number from 0 to 1"), (SHARE, "nan", "a number"), (SHARE, "inf", "a number"),
        (CAPS, "video/x-raw,width=", ""), (CAPS, "", ""), (CAPS, "EMPTY", "nothing has these caps"),
        (STRUCTURE, "c,a", "key=value"), (STRUCTURE, "c,a=(foo)1", "unknown type 'foo'"),
        (STRUCTURE, "c" * 5000, "4096"),
        (RECTANGLE, "<0,0,640>", "it takes 4 whole numbers, <x, y, width, height>; 3 are given"),
        (RECTANGLE, "0,0,640,480", "it takes 4 whole numbers"), (RECTANGLE, "<>", "4 whole numbers"),
        (RECTANGLE, "<0,0,640,4294967296>", "from -2147483648 to 2147483647, not 4294967296"),
        (RECTANGLE, "<0,0,640,x>", "it takes 4 whole numbers"), (RECTANGLE, "<0,0,640,(string)4>", "4 whole numbers"),
    ],
)  # fmt: skip
def test_error_says_what_is_accepted(type, text, message):
    with pytest.raises(ValueProblem) as caught:
        type.parse(text)
    assert message in str(caught.value)


def test_problem_in_caps_knows_its_place():
    with pytest.raises(ValueProblem) as caught:
        CAPS.parse("video/x-raw,width=")
    assert caught.value.index == len("video/x-raw,width=")
    assert "^" not in caught.value.message


def test_values_are_shown_as_they_are_written():
    assert BOOL.show(True) == "true"
    assert RATE.show(Fraction(30)) == "30/1"
    assert RECTANGLE.show((0, 0, 640, 480)) == "<0, 0, 640, 480>"
    assert RECTANGLE.parse(RECTANGLE.show((1, 2, 3, 4))) == (1, 2, 3, 4)
    assert STRUCTURE.parse(STRUCTURE.show({"a": 1})) == {"a": 1}
    assert STRING.show(None) == RATE.show(None) == RECTANGLE.show(None) == ""


def test_property_that_can_only_be_read():
    with pytest.raises(ValueProblem, match="it can only be read"):
        Property("level", UINT, 0, "", writable=False).convert("1")


def test_property_with_one_value():
    fixed = Property("mode", LEAKY, "no", "", only_default="there is no other")
    assert fixed.convert("no") == "no"
    with pytest.raises(ValueProblem, match="only no can be had: there is no other"):
        fixed.convert("upstream")
    assert not fixed.passed


def test_keyword_is_the_name_with_underscores():
    assert Property("max-size-time", UINT64, 0, "").keyword == "max_size_time"


def test_property_declared_twice_is_a_mistake():
    with pytest.raises(ValueError, match="declared twice"):
        by_name([Property("a", UINT, 0, ""), Property("a", BOOL, False, "")])


def test_types_as_plain_data():
    assert COUNT.to_dict() == {"type": "int", "minimum": -1, "maximum": 2**31 - 1}
    assert LEAKY.to_dict()["values"][0] == {"nick": "no", "number": 0, "meaning": "it waits"}
    declared = Property("rate", RATE, Fraction(30), "how fast", "1/s").to_dict()
    assert (declared["default"], declared["unit"], declared["type"]) == ("30/1", "1/s", "fraction")


def test_pads_on_request_have_numbers():
    template = PadTemplate("src_%u", "src", on_request=True)
    assert [name for name in ("src_0", "src_17", "src_%u") if template.has(name)] == ["src_0", "src_17", "src_%u"]
    assert not [
        name for name in ("src", "src_", "src_x", "src_-1", "src_01", "src_\uff11", "sink_0") if template.has(name)
    ]
    assert template.number("src_17") == 17
