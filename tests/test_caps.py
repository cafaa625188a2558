"""Caps, structures, features and values, one by one."""

import copy
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    ValueArray,
    ValueList,
    algebra,
)


def caps(text: str) -> Caps:
    return Caps.parse(text)


def test_caps_are_built_of_structures():
    one = Structure("video/x-raw", {"format": "NV12", "width": 640}, "memory:DMABuf")
    built = Caps([one])
    assert built == caps("video/x-raw(memory:DMABuf), format=NV12, width=640")
    assert built.structures == (one,)
    assert (len(built), built[0], list(built), bool(built)) == (1, one, [one], True)
    assert one["format"] == "NV12"
    assert one.get("height", 7) == 7
    assert "width" in one
    assert "height" not in one
    assert one.features == Features("memory:DMABuf")
    with pytest.raises(TypeError):
        one.fields["width"] = 5  # type: ignore[index]


def test_equality_is_of_what_is_written():
    assert caps("a/b, x=1, y=2") == caps("a/b, y=2, x=1")
    assert hash(caps("a/b, x=1, y=2")) == hash(caps("a/b, y=2, x=1"))
    assert caps("a/b(memory:SystemMemory)") == caps("a/b")
    assert hash(caps("a/b(memory:SystemMemory)")) == hash(caps("a/b"))
    different = [
        "a/b, x=30", "a/b, x=30/1", "a/b, x=30.0", "a/b, x=(uint)30", "a/b, x=(string)30", "a/b, x={ 30 }", "a/b",
        "a/b, x=true", "a/b, x=1", "c/d, x=1", "a/b(memory:X)", "a/b(ANY)", "a/b; a/b", "ANY", "EMPTY",
    ]  # fmt: skip
    assert len({str(one) for one in map(caps, different)}) == len({*map(caps, different)}) == len(different)
    assert caps("a/b, x=[ 1, 2 ]") != caps("a/b, x={ 1, 2 }")
    assert caps("a/b, x=[ 1, 2 ]").is_equal(caps("a/b, x={ 1, 2 }"))
    assert caps("a/b, x={ 1 }").is_equal(caps("a/b, x=1"))
    assert caps("a/b, x=nan") == caps("a/b, x=nan")
    assert caps("a/b") != "a/b"


def test_caps_can_be_copied_and_sent():
    for text in (
        "ANY",
        "EMPTY",
        "a/b(ANY), x={ 1, [ 2, 3 ] }",
        "a/b(memory:X), y=< 1/2, [ 1/1, 2/1 ] >, f=(flagset)1:3",
    ):
        one = caps(text)
        assert pickle.loads(pickle.dumps(one)) == one
        assert copy.deepcopy(one) is copy.copy(one) is one
    assert pickle.loads(pickle.dumps(Caps.ANY)).is_any


def test_any_and_empty():
    some = caps("a/b")
    for whole, expected in {Caps.ANY: (True, False, False, True), Caps.EMPTY: (False, True, False, False)}.items():
        assert (whole.is_any, whole.is_empty, whole.is_fixed, bool(whole)) == expected
    assert (str(Caps.ANY), str(Caps.EMPTY), repr(some)) == ("ANY", "EMPTY", "<Caps a/b>")
    assert some & Caps.ANY == Caps.ANY & some == some
    assert some & Caps.EMPTY == Caps.EMPTY & some == Caps.EMPTY
    assert some | Caps.ANY is Caps.ANY
    assert some | Caps.EMPTY == some
    assert Caps.ANY.normalize() is Caps.ANY
    assert not Caps.ANY.is_subset(some)
    assert Caps.EMPTY.fixate() == Caps.EMPTY
    with pytest.raises(CapsError, match="cannot be fixed"):
        Caps.ANY.fixate()
    for whole in (Caps.ANY, caps("a/b(ANY)")):
        with pytest.raises(CapsError, match="no parts"):
            whole - some
    assert some.__and__("a/b") is NotImplemented  # type: ignore[operator]
    assert some.__or__("a/b") is NotImplemented  # type: ignore[operator]
    assert some.__sub__("a/b") is NotImplemented  # type: ignore[operator]


