"""What the comparisons of pictures share: known frames, what a screen should show of them, and the table of results."""

import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "device/pictures.json"
SCREEN = (640, 480)


def pattern(size, seed=1):
    """A picture of which no part is like another: B, G, R."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7 + seed * 40, y * 5 + x, (x ^ y) + seed * 90], axis=-1).astype(np.uint8)


def packed(picture, fourcc, alpha=255):
    """Give B, G, R as the bytes of a format."""
    blue, green, red = (picture[..., i] for i in range(3))
    if fourcc in ("XR24", "AR24"):
        full = np.full(picture.shape[:2], alpha, np.uint8)
        return np.stack([blue, green, red, full], axis=-1)
    if fourcc == "RG16":
        return (red.astype(np.uint16) >> 3) << 11 | (green.astype(np.uint16) >> 2) << 5 | blue.astype(np.uint16) >> 3
    if fourcc in ("XR48", "AR48"):
        wide = picture.astype(np.uint16) * 257
        full = np.full(picture.shape[:2], alpha * 257, np.uint16)
        return np.concatenate([wide, full[..., None]], axis=-1)
    raise ValueError(fourcc)


def as_seen(picture, fourcc):
    """Give B, G, R after a format of fewer bits, as a composer with 16 bits a channel rounds it."""
    if fourcc != "RG16":
        return picture
    raw = packed(picture, "RG16").astype(np.uint32)
    channels = [(raw & 31, 31), (raw >> 5 & 63, 63), (raw >> 11, 31)]
    return np.stack([np.rint(np.rint(c * (65535 / top)) / 257).astype(np.uint8) for c, top in channels], axis=-1)


def on_screen(picture, left=0, top=0, screen=SCREEN, below=None):
    """Put a picture onto a screen, cut at its edges."""
    canvas = np.zeros((screen[1], screen[0], 3), np.uint8) if below is None else below.copy()
    height, width = picture.shape[:2]
    x, y = max(left, 0), max(top, 0)
    right, bottom = min(left + width, screen[0]), min(top + height, screen[1])
    canvas[y:bottom, x:right] = picture[y - top : bottom - top, x - left : right - left]
    return canvas


def premultiplied(top, below, alpha):
    """Blend as planes do by default: what comes is premultiplied already."""
    wide = top.astype(np.float64) * 257 + below.astype(np.float64) * 257 * (255 - alpha) / 255
    return np.minimum(np.rint(wide / 257), 255).astype(np.uint8)


def frames_of(card, size, fourcc, *pictures):
    """Allocate dumb buffers of a card and draw pictures into them; gives the pool and the frames."""
    from zcore._gem import allocate_dumb
    from zcore.formats import find
    from zcore.stages.base import LinkCaps, make_pool

    fmt = find(f"drm:{fourcc}")
    pool = None
    for _ in pictures:
        line = fmt.layout(*size).planes[0].width_bytes
        buffer, pitch = allocate_dumb(card, -(-line // 4), size[1], 32)
        if pool is None:
            pool = make_pool("pictures", "dumb", LinkCaps(fmt, *size, ((pitch * size[1], pitch),), fmt.v4l2 or 0))
        pool.add([buffer])
    frames = []
    for picture in pictures:
        frame = pool.acquire(0)
        pixels = frame.array(write=True)
        raw = packed(picture, fourcc) if picture.ndim == 3 and picture.shape[2] == 3 else picture
        pixels[...] = raw.reshape(pixels.shape)
        del pixels
        frames.append(frame)
    return pool, frames


def record(name, shown, expected, results):
    """Compare, and note the result under a name: equal, or how many pixels differ."""
    wrong = np.any(shown[..., :3] != expected, axis=-1)
    results[name] = "equal" if not wrong.any() else f"{int(wrong.sum())} of {wrong.size} pixels differ"
    return not wrong.any()


def stored():
    """Give the results that are committed."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


__all__ = ["as_seen", "frames_of", "on_screen", "packed", "pattern", "premultiplied", "record", "stored"]
