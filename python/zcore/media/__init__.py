"""The media controller: the graph behind a complex camera, and how to set it up.

How am I supposed to use this? ``zcore.configure_camera("/dev/video2", size=(640, 480))`` sets links and formats from
the sensor to the video node. :class:`MediaDevice` is the graph itself.
"""

from zcore.media.camera import CameraSetup, configure_camera
from zcore.media.codes import CODES, code_name, code_of
from zcore.media.find import media_device_of, media_devices
from zcore.media.graph import Entity, Interface, Link, MediaDevice, Pad
from zcore.media.text import MediaTextError, apply_formats, apply_links, format_text
from zcore.media.validate import Mismatch, validate

__all__ = [
    "CODES",
    "CameraSetup",
    "Entity",
    "Interface",
    "Link",
    "MediaDevice",
    "MediaTextError",
    "Mismatch",
    "Pad",
    "apply_formats",
    "apply_links",
    "code_name",
    "code_of",
    "configure_camera",
    "format_text",
    "media_device_of",
    "media_devices",
    "validate",
]
