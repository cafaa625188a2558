"""Laws of caps, on random ones, and that no text does harm."""

import random
from fractions import Fraction

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from caps_model import allows, points
from zcore.caps import (
    Bitmask,
    Caps,
    CapsError,
    DoubleRange,
    Features,
    FlagSet,
    FractionRange,
    IntRange,
    Structure,
    UInt64,
    ValueArray,
    ValueList,
)
from zcore.caps.parser import MOST_DEPTH

small = st.integers(0, 12)
fractions = st.builds(Fraction, st.integers(0, 6), st.integers(1, 4))
doubles = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0])
field_names = st.from_regex(r"[a-z0-9_\-+/:.]{1,5}", fullmatch=True)
words = st.text(max_size=6)  # of any letters


def ordered(values, make):
    return st.tuples(values, values).map(lambda pair: make(min(pair), max(pair)))


int_ranges = st.tuples(small, small, st.integers(1, 4)).map(lambda t: IntRange(min(t[:2]), max(t[:2]), t[2]))
ints = small | int_ranges
rates = fractions | ordered(fractions, FractionRange)
levels = doubles | ordered(doubles, DoubleRange)
flags = st.builds(FlagSet, st.integers(0, 7), st.integers(0, 7) | st.just(0xFFFF_FFFF))


def listed(values, most=4):
    return values | st.lists(values, min_size=1, max_size=most).map(lambda items: ValueList(*items))


FIELDS = {
    "width": listed(ints),
    "framerate": listed(rates),
    "level": listed(levels),
    "format": listed(st.sampled_from(["NV12", "I420", "YUY2", "RGB"])),
    "parsed": listed(st.booleans()),
    "flags": listed(flags, 2),
    "array": listed(st.lists(listed(ints, 2), max_size=2).map(lambda items: ValueArray(*items)), 2),
    "mask": listed(st.integers(0, 3).map(Bitmask)),
}
EXACT = ("width", "format", "parsed", "mask")  # of which any part can be taken away
features = st.sampled_from([Features(), Features("memory:DMABuf"), Features("memory:SystemMemory")])


def structures(names=tuple(FIELDS), features=features):
    fields = st.sets(st.sampled_from(sorted(names)), max_size=3).flatmap(
        lambda chosen: st.fixed_dictionaries({name: FIELDS[name] for name in sorted(chosen)})
    )
    return st.builds(Structure, st.sampled_from(["a/b", "c/d"]), fields, features)


def some_caps(**options):
    return st.lists(structures(**options), max_size=3).map(Caps)


any_caps = some_caps(features=features | st.just(Features.ANY)) | st.just(Caps.ANY)
seeds = st.integers(0, 1 << 30)
quick = settings(max_examples=60, deadline=None)


@given(any_caps)
@quick
def test_what_is_written_is_read(caps):
    again = Caps.parse(str(caps))
    assert again == caps
    assert hash(again) == hash(caps)


@given(st.dictionaries(field_names, words | st.binary(max_size=3) | st.none()))
@quick
def test_any_text_goes_through(fields):
    assume(not any(isinstance(value, str) and "\0" in value for value in fields.values()))
    caps = Caps([Structure("a/b", fields)])
    assert Caps.parse(str(caps)) == caps


@given(any_caps, any_caps, seeds)
@quick
def test_operations_mean_what_they_say(a, b, seed):
    common, either = a & b, a | b
    for point in points(random.Random(seed), 30, a, b):
        in_a, in_b = allows(a, point), allows(b, point)
        assert allows(common, point) == (in_a and in_b)
        assert allows(a.intersect(b, "first"), point) == (in_a and in_b)
        assert allows(either, point) == (in_a or in_b)
        assert allows(a.simplify(), point) == in_a
        assert allows(a.normalize(), point) == in_a
        if in_a and not in_b:
            assert not a.is_subset(b)


@given(any_caps, any_caps)
@quick
def test_laws_of_intersection(a, b):
    assert a.can_intersect(b) == b.can_intersect(a) == (not (a & b).is_empty)
    assert (a & b).is_equal(b & a)
    assert (a & b).is_equal(a.intersect(b, "first"))
    if not any(one.features.is_any for one in a) or not any(one.features.is_any for one in b):
        assert (a & b).is_subset(a)
    assert a & Caps.ANY == a
    assert a & Caps.EMPTY == Caps.EMPTY


@given(some_caps(names=EXACT), some_caps(names=EXACT), seeds)
@quick
def test_laws_of_subtraction(a, b, seed):
    rest = a - b
    assert rest.is_subset(a)
    for point in points(random.Random(seed), 20, a, b):
        if allows(a, point) and not allows(b, point):
            assert allows(rest, point)
    if all(set(one.fields) <= set(other.fields) for one in b for other in a):
        assert not rest.can_intersect(b)
        assert (rest | (a & b)).is_equal(a)
    assert a - a == Caps.EMPTY
    assert a - Caps.ANY == Caps.EMPTY
    assert a - Caps.EMPTY == a


@given(any_caps, any_caps)
@quick
def test_laws_of_subsets(a, b):
    assert a.is_subset(a)
    assert a.is_equal(a)
    assert a.is_subset(Caps.ANY)
    assert Caps.EMPTY.is_subset(a)
    assert a.is_subset(a | b)
    assert b.is_subset(a | b)
    assert a.is_equal(b) == (a.is_subset(b) and b.is_subset(a))
    assert a.normalize().is_equal(a)
    assert a.simplify().is_equal(a)
    assert a.truncate().is_subset(a)
    assert len(a.simplify()) <= len(a)


@given(
    some_caps(features=features | st.just(Features.ANY)),
    st.dictionaries(st.sampled_from(sorted(FIELDS)), small | fractions),
)
@quick
def test_a_fixed_choice_is_one_of_the_caps(caps, wishes):
    for fixed in (caps.fixate(), caps.fixate(wishes)):
        assert fixed.is_fixed or caps.is_empty
        assert fixed.is_subset(caps)


PARTS = [
    "video/x-raw", "image/jpeg", "(", ")", "[", "]", "{", "}", "<", ">", ",", ";", "=", "\\", '"', " ", "\n", "'",
    "/", "*", "(int)", "(string)", "(fraction)", "(structure)", "(caps)", "(list)", "(GstFooFlagsSet)", "memory:DMABuf",
    "ANY", "EMPTY", "NULL", "format", "drm-format", "width", "NV12", "640", "1/2", "1.5", "1:2", "max", "min", "0x",
    "ä", "\\303",
]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=24).map("".join) | st.text(max_size=40))
@settings(max_examples=300, deadline=None)
@example('a/b,x=(structure)"' * 20)
@example("a/b,x=[" * (MOST_DEPTH + 2))
@example("a/b,x=" + "<" * 5000)
def test_no_text_does_harm(text):
    try:
        caps = Caps.parse(text)
    except CapsError as caught:
        error = caught
    else:
        assert Caps.parse(str(caps), strict=False).is_equal(caps)
        assert (caps & caps).is_equal(caps)
        return
    assert error.text == text
    assert 0 <= error.position <= len(text)
    assert str(error)


@given(st.integers(0, 2**64 - 1))
@quick
def test_large_numbers(number):
    caps = Caps([Structure("a/b", {"x": UInt64(number), "m": Bitmask(number)})])
    assert Caps.parse(str(caps)) == caps
