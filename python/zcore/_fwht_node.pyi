from typing import final

from zcore._stateless_nodes import StatelessNode

@final
class FwhtNode(StatelessNode):
    @property
    def damaged_headers(self) -> int: ...
    @property
    def without_reference(self) -> int: ...
