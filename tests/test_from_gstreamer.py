"""The page for people who come from GStreamer says what the code does, element by element and property by property."""

import re

import pytest

import gstreamer_page
from zcore.pipeline import Registry, codecs
from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import BOOL

TEXT = gstreamer_page.text_of_pages()
TABLES = gstreamer_page.elements(TEXT)


@pytest.mark.parametrize("element", TABLES)
def test_table_is_what_the_registry_says(element):
    (found,) = [one for one in gstreamer_page.PLACE.finditer(TEXT) if one[1] == element]
    inside = found[0].splitlines()[1:-1]
    assert inside == gstreamer_page.table(element).splitlines(), (
        f"{element}: the table is out of date; PYTHONPATH=python python tests/gstreamer_page.py makes it anew"
    )


def test_every_element_has_a_table_and_a_heading():
    own = [one.name for one in Registry().all() if Registry().is_own(one.name)]
    assert set(own) <= set(TABLES)
    assert len(TABLES) == len(set(TABLES))
    headings = re.findall(r"^### (.*)$", TEXT, flags=re.MULTILINE)
    assert set(own) <= set(headings)


def test_one_table_is_for_all_codecs():
    """Encoders and decoders of whatever codec have the same properties, so one of them stands for all."""
    (shown,) = [one for one in TABLES if codecs.is_codec(one) and not Registry().is_own(one)]
    expected = [one.name for one in gstreamer_page.factory(shown).properties.values()]
    for codec in codecs.CODECS:
        assert f"`{codec}`" in TEXT
        for kind in ("enc", "dec"):
            assert list(gstreamer_page.factory(f"v4l2{codec}{kind}").properties) == expected


@pytest.mark.parametrize("element", TABLES)
def test_table_has_every_property_of_both_sides(element):
    known = gstreamer_page.TABLE["elements"].get(element, {"properties": {}})
    names = {*gstreamer_page.factory(element).properties, *known["properties"]} - {*gstreamer_page.SHARED}
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", gstreamer_page.table(element), flags=re.MULTILINE)
    assert sorted(rows) == sorted(names)


def test_new_property_makes_the_page_out_of_date(monkeypatch):
    queue = Registry().find("queue")
    more = {**queue.properties, "brand-new": Property("brand-new", BOOL, False, "does things")}
    monkeypatch.setitem(queue.__dict__, "properties", more)
    assert "| `brand-new` | boolean; `false` | does things |" in gstreamer_page.table("queue")
    assert gstreamer_page.updated(TEXT) != TEXT


def test_each_cell_says_something():
    for row in re.findall(r"^\| `.*$", gstreamer_page.updated(TEXT), flags=re.MULTILINE):
        assert not re.search(r"\|\s*\||: \||None", row), row
