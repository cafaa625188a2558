"""The grammar of pipeline strings: what stands where, and what is wrong where."""

import pytest

from zcore.pipeline import LaunchError, parse
from zcore.pipeline.grammar import DEEPEST, BinNode, ElementNode, ReferenceNode, UrlNode
from zcore.pipeline.tokens import LONGEST, join, tokenize, unquote


def kinds(text):
    return [token.kind for token in tokenize(text)]


def refused(text):
    with pytest.raises(LaunchError) as caught:
        parse(text)
    return caught.value


def under(error):
    """Give the part of the text that the carets are under."""
    return error.text[error.position : error.end]


# Words


def test_longest_kind_of_word_wins():
    assert kinds("a ! b") == ["name", "link", "name", "end"]
    assert kinds("a location=b!c") == ["name", "assignment", "end"]
    assert kinds("a t. ! t.src_0 .sink bin.( )") == ["name", "reference", "link", "reference", "pad", "bin", ")", "end"]
    assert kinds("file:///a/b ! v4l2src") == ["url", "link", "name", "end"]
    assert kinds("a!b!c") == ["name", "link", "name", "link", "name", "end"]


def test_tokens_know_where_they_stand():
    text = "  queue leaky = 2 ! video/x-raw, width=1 ! t.sink"
    tokens = tokenize(text)
    assert [text[token.position : token.end] for token in tokens[:-1]] == [
        "queue",
        "leaky = 2",
        "! video/x-raw, width=1 !",
        "t.sink",
    ]
    assert [text[token.value_position :][: len(token.value)] for token in tokens[1:4]] == [
        "2",
        "video/x-raw, width=1",
        "sink",
    ]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("a", "a"), ('"a b"', "a b"), ("'a b'", "a b"), ("a\\ b", "a b"), ('"a\\"b"', 'a"b'), ("a\\\\b", "a\\b"),
        ('a"b c"d', 'a"b c"d'), ('a"b\\c"d', 'a"b\\c"d'), ('""', ""), ("''", ""), ('"', '"'), ("\\", ""), ("a\\", "a"),
        ("'a\"b'", "a\"b"), ('"a\'b"', "a'b"),
    ],
)  # fmt: skip
def test_quotes_and_backslashes_go(raw, value):
    text, positions = unquote(raw, 10)
    assert text == value
    assert len(positions) == len(value) + 1
    assert all(raw[position - 10] == char for position, char in zip(positions, text, strict=False))


def test_words_of_a_shell_keep_their_blanks():
    assert join(["a", "location=my file", "!", "b"]) == "a location=my\\ file ! b"
    assert join(["a", 'caps="x y"', "!", "b"]) == 'a caps="x y" ! b'
    assert join(["a ! b"]) == "a ! b"
    value = parse(["filesink", "location=my file ! no pipe", "name=x"]).chains[0].items[0].assignments[0].value
    assert value.text == "my file ! no pipe"


def test_single_word_is_a_whole_pipeline():
    assert parse(["a location=x y ! b"]).chains[0].items[0].factory == "a"
    assert parse(["a", "!", "b"]) == parse("a ! b")


# The tree


def test_chain_of_elements_with_properties():
    (chain,) = parse("a x=1 y_z=two ! b ! c").chains
    assert [item.factory for item in chain.items] == ["a", "b", "c"]
    assert [(one.name, one.value.text) for one in chain.items[0].assignments] == [("x", "1"), ("y_z", "two")]
    assert len(chain.links) == 2


def test_branches_are_chains():
    text = "a ! tee name=t ! b  t.src_1 ! c"
    first, second = parse(text).chains
    assert [type(item) for item in first.items] == [ElementNode] * 3
    at = text.index("t.src_1")
    assert second.items[0] == ReferenceNode("t", at, at + 7, "src_1", at + 2)


def test_pads_beside_a_link():
    link = parse("a .src_0 ! .sink b").chains[0].links[0]
    assert (link.source_pad.name, link.sink_pad.name) == ("src_0", "sink")


@pytest.mark.parametrize("caps", ["video/x-raw,width=1", "'video/x-raw,width=1'", '"video/x-raw,width=1"'])
def test_caps_filters_quoted_or_not(caps):
    for text in (f"a ! {caps} ! b", f"a !{caps}! b", f"a !\n{caps}\t! b"):
        (value,) = parse(text).chains[0].links[0].caps
        assert value.text == "video/x-raw,width=1"
        assert text[value.position :].startswith("video")


def test_caps_filters_in_a_row():
    values = parse("a ! x/a ! 'x/b,c=1' ! \"x/d\" ! b ! c").chains[0].links[0].caps
    assert [value.text for value in values] == ["x/a", "x/b,c=1", "x/d"]


def test_escaped_exclamation_mark_stays_in_caps():
    (value,) = parse("a ! x/y,z=p\\!q ! b").chains[0].links[0].caps
    assert value.text == "x/y,z=p!q"


def test_bins_nest():
    (chain,) = parse("a ! ( name=n b ! bin.( c ! d ) ) ! e").chains
    outer = chain.items[1]
    assert isinstance(outer, BinNode)
    assert outer.assignments[0].value.text == "n"
    inner = outer.chains[0].items[1]
    assert (inner.kind, [item.factory for item in inner.chains[0].items]) == ("bin", ["c", "d"])


def test_addresses_stand_for_elements():
    assert isinstance(parse("file:///a%20b ! b").chains[0].items[0], UrlNode)


def test_same_text_gives_the_same_tree():
    text = "a ! ( b ) t. ! c x=1 .pad ! x/y ! d"
    assert parse(text) == parse(text)


