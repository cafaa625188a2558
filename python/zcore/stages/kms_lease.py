"""Lend parts of a card to another program (DRM leases)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from zcore._drm import Card
from zcore._fd import Fd
from zcore._kms_lease import create_lease, lease_objects, lessees, revoke_lease


class Lease:
    """Objects of a card that are lent to whoever has the descriptor.

    How am I supposed to use this? ``with Display("vkms") as owner, owner.lease() as lease:``, and give ``lease.fd`` to
    another program, or to a ``Display(fd=lease.fd)``. It is the DRM master of these objects and sees no others. Closing
    the lease revokes it: what its holder commits from then on is refused.

    Parameters
    ----------
    card : Card
        DRM master.
    objects : sequence of int
        Ids of connectors, CRTCs and planes, at least one of each.

    Attributes
    ----------
    fd : int
        The descriptor, until the lease is closed.
    id : int
        Number of the lessee.
    """

    def __init__(self, card: Card, objects: Sequence[int]):
        self._card = card
        number, self.id = create_lease(card, tuple(objects))
        self._fd = Fd.adopt(number, f"lease {self.id} of {card.path}")
        self._revoked = False

    @property
    def fd(self) -> int:
        """Descriptor of the lease."""
        return self._fd.fileno()

    @property
    def objects(self) -> tuple[int, ...]:
        """What is lent, as the kernel tells the holder."""
        return tuple(lease_objects(self._fd.fileno(), self._card.path))

    @property
    def active(self) -> bool:
        """Whether the kernel still counts it among the card's leases: it has not been revoked, and its file is open."""
        return not self._card.fd.closed and self.id in lessees(self._card)

    def revoke(self) -> None:
        """Take everything back at once; the descriptor stays open, and can do nothing any more."""
        if not self._revoked and not self._card.fd.closed:
            revoke_lease(self._card, self.id)
        self._revoked = True

    def close(self) -> None:
        """Take everything back and close the descriptor; a second call does nothing."""
        self.revoke()
        self._fd.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Lease {self.id} of {self._card.path}{' revoked' if self._revoked else ''}>"
