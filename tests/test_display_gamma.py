"""Gamma tables of displays whose drivers have no atomic commits, over the fake kernel."""

import numpy as np
import pytest

import zcore
from fakekernel.drm import CRTC
from fakekernel.drm_gamma import FakeGammaCard
from zcore._drm import Card
from zcore._kms_legacy import gamma_size, get_gamma, set_gamma

CARD = "/dev/dri/card0"


def show(**options):
    return zcore.Chain(zcore.TestSource("XR24", (64, 16)), zcore.Display(CARD, **options))


@pytest.mark.proves("DRM_IOCTL_MODE_SETGAMMA", "DRM_IOCTL_MODE_GETGAMMA", "drm-kms:legacy", "drm-kms:colour")
def test_table_is_set_and_put_back(fake_kernel):
    card = FakeGammaCard(fake_kernel, auto=True)
    with show(gamma=np.linspace(1, 0, 8)) as chain:
        chain.run(frames=3)
        assert card.gamma == [card.straight[::-1]] * 3
    assert card.gamma == [card.straight] * 3


def test_each_channel_has_its_table(fake_kernel):
    card = FakeGammaCard(fake_kernel, auto=True)
    table = np.arange(24, dtype="u2").reshape(8, 3)
    with show(gamma=table) as chain:
        chain.run(frames=1)
        assert card.gamma == table.T.tolist()


def test_whoever_asks_for_nothing_sets_nothing(fake_kernel):
    FakeGammaCard(fake_kernel, auto=True)
    show().run(frames=2)
    assert fake_kernel.count("DRM_IOCTL_MODE_SETGAMMA") == 0


@pytest.mark.parametrize(
    ("entries", "options", "told"),
    [
        (0, {"gamma": np.zeros(8)}, "has no gamma table; leave gamma out"),
        (8, {"gamma": np.zeros(256)}, "gamma has 8 entries here"),
        (8, {"degamma": np.zeros(8)}, "has no DEGAMMA_LUT"),
    ],
)
def test_tables_that_cannot_be(fake_kernel, entries, options, told):
    FakeGammaCard(fake_kernel, auto=True, entries=entries)
    with pytest.raises(zcore.ChainError, match=told):
        show(**options).run(frames=1)


def test_calls(fake_kernel):
    FakeGammaCard(fake_kernel)
    card = Card(CARD, atomic=False)
    assert gamma_size(card, CRTC) == 8
    set_gamma(card, CRTC, bytes(range(48)))
    assert get_gamma(card, CRTC, 8) == bytes(range(48))
    with pytest.raises(zcore.DeviceError, match=r"DRM_IOCTL_MODE_GETGAMMA.*EINVAL"):
        get_gamma(card, CRTC, 7)
    with pytest.raises(zcore.DeviceError, match=r"DRM_IOCTL_MODE_SETGAMMA.*EINVAL"):
        set_gamma(card, CRTC, b"")
    card.close()
