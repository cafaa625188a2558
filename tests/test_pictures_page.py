"""docs/pictures.md is what the device tests found."""

from picture_rig import stored
from pictures_page import PAGE, WHY, render


def test_page_is_that_of_the_results():
    assert PAGE.read_text() == render(stored()), "PYTHONPATH=python:tests python tests/pictures_page.py makes it anew"


def test_what_differs_has_a_reason():
    results = stored()
    assert len(results) >= 20
    assert set(WHY) <= set(results)
    for name, result in results.items():
        assert result in ("equal", "not there") or name in WHY, f"{name}: {result}, and nobody says why"
