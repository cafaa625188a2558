from typing import NamedTuple

from zcore._drm import Card

class PropertyInfo(NamedTuple):
    name: str
    kind: str
    immutable: bool
    minimum: int
    maximum: int
    values: dict[str, int]

def describe_property(card: Card, id: int) -> PropertyInfo: ...
def set_property(card: Card, id: int, type: int, property_id: int, value: int) -> None: ...
