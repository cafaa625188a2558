from typing import final

@final
class Watch:
    def __init__(self, name: str) -> None: ...
