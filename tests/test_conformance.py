"""The pages of conformance and traps say what the tests prove, and nothing of the kernel is forgotten."""

import re
from pathlib import Path

import pytest

from tests.conformance import marks, names, page

HEADERS = {"videodev2.h": "VIDIOC_", "v4l2-subdev.h": "VIDIOC_", "media.h": "MEDIA_", "dma-buf.h": "DMA_BUF_"}


def known():
    sections = names.ioctls() + names.transitions() + names.traps()
    return [entry for section in sections for entry in section.entries]


@pytest.mark.parametrize("path", [path.name for path in page.render()])
def test_pages_are_up_to_date(path):
    text = page.render()[page.DOCS / path]
    assert (page.DOCS / path).read_text() == text, "run: python -m tests.conformance"


def test_no_name_stands_twice():
    listed = [entry.name for entry in known()]
    assert len(listed) == len(set(listed))


def test_tests_prove_only_what_is_listed():
    listed = {entry.name for entry in known()}
    unknown = {name: tests for name, tests in marks.collect().items() if name not in listed}
    assert not unknown


def test_everything_has_a_proof_or_a_reason():
    proofs = marks.collect()
    silent = [entry.name for entry in known() if entry.name not in proofs and not entry.reason]
    assert not silent


def test_no_reason_where_there_is_a_proof():
    """A trap may have both: a test for the part that can arise."""
    proofs = marks.collect()
    sections = names.ioctls() + names.transitions()
    assert not [e.name for section in sections for e in section.entries if e.reason and e.name in proofs]


def test_ioctls_are_used_where_the_page_says_so():
    listed = [entry for section in names.ioctls() for entry in section.entries]
    assert not [entry.name for entry in listed if not entry.reason and not names.is_used(entry.name)]
    assert not [entry.name for entry in listed if entry.reason and names.is_used(entry.name)]


@pytest.mark.parametrize("header", HEADERS)
def test_no_ioctl_of_the_kernels_headers_is_forgotten(header):
    path = Path("/usr/include/linux", header)
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    prefix = HEADERS[header]
    defined = set(re.findall(rf"^#define\s+({prefix}\w+)\s+_IO", path.read_text(), re.MULTILINE))
    assert defined <= {entry.name for section in names.ioctls() for entry in section.entries}


def test_traps_are_numbered_without_a_hole():
    numbers = [entry.name for section in names.traps() for entry in section.entries]
    assert numbers == [f"T{number}" for number in range(1, 87)]