def test_order_of_intersections():
    one, two = caps("a/b, x=1; a/b, x=2; a/b, x=3"), caps("a/b, x=3; a/b, x=2; a/b, x=1")
    assert [s["x"] for s in one & two] == [3, 2, 1]
    assert [s["x"] for s in one.intersect(two, "first")] == [1, 2, 3]
    assert [s["x"] for s in caps("a/b, x={ 5, 4, 3 }; a/b, x=9") & caps("a/b, x={ 3, 4, 9 }")] == [ValueList(4, 3), 9]
    with pytest.raises(ValueError, match="neither zig-zag nor first"):
        one.intersect(two, "last")  # type: ignore[arg-type]


def test_features():
    dma, system = caps("a/b(memory:DMABuf)"), caps("a/b")
    assert not dma.can_intersect(system)
    assert caps("a/b(ANY)") & dma == dma & caps("a/b(ANY)") == dma
    assert dma.is_subset(caps("a/b(ANY)"))
    assert not caps("a/b(ANY)").is_subset(dma)
    assert caps("a/b(memory:X, meta:Y)").is_equal(caps("a/b(meta:Y, memory:X)"))
    assert str(caps("a/b(memory:SystemMemory, meta:Y)")) == "a/b(memory:SystemMemory, meta:Y)"
    both = Features("memory:DMABuf", "meta:Foo", "memory:DMABuf")
    assert (list(both), len(both), "meta:Foo" in both, both.is_plain) == (["memory:DMABuf", "meta:Foo"], 2, True, False)
    assert not caps("a/b, x=1")[0].can_intersect(caps("c/d, x=1")[0])
    assert not caps("a/b, x=1")[0].can_intersect(caps("a/b, x=2")[0])
    assert repr(both) == "Features('memory:DMABuf', 'meta:Foo')"
    assert (str(Features.ANY), repr(Features.ANY), Features("memory:SystemMemory").is_plain) == (
        "ANY",
        "Features.ANY",
        True,
    )
    assert Features() != "memory:DMABuf"
    assert caps("a/b(ANY)").fixate() == caps("a/b")
    for wrong in ("DMABuf", "memory:", "memory:a b", "memory:DMABUF"):
        with pytest.raises(CapsError):
            Features(wrong)


def test_intersections_of_values():
    def meet(one: str, two: str) -> str | None:
        found = caps(f"a/b, x={one}") & caps(f"a/b, x={two}")
        return str(found)[7:] if found else None

    assert meet("[ 1, 10 ]", "[ 5, 20 ]") == "(int)[ 5, 10 ]"
    assert meet("[ 4, 64, 4 ]", "[ 6, 60, 6 ]") == "(int)[ 12, 60, 12 ]"
    assert meet("[ 1, 99, 2 ]", "[ 2, 98, 3 ]") == "(int)[ 5, 95, 6 ]"
    assert meet("[ 1, 99, 2 ]", "[ 2, 98, 2 ]") is None
    assert meet("[ -7, 7, 7 ]", "[ -100, -1 ]") == "(int)-7"
    assert meet("{ 1, 2 }", "{ [ 2, 5 ], 7 }") == "(int)2"
    assert meet("5", "(gint64)5") is None
    assert meet("(gint64)[ 1, 5 ]", "(gint64)5") == "(gint64)5"
    assert meet("[ 1, 5 ]", "(gint64)[ 1, 5 ]") is None
    assert meet("[ 1, 5 ]", "[ 1/1, 5/1 ]") is None
    assert meet("30/1", "30") is None
    assert meet("[ 0/1, max ]", "{ 30/1, 25/1 }") == "(fraction){ 30/1, 25/1 }"
    assert meet("[ 0.5, 1.5 ]", "[ 1.5, 2.0 ]") == "(double)1.5"
    assert meet("< 1, [ 1, 5 ] >", "< { 1, 2 }, 3 >") == "(int)< 1, 3 >"
    assert meet("< 1 >", "< 1, 1 >") is None
    assert meet("(flagset)1:3", "(flagset)4:4") == "(flagset)5:7"
    assert meet("(flagset)1:3", "(flagset)2:2") is None
    assert meet("(flagset)0:1", "(GstFooFlagsSet)2:2") == "(GstFooFlagsSet)2:3"
    assert meet("(GstBarFlagsSet)0:1", "(GstFooFlagsSet)2:2") is None
    assert meet("(bitmask)3", "(bitmask)1") is None
    assert meet("(buffer)00", "(buffer)00") == "(buffer)00"
    assert meet("(string)NULL", "(string)NULL") == "(string)NULL"
    assert meet("(caps)[c/d, y=[ 1, 5 ]]", "(caps)[c/d, y=5; e/f]") == "(caps)[c/d, y=(int)5]"
    assert meet("(structure)[c/d]", "(structure)[c/d, y=5]") == "(structure)[c/d, y=(int)5;]"
    assert meet("(structure)[c/d]", "(caps)[c/d]") is None
    assert meet("(caps)[c/d]", "(caps)[e/f]") is None


