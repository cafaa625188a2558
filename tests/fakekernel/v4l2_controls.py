"""A fake camera with controls of every type, and events, as the kernel's control framework has them; only stricter."""

import ctypes
import errno
from dataclasses import dataclass

import numpy as np

from . import structs
from .kernel import Refusal
from .v4l2 import NEXT_COMPOUND, NEXT_CTRL, FakeCamera

DISABLED, GRABBED, READ_ONLY, INACTIVE, WRITE_ONLY, PAYLOAD = 1, 2, 4, 0x10, 0x40, 0x100
MODIFY_LAYOUT, DYNAMIC, MIN_MAX = 0x400, 0x800, 0x1000
INTEGER, BOOLEAN, MENU, BUTTON, INTEGER64, CLASS, STRING, BITMASK, INTEGER_MENU = range(1, 10)
U8, U16, U32, AREA, RECT, CLL, FWHT = 0x100, 0x101, 0x102, 0x106, 0x107, 0x110, 0x220
CUR, DEF, REQUEST, MINIMUM, MAXIMUM = 0, 0x0F000000, 0x0F010000, 0x0F020000, 0x0F030000
EVENT_CTRL, SOURCE_CHANGE, ALLOW_FEEDBACK, SEND_INITIAL = 3, 5, 2, 1
SIZES = {INTEGER64: 8, U8: 1, U16: 2, U32: 4, AREA: 8, RECT: 16, CLL: 4, FWHT: 40}
FORMATS = {U8: "u1", U16: "u2", U32: "u4", INTEGER: "i4", INTEGER64: "i8"}


@dataclass
class Item:
    """One control. The value is what the kernel keeps: a number, or bytes behind a pointer."""

    name: str
    type: int
    minimum: int = 0
    maximum: int = 0
    step: int = 1
    default: object = 0
    flags: int = 0
    dims: tuple = ()
    menu: dict | None = None
    value: object = None

    def __post_init__(self):
        if self.type >= 0x100 or self.dims or self.type == STRING:
            self.flags |= PAYLOAD
        if self.value is None:
            self.value = self.default

    @property
    def elem_size(self):
        return self.maximum + 1 if self.type == STRING else SIZES.get(self.type, 4)

    @property
    def size(self):
        return len(self.value) if self.flags & DYNAMIC else self.elem_size * int(np.prod(self.dims or (1,)))


BASE = 0x00980900


def zoo():
    """One of each type."""
    items = [
        Item("Brightness", INTEGER, 0, 255, 1, 128),
        Item("Gain, Stepped", INTEGER, 0, 100, 10, 50),
        Item("Mirror", BOOLEAN, 0, 1, 1, 0),
        Item("Power Line Frequency", MENU, 0, 3, 1, 1, menu={0: "Disabled", 1: "50 Hz", 3: "Auto"}),
        Item("Link Frequency", INTEGER_MENU, 0, 1, 1, 0, menu={0: 400000000, 1: 800000000}),
        Item("Go", BUTTON, flags=WRITE_ONLY),
        Item("Pixel Rate", INTEGER64, -(1 << 50), 1 << 50, 1, 1 << 40),
        Item("Label", STRING, 2, 8, 2, b"abcd\0".ljust(9, b"\0")),
        Item("Mask", BITMASK, 0, 0x80000011, 0, 1),
        Item("Matrix", U16, 16, 4096, 1, np.full((2, 3), 16, "u2").tobytes(), dims=(2, 3)),
        Item("Cube", U8, 0, 200, 1, bytes(24), dims=(2, 3, 4)),
        Item("Table", U32, 0, 0xFFFFFFFF, 1, bytes(16), dims=(4,)),
        Item("Offsets", INTEGER, -9, 9, 1, bytes(12), dims=(3,)),
        Item("Wide", INTEGER64, -9, 9, 1, bytes(16), dims=(2,)),
        Item("Queue", U32, 1, 90, 1, np.array([5], "u4").tobytes(), flags=DYNAMIC, dims=(10,)),
        Item("Cells", AREA, default=np.array([8, 6], "u4").tobytes()),
        Item("Region", RECT, default=np.array([0, 0, 64, 16], "i4").tobytes(), flags=MIN_MAX),
        Item("Light", CLL, default=np.array([1000, 400], "u2").tobytes()),
        Item("Stateless FWHT", FWHT, default=bytes(40)),
        Item("Temperature", INTEGER, -40, 125, 1, 20, flags=READ_ONLY | 0x80),
        Item("Secret", INTEGER, 0, 9, 1, 0, flags=WRITE_ONLY),
        Item("Rotate", INTEGER, 0, 270, 90, 0, flags=MODIFY_LAYOUT),
        Item("Focus", INTEGER, 0, 9, 1, 0, flags=INACTIVE),
        Item("Locked", INTEGER, 0, 9, 1, 0, flags=GRABBED),
        Item("Future", 0x7FF, default=bytes(4)),
        Item("Gone", INTEGER, 0, 1, flags=DISABLED),
    ]
    found = {0x00980001: Item("User Controls", CLASS, flags=READ_ONLY | WRITE_ONLY)}
    return found | {BASE + i: item for i, item in enumerate(items)}


