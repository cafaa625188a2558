"""What the kernel's visl got: the controls of each picture, as its trace events print them."""

import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/kernel/tracing")
_event = re.compile(r"^.*?\s[\d.]+: (v4l2_\w+): ?(.*)$")


class Recorded(list):
    """Events as ``(name, {field: text})``."""

    def of(self, name):
        """Fields of the events of a name."""
        return [fields for event, fields in self if event == name]


@contextmanager
def recorded(codec):
    """Record what visl gets while the block runs."""
    if not (ROOT / "trace").exists():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", str(ROOT)], check=True)
    switch = ROOT / f"events/visl_{codec}_controls/enable"
    (ROOT / "buffer_size_kb").write_text("16384")
    (ROOT / "trace").write_text("")
    switch.write_text("1")
    found = Recorded()
    try:
        yield found
    finally:
        switch.write_text("0")
        found.extend(parse((ROOT / "trace").read_text()))
        (ROOT / "trace").write_text("")


def parse(text):
    """Read a trace; a field is a word, and what follows it up to the end of its line, or of its bytes in braces."""
    events, dump = [], ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        begins = _event.match(line)
        if begins:
            events.append((begins[1], {}))
            line = begins[2]
            dump = ""
        if not events or not line.strip():
            continue
        fields = events[-1][1]
        if dump:
            fields[dump] += f" {line.strip()}"
            dump = "" if "}" in line else dump
            continue
        if line.startswith("["):
            fields["index"] = line[1 : line.index("]")]
            words = line[line.index(":") + 1 :].replace(",", "").split()
            fields.update(zip(words[::2], words[1::2], strict=False))
            continue
        key, _, value = line.strip().replace(":{", ": {", 1).partition(" ")
        fields[key.rstrip(":")] = value.strip()
        dump = key if value.strip() == "{" else ""
    return events


def dumped(text):
    """Read ``{ 00 ff }``, as the kernel prints bytes."""
    return bytes.fromhex(text.strip("{}"))


def numbers(text):
    """Read ``{0x1,0x2}``, as the kernel prints arrays."""
    return [int(word, 0) for word in re.findall(r"0x[0-9a-f]+|\d+", text)]