def test_differences_of_values():
    def without(one: str, two: str) -> str:
        return str(caps(f"a/b, x={one}") - caps(f"a/b, x={two}")).removeprefix("a/b, x=")

    assert without("[ 1, 10 ]", "5") == "(int){ [ 1, 4 ], [ 6, 10 ] }"
    assert without("[ 1, 10 ]", "[ 1, 9 ]") == "(int)10"
    assert without("[ 0, 8, 2 ]", "[ 0, 8, 4 ]") == "(int)[ 2, 6, 4 ]"
    assert without("[ 0, 1000 ]", "[ 0, 1000, 500 ]") == "(int)[ 0, 1000 ]"  # too many pieces: it stays
    assert without("{ 1, 2, 3 }", "{ 2, [ 3, 9 ] }") == "(int)1"
    assert without("{ 1, 2 }", "30/1") == "(int){ 1, 2 }"
    assert without("{ A, B }", "{ 1, 2 }") == "(string){ A, B }"
    assert without("[ 0.0, 2.0 ]", "1.0") == "(double)[ 0, 2 ]"
    assert without("[ 0.0, 2.0 ]", "[ 0.5, 1.0 ]") == "(double){ [ 0, 0.5 ], [ 1, 2 ] }"
    assert without("[ 0/1, 9/1 ]", "[ 5/1, max ]") == "(fraction)[ 0/1, 5/1 ]"
    assert without("< [ 1, 5 ] >", "< 3 >") == "(int)< [ 1, 5 ] >"
    assert without("< 3 >", "< [ 1, 5 ] >") == "EMPTY"
    assert without("(flagset)3:3", "(flagset)1:1") == "EMPTY"
    assert without("(caps)[c/d]", "(caps)[c/d; e/f]") == "EMPTY"
    assert str(caps("a/b, x={ 1, 2 }, y=3; c/d") - caps("a/b, x=1")) == "a/b, x=(int)2, y=(int)3; c/d"
    assert str(caps("a/b") - caps("a/b, x=1")) == "a/b"


def test_a_structure_is_not_cut_into_ever_more_pieces():
    fields = "abcdefgh"
    whole = caps("a/b, " + ", ".join(f"{name}=[ 0, 1000 ]" for name in fields))
    holes = Caps(
        Structure("a/b", {name: IntRange(10 * number + place, 900 + number) for place, name in enumerate(fields)})
        for number in range(40)
    )
    rest = whole - holes
    assert 8 <= len(rest) <= 64
    assert rest.is_subset(whole)
    assert not whole.is_subset(holes)
    assert whole.is_subset(holes | whole)


def test_subsets_that_need_several():
    assert caps("a/b, x=[ 1, 10 ]").is_subset(caps("a/b, x=[ 1, 5 ]; c/d; a/b, x=[ 6, 10 ]"))
    assert not caps("a/b, x=[ 1, 10 ]").is_subset(caps("a/b, x=[ 1, 5 ]; a/b, x=[ 7, 10 ]"))
    assert caps("a/b, x={ 1, 2 }, y={ 1, 2 }").is_subset(caps("a/b, x=1; a/b, y=1; a/b, x=2, y=2"))
    assert caps("a/b, x=[ 1, 3 ]").is_subset(caps("a/b, x={ 1, 2, [ 3, 9 ] }"))
    assert caps("a/b, x=[ 0.0, 2.0 ]").is_subset(caps("a/b, x={ [ 0.0, 1.0 ], [ 1.0, 2.0 ] }"))
    assert not caps("a/b").is_subset(caps("a/b, x=1"))
    assert caps("a/b, x={ }").is_subset(Caps.EMPTY)


