"""``zcore media``: the graphs of complex cameras, listed and set up."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from zcore.cli.inspect import UsageError
from zcore.errors import ChainError
from zcore.media import MediaDevice, MediaTextError, apply_formats, apply_links, configure_camera, media_device_of
from zcore.media.find import media_devices


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "media", help="list and set up the media graphs of complex cameras",
        description="List media devices with entities, pads, formats and links; set links and formats, in the words of"
        " media-ctl; or set up everything between a sensor and a video node with --camera.",
    )  # fmt: skip
    parser.add_argument("device", nargs="?", help="media device, or a video node of it; left out: all of them")
    parser.add_argument("formats", nargs="*", help="set, such as \"'Scaler':0 [fmt:RGB888_1X24/640x480]\"")
    parser.add_argument("--links", metavar="LINKS", help="set, such as \"'Debayer A':1->'Scaler':0[1]\"")
    parser.add_argument("--camera", metavar="SIZE", help="set up the way to the video node DEVICE, such as 640x480")
    parser.add_argument("--code", help="with --camera: what the sensor sends, such as SRGGB8_1X8")
    parser.add_argument("--source", help="with --camera: the entity to begin with, such as 'Sensor B'")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--dot", action="store_true", help="as a graph for Graphviz")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List the graphs, or set them up."""
    if (options.links or options.formats or options.camera) and options.device is None:
        raise UsageError("to set something, name the media device, such as /dev/media0")
    if options.camera:
        return _camera(options)
    if options.code or options.source:
        raise UsageError("--code and --source go with --camera")
    found = [_open(options.device)] if options.device else media_devices()
    try:
        if options.links:
            for link in apply_links(found[0], options.links):
                print(link)
        if options.formats:
            print("\n".join(apply_formats(found[0], ",".join(options.formats))))
    except MediaTextError as error:
        raise UsageError(str(error)) from None
    if options.links or options.formats:
        return 0
    if options.json:
        print(json.dumps([media.to_dict() for media in found], indent=2))
    elif options.dot:
        print("\n".join(media.to_dot() for media in found))
    elif found:
        print("\n".join(map(str, found)))
    else:
        print("This machine has no media device that this user may open. Most USB cameras need none.")
    return 0


def _open(path: str) -> MediaDevice:
    return MediaDevice(path) if re.search(r"media\d+$", path) else media_device_of(path)


def _camera(options: argparse.Namespace) -> int:
    size = re.fullmatch(r"(\d+)x(\d+)", options.camera)
    if size is None:
        raise UsageError(f"--camera takes a size such as 640x480, not {options.camera!r}")
    try:
        setup = configure_camera(
            options.device, (int(size[1]), int(size[2])), code=options.code, source=options.source
        )  # fmt: skip
    except KeyError as error:
        raise ChainError(error.args[0]) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    print(setup)
    return 0
