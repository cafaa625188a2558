"""``zcore launch`` and ``zcore explain``."""

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

import zcore
from fakekernel import FakeCard
from fakekernel.quirky_v4l2 import QuirkyCamera
from zcore import devices
from zcore.cli import main

PIPELINE = "videotestsrc num-buffers=3 ! video/x-raw,format=NV12,width=64,height=32 ! queue ! fakesink"
NEEDS_COPY = "v4l2src io-mode=mmap ! kmssink"


@pytest.fixture
def screen(fake_kernel, monkeypatch):
    """A camera and a display."""
    QuirkyCamera(fake_kernel).auto = 1000
    FakeCard(fake_kernel, auto=True)
    monkeypatch.setattr(devices, "card_paths", lambda: ["/dev/dri/card0"])
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0"])


def run(capsys, *words):
    status = main(list(words))
    return status, capsys.readouterr()


def test_pipeline_runs_and_is_reported(capsys):
    status, out = run(capsys, "launch", PIPELINE)
    assert status == 0
    assert "videotestsrc0 → fakesink0" in out.out
    assert "video/x-raw,format=NV12,width=64,height=32" in out.out
    assert "3 frames in" in out.out
    assert "no link copied a frame" in out.out


def test_words_of_a_shell(capsys, tmp_path):
    words = ["videotestsrc", "num-buffers=2", "!", "video/x-raw, format=GRAY8, width=64, height=32", "!", "filesink"]
    status, _ = run(capsys, "launch", *words, f"location={tmp_path / 'a file'}")
    assert status == 0
    assert (tmp_path / "a file").stat().st_size == 2 * 64 * 32


def test_number_of_frames(capsys):
    status, out = run(capsys, "launch", "--frames", "5", "videotestsrc", "!", "fakesink", "--json", "-")
    assert status == 0
    assert json.loads(out.out)["frames"] == 5


def test_json_into_a_file(capsys, tmp_path):
    status, out = run(capsys, "launch", "--json", str(tmp_path / "report.json"), PIPELINE)
    assert status == 0
    assert json.loads((tmp_path / "report.json").read_text())["frames"] == 3
    assert "3 frames in" in out.out


def test_json_on_standard_output_is_alone_there(capsys):
    status, out = run(capsys, "launch", "--json", "-", PIPELINE)
    assert status == 0
    assert {link["sink"] for link in json.loads(out.out)["links"]} == {"fakesink0"}
    assert "3 frames in" in out.err


def test_verbose_tells_the_plan_and_what_has_no_effect(capsys, monkeypatch):
    log = logging.getLogger("zcore")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "level", log.level)
    status, out = run(capsys, "launch", "-v", "videotestsrc num-buffers=1 ! fakesink async=false")
    assert status == 0
    assert "videotestsrc0 -> fakesink0" in out.out
    assert "fakesink async=false has no effect" in out.err


def test_mistake_in_a_pipeline_is_pointed_at(capsys):
    for command in ("launch", "explain"):
        status, out = run(capsys, command, "videotestsrc ! kmsink")
        assert status == 2
        assert out.err.splitlines() == [
            f"zcore {command}: no element 'kmsink'; did you mean 'kmssink'?",
            "  videotestsrc ! kmsink",
            "                 ^^^^^^",
        ]


@pytest.mark.parametrize("words", [[], ["--frames", "0", "a"], ["--frames", "x", "a"]])
def test_mistake_in_the_command(capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(["launch", *words])
    assert caught.value.code == 2
    assert "usage: zcore launch" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "end"), [("appsrc", " ! fakesink"), ("appsink", "")])
def test_elements_that_need_a_program(capsys, name, end):
    status, out = run(capsys, "launch", f"{'videotestsrc ! ' if not end else ''}{name}{end}")
    assert status == 2
    assert "or zcore.launch() in a program" in out.err


def test_failure_is_explained(capsys, tmp_path):
    status, out = run(capsys, "launch", f"filesrc location={tmp_path / 'nothing'} ! video/x-raw,format=NV12 ! fakesink")
    assert status == 1
    assert "nothing" in out.err
    assert "Traceback" not in out.err


def test_run_that_fails_on_its_way_tells_how_far_it_came(capsys):
    status, out = run(capsys, "launch", "videotestsrc ! identity error-after=3 ! fakesink")
    assert status == 1
    assert "frames in" in out.out
    assert "zcore launch: " in out.err