# What is wrong


@pytest.mark.parametrize(
    ("text", "message", "part"),
    [
        ("", "the pipeline is empty", ""),
        (" \n\t", "the pipeline is empty", ""),
        ("a !", "an element must follow the last '!'", "!"),
        ("a ! b ! ", "an element must follow the last '!'", "!"),
        ("a ! .sink", "an element must follow the last '!'", "!"),
        ("! a", "an element must stand before the first '!'", "!"),
        ("!", "an element must stand before the first '!'", "!"),
        ("a ! ! b", "nothing stands between the two '!'", "!"),
        ("a ! x/y ! ! b", "an element must stand between the two '!'", "!"),
        ("a ! x/y", "an element must follow the caps filter 'x/y'; add '! ELEMENT'", "x/y"),
        ("a ! video/x-raw,width=1", "an element must follow the caps filter 'video/x-raw'", "video/x-raw"),
        ("x/y ! a", "'x/y' is a caps filter, which stands between two elements", "x/y"),
        ("a name=b x/y ! a", "'x/y' is a caps filter, which stands between two elements", "x/y"),
        ("a : b", "':' links all pads at once", ":"),
        ("a, b", "',' stands where an element is expected", ","),
        ("a .src,src2 ! b", "zcore links one pad at a time", ","),
        ("a t.x,y ! b", "zcore links one pad at a time", ","),
        ("a . ! b", "a '.' stands alone", "."),
        ("a .src b", "'!' must follow the pad .src", "b"),
        ("t. .src ! b", "write the pad into the reference: t.src", "t. .src"),
        ("t.x .y ! b", "a reference has one pad; t. has x and y", "t.x .y"),
        ("a ! t. ! b", "a chain ends at a reference; begin another one with it: '... ! t. t. ! ...'", "!"),
        ("a t.", "the reference t. is not linked; write 't. ! ...' or '... ! t.'", "t."),
        ("t.x=1", "properties of t are set where it stands", "t.x"),
        ("t. x=1", "properties of t are set where it stands", "t."),
        ("x=1 a ! b", "'x=1' sets a property, but no element stands before it", "x=1"),
        ("a ! x=1", "'x=1' sets a property, but no element stands before it", "x=1"),
        ("a x= ! b", "x has no value; write x=VALUE", "x= "),
        ("a x=", "x has no value", "x="),
        ("a ! b y=2 =1", "'=' has no property before it", "="),
        ("a )", "')' closes nothing", ")"),
        ("( a", "this '(' is not closed", "("),
        ("a ! ( b ! ( c )", "this '(' is not closed", "("),
        ("( )", "a bin without elements", "( )"),
        ("a ! 'b", "the quote ' is not closed", "'"),
        ('a ! "b', 'the quote " is not closed', '"'),
        ("a ! 'b c'", "\"'b c'\" stands where an element is expected", "'b c'"),
        ("a @preset=x ! b", "zcore has no presets", "@preset="),
        ("a # c", "'#' begins no comment", "#"),
        ("a ! /dev/null", "a file name stands where an element is expected", "/"),
        ("a | b", "'|' begins no element", "|"),
        ("a ! ä", "'ä' begins no element", "ä"),
        ("a\\ !\\ b", "an argument with blanks in it", "\\"),
        ("a ! b\0", "begins no element", "\0"),
    ],
)
def test_error_names_the_place(text, message, part):
    error = refused(text)
    assert message in str(error)
    assert under(error) == part


def test_picture_points_at_the_place():
    error = refused("a ! b\nc  !  ! d")
    assert str(error).splitlines()[1:] == ["  c  !  ! d", "        ^"]
    assert error.expected == ("an element", "a reference", "a caps filter")


def test_picture_of_a_long_line_is_cut():
    error = refused("a ! " + "b ! " * 100 + "! " + "c ! " * 100 + "d")
    line, carets = error.picture.splitlines()
    assert line.startswith("  … ")
    assert line.endswith(" …")
    assert line[carets.index("^")] == "!"


def test_picture_knows_wide_characters_and_hides_control_characters():
    error = refused('a x="日本\a" ! | b')
    line, carets = error.picture.splitlines()
    assert line == '  a x="日本�" ! | b'
    assert carets.index("^") == line.index("|") + 2


def test_nesting_has_a_limit():
    parse("( " * DEEPEST + "a" + " )" * DEEPEST)
    error = refused("( " * (DEEPEST + 1) + "a" + " )" * (DEEPEST + 1))
    assert "nested more than 32 deep" in str(error)


def test_length_has_a_limit():
    parse("a" * LONGEST)
    assert "65537 characters" in str(refused("a" * (LONGEST + 1)))


@pytest.mark.parametrize(
    "text",
    [
        "a x=" + '"' * 60000, "a x=" + "\\" * 60000, "a ! x/y" + "\\a" * 30000, "a ! x/y" + " " * 60000, '"' * 60000,
        "a ! '" + "\\'" * 30000, "! " * 30000, "a" + " " * 60000 + "=", "a.b" * 20000, "(" * 60000,
        "a ! " * 16000 + "b", "a=" * 30000, "x/y ! " * 10000, "a !" + " x/y !" * 10000 + " b",
        "a x='" * 12000, "a" + "\t.b" * 20000,
        "a ! x/y," + '"' * 50000 + " ! b", ":" * 60000, "日" * 60000, "a://" * 15000, "a ! '" + "x" * 60000,
    ],
)  # fmt: skip
def test_long_text_of_any_shape_ends(text):
    try:
        parse(text)
    except LaunchError as error:
        str(error)
