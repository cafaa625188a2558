from typing import final

@final
class Alarm:
    def __init__(self, fd: int, name: str) -> None: ...
