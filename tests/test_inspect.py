"""``zcore inspect``."""

import json
import os
import subprocess
import sys

import pytest

from fakekernel import FakeCamera, FakeEncoder
from zcore import devices
from zcore.cli import main
from zcore.pipeline import Registry


@pytest.fixture
def machine(fake_kernel, monkeypatch):
    FakeCamera(fake_kernel, "/dev/video0")
    FakeEncoder(fake_kernel, "/dev/video1")
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0", "/dev/video1"])
    monkeypatch.setattr(devices, "card_paths", list)


def run(capsys, *words):
    status = main(["inspect", *words])
    return status, capsys.readouterr()


def test_list_has_all_elements(machine, capsys):
    status, out = run(capsys)
    assert status == 0
    for factory in Registry().all():
        assert factory.name in out.out
    assert "v4l2fwhtenc" in out.out
    assert "(/dev/video1)" in out.out
    assert "chain[name].pull()" in out.out


def test_list_as_json(machine, capsys):
    status, out = run(capsys, "--json")
    assert status == 0
    elements = {one["name"]: one for one in json.loads(out.out)["elements"]}
    assert elements["v4l2fwhtenc"]["device"] == "/dev/video1"
    assert elements["kmssink"]["klass"] == "Sink/Video"


def test_element_with_what_devices_grant(machine, capsys):
    status, out = run(capsys, "v4l2src")
    assert status == 0
    lines = out.out.splitlines()
    assert lines[0] == "v4l2src  Video (video4linux2) Source  (Source/Video)"
    assert "  granted by /dev/video0:" in lines
    assert "    video/x-raw, format=YUY2, width=640, height=480" in lines
    at = lines.index("  io-mode: how buffers are shared")
    assert "dmabuf-import (5); default auto" in lines[at + 1]
    at = next(number for number, line in enumerate(lines) if line.startswith("  num-buffers:"))
    assert lines[at + 1].strip() == "int in frames; a whole number from -1 to 2147483647; default -1"


def test_element_without_devices(machine, capsys):
    status, out = run(capsys, "kmssink")
    assert status == 0
    assert "no device of this machine grants anything here" in out.out
    assert "render-rectangle" in out.out
    assert "can only be set" in out.out
    assert "without effect: zcore never waits for it twice" in out.out


def test_element_as_json(machine, capsys):
    status, out = run(capsys, "v4l2fwhtenc", "--json")
    assert status == 0
    element = json.loads(out.out)
    sink, source = element["pads"]
    assert (sink["direction"], source["direction"], source["presence"]) == ("sink", "src", "always")
    assert source["granted"][0]["device"] == "/dev/video1"
    assert all(text.startswith("video/x-fwht") for text in source["granted"][0]["caps"])
    properties = {one["name"]: one for one in element["properties"]}
    assert properties["output-io-mode"]["default"] == "auto"
    assert properties["output-io-mode"]["values"][5] == {
        "nick": "dmabuf-import", "number": 5, "meaning": "DMA-BUFs of the other side",
    }  # fmt: skip


@pytest.mark.parametrize("name", [one.name for one in Registry().all()])
def test_every_element_can_be_told(machine, capsys, name):
    assert run(capsys, name)[0] == 0
    status, out = run(capsys, name, "--json")
    assert status == 0
    assert json.loads(out.out)["name"] == name


def test_unknown_element(machine, capsys):
    status, out = run(capsys, "v4l2scr")
    assert status == 2
    assert out.err == "zcore inspect: no element 'v4l2scr'; did you mean 'v4l2src'?\n"


@pytest.mark.parametrize("words", [["memory"], ["explain", "--json", "videotestsrc ! fakesink"]])
def test_reader_that_has_seen_enough(words):
    """Such as ``head``: the command ends without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "zcore.cli", *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
