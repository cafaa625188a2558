from typing import final

@final
class Pace:
    def __init__(self, name: str, fd: int = -1, offset_ns: int = 0) -> None: ...
