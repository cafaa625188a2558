"""Coded frames for the tests of files."""

import io
import struct

import pytest

from zcore.stages.file_layout import FWHT_MAGIC

Image = pytest.importorskip("PIL.Image")


def fwht(size, payload):
    """A frame as the kernel's vicodec writes it: magic, nine numbers, payload."""
    return FWHT_MAGIC + struct.pack(">9I", 3, *size, 0, 0, 0, 0, 0, len(payload)) + payload


def jpeg(size=(40, 24), **options):
    picture = Image.effect_noise(size, 90).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()