def test_simplified():
    def simple(text: str) -> str:
        return str(caps(text).simplify())

    assert simple("a/b, x=1; c/d; a/b, x=2; a/b, x=1") == "a/b, x=(int){ 1, 2 }; c/d"
    assert simple("a/b, x=1; a/b; c/d, y=[ 1, 5 ]; c/d, y=[ 6, 9 ]") == "a/b; c/d, y=(int)[ 1, 9 ]"
    assert simple("a/b, y=[ 0, 4, 2 ]; a/b, y=6") == "a/b, y=(int)[ 0, 6, 2 ]"
    assert simple("a/b, y=[ 0, 4, 2 ]; a/b, y=5") == "a/b, y=(int){ [ 0, 4, 2 ], 5 }"
    assert simple("a/b, y=[ 0, 4, 2 ]; a/b, y=[ 6, 9, 3 ]") == "a/b, y=(int){ [ 0, 4, 2 ], [ 6, 9, 3 ] }"
    assert simple("a/b, y=[ 1.0, 2.0 ]; a/b, y=[ 1.5, 3.0 ]; a/b, y=[ 4.0, 5.0 ]") == (
        "a/b, y=(double){ [ 1, 3 ], [ 4, 5 ] }"
    )
    assert simple("a/b, x=1, y=1; a/b, x=2, y=2") == "a/b, x=(int)1, y=(int)1; a/b, x=(int)2, y=(int)2"
    assert (
        simple("a/b, x=1; a/b, x=a; a/b(memory:X), x=1") == "a/b, x=(int)1; a/b, x=(string)a; a/b(memory:X), x=(int)1"
    )
    assert simple("a/b, x=< >; a/b, x=a") == "a/b, x=(string){ <  >, a }"


def test_normalized():
    assert str(caps("a/b, x={ 1, 2 }, y={ a, b }; c/d").normalize()) == (
        "a/b, x=(int)1, y=(string)a; c/d; a/b, x=(int)2, y=(string)a; a/b, x=(int)1, y=(string)b; "
        "a/b, x=(int)2, y=(string)b"
    )
    assert caps("a/b, x={ }").normalize().is_empty
    with pytest.raises(CapsError, match="stand for 1000000 structures"):
        caps("a/b, " + ", ".join(f"{field}={{ {', '.join(map(str, range(100)))} }}" for field in "xyz")).normalize()


def test_fixed_choices():
    some = caps(
        "a/b, f={ YUY2, NV12 }, w=[ 16, 4096, 16 ], r={ 25/1, [ 30/1, 60/1 ] }, d=[ 0.5, 1.5 ], b={ true, false }; c/d"
    )
    assert str(some.fixate()) == ("a/b, f=(string)YUY2, w=(int)16, r=(fraction)25/1, d=(double)0.5, b=(boolean)true")
    near = {"f": ["I420", "NV12"], "w": 645, "r": Fraction(50), "d": 1, "b": False}
    assert str(some.fixate(near)) == (
        "a/b, f=(string)NV12, w=(int)640, r=(fraction)50/1, d=(double)1, b=(boolean)false"
    )
    far = {"f": "RGB", "w": 1 << 40, "r": 29.97, "d": float("nan"), "x": 1}
    assert str(some.fixate(far)) == (
        "a/b, f=(string)YUY2, w=(int)4096, r=(fraction)30/1, d=(double)0.5, b=(boolean)true"
    )
    assert str(caps("a/b, x=< [ 1, 5 ], { 7, 8 } >, f=(flagset)1:3, s=(structure)[c/d, y=[ 2, 3 ]]").fixate()) == (
        "a/b, x=(int)< 1, 7 >, f=(flagset)1:ffffffff, s=(structure)[c/d, y=(int)2;]"
    )
    assert caps("a/b, f=(flagset)1:ffffffff, x=< 1 >, c=(caps)[c/d, y=1]").is_fixed
    assert not any(
        caps(text).is_fixed for text in ("a/b, x={ 1 }", "a/b, x=< { 1 } >", "a/b(ANY)", "a/b; c/d", "a/b, f=1:3")
    )
    assert not caps("a/b, x={ }").fixate().is_fixed
    assert str(caps("a/b; c/d").truncate()) == "a/b"
    assert caps("a/b, x=[ 10, 20 ]").fixate({"x": Fraction(31, 2)})[0]["x"] == 15
    assert caps("a/b, x=[ 0/1, 60/1 ]").fixate({"x": 29.97})[0]["x"] == Fraction(2997, 100)
    assert caps("a/b, x=[ 0/1, 60/1 ]").fixate({"x": 30})[0]["x"] == Fraction(30)