def test_zero_copy_is_required(screen, capsys):
    for command in ("launch", "explain"):
        status, out = run(capsys, command, "--require-zero-copy", NEEDS_COPY)
        assert status == 1
        assert "v4l2src0 -> kmssink0" in out.err
    status, out = run(capsys, "launch", "--frames", "3", NEEDS_COPY)
    assert status == 0
    assert "frames were copied, see the ledger" in out.out


def test_zero_copy_runs_where_it_is_required(screen, capsys):
    status, out = run(capsys, "launch", "--require-zero-copy", "--frames", "3", "v4l2src ! kmssink")
    assert status == 0
    assert "no link copied a frame" in out.out


# Explaining


def test_plan_is_told_without_a_frame(screen, fake_kernel, capsys):
    status, out = run(capsys, "explain", "v4l2src ! queue ! kmssink")
    assert status == 0
    assert out.out.startswith("v4l2src0 -> kmssink0 through queue0\n")
    assert "no frame is copied" in out.out
    assert not fake_kernel.count("VIDIOC_STREAMON")


def test_plan_as_json(screen, capsys):
    status, out = run(capsys, "explain", "--json", NEEDS_COPY)
    assert status == 0
    plan = json.loads(out.out)
    assert not plan["zero_copy"]
    assert plan["links"][0]["reason"]


def test_plan_as_a_graph(screen, capsys, tmp_path):
    status, _ = run(capsys, "explain", "--dot", str(tmp_path / "plan.dot"), "v4l2src ! kmssink")
    assert status == 0
    assert (tmp_path / "plan.dot").read_text().startswith("digraph")


def test_plan_as_a_picture(screen, capsys, tmp_path, monkeypatch):
    dot = tmp_path / "dot"
    dot.write_text('#!/bin/sh\necho "<svg $*>"\nexec cat\n')
    dot.chmod(dot.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    status, _ = run(capsys, "explain", "--svg", str(tmp_path / "plan.svg"), "v4l2src ! kmssink")
    assert status == 0
    assert (tmp_path / "plan.svg").read_text().startswith("<svg -Tsvg>\ndigraph")


def test_picture_that_graphviz_refuses(screen, capsys, tmp_path, monkeypatch):
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho no such layout >&2\nexit 3\n")
    dot.chmod(dot.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    status, out = run(capsys, "explain", "--svg", str(tmp_path / "plan.svg"), "v4l2src ! kmssink")
    assert status == 1
    assert "Graphviz refuses the graph: no such layout" in out.err
    assert not (tmp_path / "plan.svg").exists()


def test_picture_without_graphviz(screen, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out = run(capsys, "explain", "--svg", str(tmp_path / "plan.svg"), "v4l2src ! kmssink")
    assert status == 1
    assert "install the package graphviz" in out.err


def test_explain_takes_elements_of_programs(capsys):
    status, out = run(capsys, "explain", "videotestsrc ! video/x-raw,format=GRAY8,width=64,height=32 ! appsink")
    assert status == 0
    assert "appsink0" in out.out


# As a process


def process(*words, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "zcore.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, **options,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_run_with_its_report(number, tmp_path):
    path = tmp_path / "frames"
    pipeline = f"videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=64,height=32 ! filesink location={path}"
    running = process("launch", "--json", "-", f"{pipeline} buffer-mode=unbuffered")
    try:
        while running.poll() is None and not (path.exists() and path.stat().st_size):
            os.sched_yield()
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, err
    assert json.loads(out)["frames"] > 0
    assert "ending" in err
    assert path.stat().st_size % (64 * 32) == 0


def test_command_as_a_process():
    running = process("launch", *PIPELINE.split())
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert "3 frames in" in out


def test_example_of_the_help_text_can_be_parsed(capsys):
    with pytest.raises(SystemExit):
        main(["launch", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "zcore launch --frames 300 v4l2src device=/dev/video0 io-mode=dmabuf !" in textwrap.dedent(text)
    example = text[text.index("v4l2src device") :].replace("'", "").split()
    assert [stage.name for stage in zcore.launch(example).stages] == ["v4l2src0", "capsfilter0", "kmssink0"]
