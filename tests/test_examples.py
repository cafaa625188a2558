"""The examples: those that need no device run, all of them compile, explain themselves and stay short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
RUN = [
    # example, arguments, extras that it needs, what it writes, what it says
    ("without_devices.py", ["picture.png"], ["av", "PIL"], "picture.png", "30 frames"),
    ("callback.py", ["--frames", "5"], [], None, "5 frames, mean"),
    ("raw_file.py", ["frames.raw", "--frames", "2"], [], "frames.raw", "2 frames, 230400 bytes"),
    ("pipeline.py", ["--frames", "5"], [], None, "no frame is copied"),
    ("app_in_and_out.py", [], [], None, "10 frames"),
    ("record_mp4.py", ["out.mp4", "--frames", "5", "--codec", "MPEG4"], ["av"], "out.mp4", "5 frames in out.mp4"),
    ("raw_file.py", ["grey.raw", "--frames", "3", "--format", "GREY"], [], "grey.raw", "3 frames, 230400 bytes"),
]


def run(name, *arguments, cwd):
    """Run an example as users do, but with warnings as errors."""
    package = str(EXAMPLES.parent / "python")
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("name", "arguments", "extras", "written", "said"), RUN)
def test_example_without_device_runs(name, arguments, extras, written, said, tmp_path):
    for extra in extras:
        pytest.importorskip(extra)
    done = run(name, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ([written] if written else [])
    if written:
        assert (tmp_path / written).stat().st_size > 0


@pytest.mark.parametrize("name", NAMES)
def test_example_compiles_and_is_short(name):
    text = (EXAMPLES / name).read_text()
    compile(text, name, "exec")
    assert len(text.splitlines()) < 40
    assert text.startswith('"""')
    assert f"python examples/{name}" in text  # how to start it


@pytest.mark.parametrize("name", [name for name in NAMES if "argparse" in (EXAMPLES / name).read_text()])
def test_example_explains_its_arguments(name, tmp_path):
    done = run(name, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("capture_to_numpy.py", ["/dev/no-such-video"]),
        ("capture_convert_display.py", ["/dev/no-such-video", "/dev/no-such-video"]),
        ("callback.py", ["--device", "/dev/no-such-video"]),
        ("raw_file.py", ["--device", "/dev/no-such-video"]),
        ("record_mp4.py", ["--device", "/dev/no-such-video"]),
    ],
)
def test_example_names_the_missing_device(name, arguments, tmp_path):
    done = run(name, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "DeviceNotFoundError: /dev/no-such-video: open: [ENOENT]" in done.stderr.splitlines()[-1]