def test_values_check_themselves():
    assert IntRange(1, 10, 4).max == 9
    assert IntRange(5, 5, 3).step == 1
    assert (640 in IntRange(0, 640, 16), 8 in IntRange(0, 640, 16), 640.0 in IntRange(0, 640)) == (True, False, False)
    assert Int64(5) in IntRange(1, 9, type="gint64")
    assert (len(IntRange(1, 9, 2)), 1.5 in DoubleRange(1, 2), Fraction(3, 2) in FractionRange(1, 2)) == (5, True, True)
    assert ("NV12" in ValueList("NV12"), 3 in ValueList(1, IntRange(2, 4)), True in ValueList(1)) == (True, True, False)
    assert (5 in FlagSet(1, 3), 7 in FlagSet(1, 3), FlagSet(7, 3).flags) == (True, False, 3)
    assert ValueList(1, ValueList(2, 3)) == ValueList(1, 2, 3)
    assert ValueList(1) != ValueList(1.0)
    assert ValueList(1) != ValueArray(1)
    assert repr(ValueList(1, 2)) == "ValueList(1, 2)"
    assert ValueArray(IntRange(3, 3))[0] == 3
    assert hash(ValueList(float("nan"))) == hash(ValueList(float("nan")))
    for wrong in (
        lambda: IntRange(5, 1), lambda: IntRange(1, 5, 0), lambda: IntRange(0, 1 << 31), lambda: DoubleRange(2, 1),
        lambda: DoubleRange(float("nan"), 1), lambda: FractionRange(2, 1), lambda: Bitmask(-1),
        lambda: FlagSet(1 << 32, 0), lambda: ValueList(1, "a"), lambda: ValueList(1, 1.0),
    ):  # fmt: skip
        with pytest.raises(CapsError):
            wrong()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("9/x", {}), ("a b", {}), ("", {}), ("a/b", {"x y": 1}), ("a/b", {"": 1}), ("a/b", {"x": object()}),
        ("a/b", {"x": 1 << 31}), ("a/b", {"x": UInt(-1)}), ("a/b", {"x": "a\0"}), ("a/b", {"x": "\ud800"}),
        ("a/b", {"x": Fraction(1 << 40)}), ("a/b", {"x": ValueList(1 << 40)}), ("a/b", {"x": [1, 2]}),
        ("a/b", {"x": FractionRange(0, 1 << 31)}),
    ],
)  # fmt: skip
def test_structures_check_what_they_are_given(name, fields):
    with pytest.raises(CapsError):
        Structure(name, fields)


def test_what_other_values_are_written_like():
    one = Structure(
        "a/b", {"x": Float(0.5), "y": Other("date", "2024-01-01"), "z": b"", "n": None, "m": "NULL", "s": "ä b*"}
    )
    assert str(one) == (
        'a/b, x=(float)0.5, y=(date)2024-01-01, z=(buffer)"", n=(string)NULL, m=(string)"NULL", '
        's=(string)"\\303\\244\\ b\\*"'
    )
    assert repr(one) == f"<Structure {one}>"
    assert Caps.parse(str(one)) == Caps([one])
    assert one != "a/b"


numbers = st.integers(-40, 40)
ranges = st.builds(
    lambda low, size, step: IntRange(low, low + size, step), numbers, st.integers(0, 60), st.integers(1, 9)
)
sets = st.lists(ranges | numbers, min_size=1, max_size=3).map(lambda items: ValueList(*items))


def members(value) -> set[int]:
    found: set[int] = set()
    for item in algebra.atoms(value):
        found |= set(range(item.min, item.max + 1, item.step)) if isinstance(item, IntRange) else {item}
    return found


@given(sets, sets)
def test_sets_of_numbers_are_exact(one, two):
    a, b = members(one), members(two)
    assert members(algebra.intersect(one, two)) == a & b
    assert members(algebra.subtract(one, two)) == a - b
    assert members(algebra.union(one, two)) == a | b
    assert algebra.is_subset(one, two) == (a <= b)
    assert algebra.same(one, two) == (a == b)
    for wish in (-7, 0, 12):
        assert abs(algebra.fixate(one, wish) - wish) == min(abs(number - wish) for number in a)
