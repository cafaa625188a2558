"""``python -m tests.conformance``: write docs/conformance.md and docs/traps.md anew."""

from .page import write

write()
