"""``zcore controls`` on the fake kernel."""

import json

import pytest

from fakekernel import ControlCamera
from zcore import cli

pytest.importorskip("rich")


@pytest.fixture
def fake(fake_kernel):
    return ControlCamera(fake_kernel)


def run(*words):
    return cli.main(["controls", "/dev/video0", *words])


def test_list(fake, capsys):
    assert run() == 0
    text = capsys.readouterr().out
    for part in ("User Controls", "power_line_frequency", "1 (50 Hz)", "0 to 100 in steps of 10", "2x3 of 16 to 4096",
                 "read-only, volatile", "bits 0x80000011", "2 to 8 characters"):  # fmt: skip
        assert part in text
    assert "gone" not in text


def test_json(fake, capsys):
    assert run("--json") == 0
    controls = json.loads(capsys.readouterr().out)["controls"]
    by_name = {one["name"]: one for one in controls}
    assert by_name["matrix"]["value"] == [[16] * 3] * 2
    assert by_name["power_line_frequency"]["menu"] == {"0": "Disabled", "1": "50 Hz", "3": "Auto"}
    assert "value" not in by_name["secret"]


def test_one(fake, capsys):
    assert run("Link Frequency") == 0
    text = capsys.readouterr().out
    assert "1: 800000000" in text
    assert "default: 0 (400000000)" in text


def test_set_in_one_call(fake_kernel, fake, capsys):
    words = ("brightness=0x10", "mirror=on", "power_line_frequency=auto", "label=12", "matrix=16,17,18 19,20,21",
             "cells=4x5", "pixel_rate=-7", "go=", "light=hex:01000200", "focus=1")  # fmt: skip
    assert run(*words) == 0
    text = capsys.readouterr().out
    assert fake_kernel.count("VIDIOC_S_EXT_CTRLS") == 1
    assert "brightness = 16\n" in text
    assert "power_line_frequency = 3 (Auto)" in text
    assert "label = '12'" in text
    assert "cells = [4, 5]" in text
    assert "light = [1, 2]" in text
    assert "note: /dev/video0: focus is inactive" in text
    assert fake.pressed == 1


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("brightnes=1",), 2, "did you mean brightness"),
        (("nothing",), 2, "no control 'nothing'"),
        (("=1",), 2, "'=1' has no name"),
        (("mirror=1", "mirror=0"), 2, "a control stands twice"),
        (("mirror=1", "--reset"), 2, "--reset and --watch take names without a value"),
        (("brightness=much",), 1, "is a number from 0 to 255, not 'much'"),
        (("mirror=0", "locked=1"), 1, "control locked=1 was refused"),
    ],
)
def test_mistakes(fake, capsys, words, status, told):
    assert run(*words) == status
    assert told in capsys.readouterr().err
    assert fake.item("Mirror").value == 0


def test_reset(fake, capsys):
    assert run("brightness=3", "gain_stepped=0") == 0
    assert run("--reset", "brightness") == 0
    assert (fake.item("Brightness").value, fake.item("Gain, Stepped").value) == (128, 0)
    assert run("--reset") == 0
    assert fake.item("Gain, Stepped").value == 50
    assert "brightness = 128" in capsys.readouterr().out


def test_watch(fake, capsys, monkeypatch):
    """A control is set before the watch begins, and one while it waits."""
    queue_event = fake.vidioc_subscribe_event

    def subscribe(file, subscription):
        queue_event(file, subscription)
        if subscription.id == fake.id_of("Mirror"):
            fake.store(subscription.id, fake.item("Mirror"), 1)

    fake.vidioc_subscribe_event = subscribe
    assert run("--watch", "mirror", "--timeout", "0.05") == 0
    assert capsys.readouterr().out == "mirror = True\n"
    fake.item("Mirror").value = 0
    assert run("--watch", "mirror", "--timeout", "0.05", "--json") == 0
    assert json.loads(capsys.readouterr().out)["what"] == ["value"]


def test_no_such_device(fake_kernel, capsys):
    assert run() == 1
    assert "ENOENT" in capsys.readouterr().err
