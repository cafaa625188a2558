"""``zcore demo``: the main job on whatever this machine has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import zcore
from zcore import devices
from zcore.chain import Chain
from zcore.cli.output import console
from zcore.cli.running import positive, print_report, run_with_progress
from zcore.errors import ChainError, DeviceError
from zcore.formats import Format, find
from zcore.stages.display import Display
from zcore.stages.sinks import save_png
from zcore.stages.software import to_rgb


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "demo", help="run capture, convert, display on this machine's devices, or in software",
        description="Run the main job: frames go from a capture device through a converter to a display without a copy."
        " Where there is no capture device or no display that this process may use, the same runs on software stages.",
    )  # fmt: skip
    parser.add_argument("--frames", type=positive, default=300, help="how many frames (default 300)")
    parser.add_argument("--out", type=Path, default=Path("."), metavar="DIR", help="where the picture goes (default .)")
    parser.add_argument("--size", type=_size, default=(640, 480), metavar="WxH", help="frame size (default 640x480)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--software", action="store_true", help="do not look for devices")
    parser.add_argument("--require-zero-copy", action="store_true", help="fail rather than copy a frame")
    parser.set_defaults(run=run)


def _size(text: str) -> tuple[int, int]:
    width, separator, height = text.partition("x")
    if not separator or not width.isdigit() or not height.isdigit() or not int(width) or not int(height):
        raise argparse.ArgumentTypeError(f"a size is WIDTHxHEIGHT, such as 1280x720, not {text!r}")
    return int(width), int(height)


def run(options: argparse.Namespace) -> int:
    """Run the demo."""
    out = console()
    options.out.mkdir(parents=True, exist_ok=True)
    picture = options.out / "zcore-demo.png"
    chain, why = (None, "--software was given") if options.software else find_chain(options)
    if chain is None:
        out.print(f"Software stages: {why}.", markup=False)
        chain = software_chain(options.size)
    else:
        out.print(f"Devices: {' → '.join(f'{s.name} ({s.device})' for s in chain.stages)}", markup=False)
    with chain:
        report = run_with_progress(chain, out, options.frames, options.require_zero_copy or None)
        save_last_picture(chain, picture)
    print_report(report, out)
    out.print(f"The last frame is in {picture}", markup=False, soft_wrap=True)
    if options.json is not None:
        options.json.write_text(report.to_json() + "\n")
    return 0


def find_chain(options: argparse.Namespace) -> tuple[Chain | None, str]:
    """Build a chain of this machine's devices that can be planned; else ``None`` and the reason."""
    cameras = [d for d in devices.video_devices(details=False) if d.kind == "capture" and d.streaming]
    if not cameras:
        return None, "this machine has no capture device that streams"
    try:
        card = devices.find_card()
    except ChainError as error:
        return None, str(error)
    converters = [d.path for d in devices.video_devices(details=False) if d.kind == "m2m" and d.streaming]
    reasons = []
    for camera in cameras:
        for converter in [*converters, None]:
            for size in (options.size, None):
                middle = [zcore.Convert(converter)] if converter else []
                chain = Chain(
                    zcore.Capture(camera.path, size=size, rate=30),
                    *middle,
                    Display(card),
                    require_zero_copy=options.require_zero_copy or None,
                )
                try:
                    chain.plan()
                except (ChainError, DeviceError, ValueError) as error:
                    reasons.append(str(error))
                    continue
                return chain, ""
    return None, f"no devices fit together ({reasons[-1]})"


def software_chain(size: tuple[int, int]) -> Chain:
    """Build the chain for machines without devices."""
    return Chain(zcore.TestSource("YU12", size), zcore.SoftwareConvert("RGB3"), zcore.ArraySink(keep=1))


def save_last_picture(chain: Chain, path: Path) -> None:
    """Write what the display shows, read back from the display itself where it can; else the frame it was given."""
    last = chain.stages[-1]
    if isinstance(last, zcore.ArraySink):
        save_png(path, last.arrays[-1], find("RGB3"))
        return
    assert isinstance(last, Display)
    try:
        shown: Any = last.screenshot()
        fmt: Format = find("drm:XR24")
    except DeviceError:  # no writeback connector: most real displays
        frame = last.scanout.frame_on_screen()
        assert frame is not None
        shown, fmt = to_rgb(frame), find("RGB3")
    save_png(path, shown, fmt)
