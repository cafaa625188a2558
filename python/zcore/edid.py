"""Read EDID, what a monitor tells of itself (VESA E-EDID 1.4, the first block of 128 bytes)."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = b"\x00\xff\xff\xff\xff\xff\xff\x00"
NAME, SERIAL = 0xFC, 0xFF


@dataclass(frozen=True)
class Edid:
    """What a monitor tells of itself.

    Attributes
    ----------
    maker : str
        Three letters, such as ``DEL``.
    product : int
        The maker's number of the model.
    name : str
        The model's name; empty where it is not told.
    serial : str
        Serial number; empty where it is not told.
    year : int
        Of manufacture, or of the model.
    size_mm : (int, int)
        Of the picture, rounded to centimetres; zeros for projectors.
    version : str
        Of EDID, such as ``1.4``.
    extensions : int
        Blocks that follow the first.
    """

    maker: str
    product: int
    name: str
    serial: str
    year: int
    size_mm: tuple[int, int]
    version: str
    extensions: int

    @property
    def names(self) -> set[str]:
        """What the monitor may be called, in small letters: its name, with the maker, with its serial number."""
        found = {self.name, f"{self.maker} {self.name}", f"{self.name} {self.serial}", self.serial}
        return {" ".join(name.lower().split()) for name in found if self.name in name and name.strip()} - {""}

    def __str__(self) -> str:
        return f"{self.maker} {self.name or f'{self.product:#06x}'}".strip()


def parse_edid(content: bytes) -> Edid | None:
    """Read the first block; ``None`` where it is none, or its checksum is wrong."""
    block = content[:128]
    if len(block) < 128 or block[:8] != HEADER or sum(block) & 0xFF:
        return None
    letters = int.from_bytes(block[8:10], "big")
    maker = "".join(chr(ord("@") + (letters >> shift & 31)) for shift in (10, 5, 0))
    texts: dict[int, str] = {}
    for at in (54, 72, 90, 108):
        if block[at : at + 3] == b"\0\0\0":  # a descriptor, not a timing
            texts.setdefault(block[at + 3], block[at + 5 : at + 18].split(b"\n")[0].decode("ascii", "replace").strip())
    number = int.from_bytes(block[12:16], "little")
    return Edid(
        maker,
        int.from_bytes(block[10:12], "little"),
        texts.get(NAME, ""),
        texts.get(SERIAL) or (str(number) if number else ""),
        1990 + block[17],
        (block[21] * 10, block[22] * 10),
        f"{block[18]}.{block[19]}",
        block[126],
    )
