"""Small coded streams, made here with PyAV's encoders."""

from fractions import Fraction

import numpy as np
import pytest


def picture(number, size):
    """A moving square on a gradient with some noise, as RGB."""
    width, height = size
    noise = np.random.default_rng(number)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = np.arange(width) * 3
    pixels[height // 4 : height // 2, (number * 3) % (width // 2) : (number * 3) % (width // 2) + 16, :] = 200
    pixels[..., 1] += noise.integers(0, 40, (height, width), np.uint8)
    return pixels


def encode(codec, frames, size=(64, 48), pix_fmt="yuv420p", **options):
    """Give the packets of an encoder as ``(bytes, pts, is key frame)``."""
    av = pytest.importorskip("av")
    try:
        context = av.CodecContext.create(codec, "w")
    except Exception:
        pytest.skip(f"this PyAV has no encoder {codec}")
    context.width, context.height = size
    context.pix_fmt = pix_fmt
    context.time_base = Fraction(1, 25)
    context.framerate = Fraction(25)
    context.options = {key.replace("_", "-"): str(value) for key, value in options.items()}
    packets = []
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(picture(number, size), "rgb24").reformat(format=pix_fmt)
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.pts, packet.is_keyframe) for packet in packets]