class ControlCamera(FakeCamera):
    """A camera with a zoo of controls.

    Attributes
    ----------
    clamps : bool
        Whether what is out of range is moved into it, as the kernel's framework does for numbers.
    broken : int or None
        Index at which the hardware fails, in a call that sets.
    ancient : bool
        Whether it has neither VIDIOC_QUERY_EXT_CTRL nor the calls for several.
    """

    def __init__(self, kernel, path="/dev/video0", **options):
        super().__init__(kernel, path, **options)
        self.items = zoo()
        self.broken = None
        self.ancient = self.next_known = False
        self.pressed = 0
        self.subscriptions, self.pending, self.numbers = {}, {}, {}  # by open file

    def id_of(self, name):
        return next(id for id, item in self.items.items() if item.name == name)

    def item(self, name):
        return self.items[self.id_of(name)]

    # What there is

    def vidioc_query_ext_ctrl(self, file, query):
        if self.ancient:
            raise Refusal(errno.ENOTTY, "an old driver")
        id, item = self.find(query.id, self.items)
        query.id, query.type, query.name, query.flags = id, item.type, item.name.encode(), item.flags
        query.minimum, query.maximum, query.step = item.minimum, item.maximum, item.step
        query.default_value = item.default if isinstance(item.default, int) else 0
        query.elem_size, query.nr_of_dims = item.elem_size, len(item.dims)
        query.elems = item.size // item.elem_size
        for i, dim in enumerate(item.dims):
            query.dims[i] = dim

    def vidioc_queryctrl(self, file, query):
        if query.id & NEXT_CTRL and self.ancient and not self.next_known:
            raise Refusal(errno.EINVAL, "a very old driver")
        id, item = self.find(query.id, {id: one for id, one in self.items.items() if not one.flags & PAYLOAD})
        query.id, query.type, query.name, query.flags = id, item.type, item.name.encode(), item.flags
        query.minimum, query.maximum, query.step, query.default_value = (
            item.minimum & 0x7FFFFFFF, item.maximum & 0x7FFFFFFF, item.step, item.default & 0x7FFFFFFF
        )  # fmt: skip

    def find(self, wanted, items):
        id = wanted & ~(NEXT_CTRL | NEXT_COMPOUND)
        if wanted & NEXT_CTRL:
            id = next((one for one in sorted(items) if one > id), None)
        if id not in items:
            raise Refusal(errno.EINVAL, "no such control, or the end of the list")
        return id, items[id]

    def vidioc_querymenu(self, file, entry):
        item = self.items.get(entry.id)
        if item is None or item.menu is None or entry.index not in item.menu:
            raise Refusal(errno.EINVAL, "no menu, or no such entry")
        text = item.menu[entry.index]
        raw = text.encode() if isinstance(text, str) else text.to_bytes(8, "little", signed=True)
        entry.name = (structs.U8 * 32)(*raw)

    # Values

    def batch(self, controls):
        if self.ancient:
            raise Refusal(errno.ENOTTY, "an old driver")
        for i in range(controls.count):
            controls.error_idx = i
            control = structs.ExtControl.from_address(controls.controls + i * 20)
            if control.reserved2:
                self.kernel.complain("reserved2 is not zero")
            item = self.items.get(control.id)
            if item is None or item.type == CLASS or item.flags & DISABLED:
                raise Refusal(errno.EINVAL, f"no control {control.id:#x}")
            yield i, control, item

    def vidioc_g_ext_ctrls(self, file, controls):
        try:
            for _, control, item in self.batch(controls):
                if item.flags & WRITE_ONLY:
                    raise Refusal(errno.EACCES, "write-only")
                if item.flags & PAYLOAD and control.size < item.size:
                    control.size = item.size
                    raise Refusal(errno.ENOSPC, "the memory is too small")
                if controls.which in (MINIMUM, MAXIMUM) and not item.flags & MIN_MAX:
                    raise Refusal(errno.EINVAL, "no such value")
        except Refusal:
            controls.error_idx = controls.count
            raise
        for _, control, item in self.batch(controls):
            value = item.default if controls.which == DEF else item.value
            if controls.which in (MINIMUM, MAXIMUM):
                value = np.array([0, 0, 1, 1] if controls.which == MINIMUM else [0, 0, 640, 480], "i4").tobytes()
            self.write(control, item, value)

    def write(self, control, item, value):
        if item.flags & PAYLOAD:
            ctypes.memmove(self.pointer(control), value, len(value))
            if item.type != STRING:
                control.size = len(value)
        else:
            raw = value.to_bytes(8 if item.type == INTEGER64 else 4, "little", signed=value < 0)
            ctypes.memmove(ctypes.addressof(control) + 12, raw, len(raw))

    def read(self, control, item):
        """Give the value that somebody wants, moved into its range, as v4l2_ctrl_type_op_validate() does."""
        if not item.flags & PAYLOAD:
            value = self.pointer(control, signed=True) if item.type == INTEGER64 else control.value
            return self.fit(item, value)
        if not control.size:
            raise Refusal(errno.EFAULT, "no memory")
        raw = ctypes.string_at(self.pointer(control), control.size)
        if item.type == STRING:
            if b"\0" not in raw or not item.minimum <= raw.index(b"\0") <= item.maximum:
                raise Refusal(errno.ERANGE, "length of a text")
            return raw.split(b"\0")[0].ljust(item.maximum + 1, b"\0")
        if item.flags & DYNAMIC:
            if control.size % item.elem_size or control.size > item.elem_size * item.dims[0]:
                raise Refusal(errno.ENOSPC, "too many elements")
        elif control.size != item.size:
            raise Refusal(errno.EINVAL, f"{control.size} bytes for {item.size}")
        if item.type in FORMATS:
            return np.clip(np.frombuffer(raw, FORMATS[item.type]), item.minimum, item.maximum).tobytes()
        return raw

    def fit(self, item, value):
        if item.type in (MENU, INTEGER_MENU):
            if not item.minimum <= value <= item.maximum:
                raise Refusal(errno.ERANGE, "index of a menu")
            if value not in item.menu:
                raise Refusal(errno.EINVAL, "a hole in the menu")
        elif item.type == BITMASK:
            return value & item.maximum & 0xFFFFFFFF
        elif item.type == BOOLEAN:
            return int(bool(value))
        elif item.type in (INTEGER, INTEGER64):
            value = max(item.minimum, min(value, item.maximum))
            return item.minimum + (value - item.minimum + item.step // 2) // item.step * item.step
        return value

    def validate(self, controls, set):
        for _, control, item in self.batch(controls):
            if item.flags & READ_ONLY:
                raise Refusal(errno.EACCES, "read-only")
            if set and item.flags & GRABBED:
                raise Refusal(errno.EBUSY, "grabbed")
            self.read(control, item)

    def vidioc_try_ext_ctrls(self, file, controls):
        self.validate(controls, False)
        for _, control, item in self.batch(controls):
            self.write(control, item, self.read(control, item))

    def vidioc_s_ext_ctrls(self, file, controls):
        try:
            self.validate(controls, True)
        except Refusal:
            controls.error_idx = controls.count
            raise
        for i, control, item in self.batch(controls):
            if i == self.broken:
                raise Refusal(errno.EIO, "the hardware does not answer")
            value = self.read(control, item)
            self.write(control, item, value)
            self.store(control.id, item, value, file)

    def store(self, id, item, value, file=None):
        self.pressed += item.type == BUTTON
        if value != item.value or item.type == BUTTON:
            item.value = value
            self.tell(id, 1, file)

    def vidioc_g_ctrl(self, file, control):
        item = self.simple(control)
        if item.flags & WRITE_ONLY:
            raise Refusal(errno.EACCES, "write-only")
        control.value = item.value

    def vidioc_s_ctrl(self, file, control):
        item = self.simple(control)
        if item.flags & READ_ONLY:
            raise Refusal(errno.EACCES, "read-only")
        if item.flags & GRABBED:
            raise Refusal(errno.EBUSY, "grabbed")
        control.value = self.fit(item, control.value)
        self.store(control.id, item, control.value, file)

    def simple(self, control):
        item = self.items.get(control.id)
        if item is None or item.flags & (PAYLOAD | DISABLED) or item.type in (CLASS, INTEGER64):
            raise Refusal(errno.EINVAL, "no such control here")
        return item

    # Events: one queue for each open file, with room for one event of each control

    def vidioc_subscribe_event(self, file, subscription):
        key = subscription.type, subscription.id
        if subscription.type == EVENT_CTRL and subscription.id not in self.items:
            raise Refusal(errno.EINVAL, "no such control")
        if subscription.type not in (EVENT_CTRL, SOURCE_CHANGE, 2, 4, 6):
            raise Refusal(errno.EINVAL, "no such event")
        mine = self.subscriptions.setdefault(file.identity, {})
        if key not in mine:
            mine[key] = subscription.flags
            if subscription.type == EVENT_CTRL and subscription.flags & SEND_INITIAL:
                self.queue_event(file, EVENT_CTRL, subscription.id, 3)

    def vidioc_unsubscribe_event(self, file, subscription):
        key = subscription.type, subscription.id
        if self.subscriptions.get(file.identity, {}).pop(key, None) is None:
            self.kernel.complain(f"unsubscribed from {key}, and was not subscribed")
        waiting = self.pending.get(file.identity, [])
        waiting[:] = [event for event in waiting if event["key"] != key]
        file.set_urgent(bool(waiting))

    def vidioc_dqevent(self, file, event):
        waiting = self.pending.get(file.identity, [])
        if not waiting:
            assert file.nonblocking
            raise Refusal(errno.ENOENT, "no event")
        one = waiting.pop(0)
        event.type, event.id = one["key"]
        event.sequence, event.pending = one["sequence"], len(waiting)
        ctypes.memmove(ctypes.addressof(event) + 8, one["payload"], len(one["payload"]))
        event.timestamp[0], event.timestamp[1] = 1, one["sequence"]
        file.set_urgent(bool(waiting))

    def tell(self, id, changes, maker=None):
        """Let all who subscribed know that a control changed."""
        for file in self.files:
            flags = self.subscriptions.get(file.identity, {}).get((EVENT_CTRL, id))
            if flags is not None and (file is not maker or flags & ALLOW_FEEDBACK):
                self.queue_event(file, EVENT_CTRL, id, changes)

    def happen(self, type, *words):
        """Let an event happen."""
        with self.kernel.lock:
            for file in self.files:
                if (type, 0) in self.subscriptions.get(file.identity, {}):
                    self.queue_event(file, type, 0, 0, words)

    def queue_event(self, file, type, id, changes, words=()):
        waiting = self.pending.setdefault(file.identity, [])
        sequence = self.numbers[file.identity] = self.numbers.get(file.identity, -1) + 1
        for old in [event for event in waiting if event["key"] == (type, id)]:
            changes |= old["changes"]
            waiting.remove(old)
        payload = np.array(words, "u4").tobytes()
        if type == EVENT_CTRL:
            item = self.items[id]
            value = 0 if item.flags & PAYLOAD else item.value
            default = item.default if isinstance(item.default, int) and item.type != INTEGER64 else 0
            payload = (
                np.array([changes, item.type], "u4").tobytes() + value.to_bytes(8, "little", signed=value < 0)
                + np.array([item.flags], "u4").tobytes()
                + b"".join(int(n & 0xFFFFFFFF).to_bytes(4, "little") for n in
                           (item.minimum, item.maximum, item.step, default))
            )  # fmt: skip
        waiting.append({"key": (type, id), "sequence": sequence, "payload": payload, "changes": changes})
        file.set_urgent(True)

    def closed(self, file):
        super().closed(file)
        for table in (self.subscriptions, self.pending, self.numbers):
            table.pop(file.identity, None)
