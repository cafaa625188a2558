"""Real leases of vkms: made, shown on, listed, revoked."""

import threading
import warnings

import pytest

import zcore

SIZE = (640, 480)


@pytest.mark.proves(
    "DRM_IOCTL_MODE_CREATE_LEASE", "DRM_IOCTL_MODE_GET_LEASE", "DRM_IOCTL_MODE_LIST_LESSEES",
    "DRM_IOCTL_MODE_REVOKE_LEASE", "drm-kms:lease",
)  # fmt: skip
def test_chain_on_a_lease(vivid, vkms):
    with zcore.Display(vkms) as owner, owner.lease() as lease:
        assert len(lease.objects) == 3
        assert lease.active
        display = zcore.Display(fd=lease.fd, mode=SIZE)
        with zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), display) as chain:
            assert chain.run(frames=5, require_zero_copy=True).frames == 5
            assert display.scanout.plane in lease.objects
    assert "revoked" in repr(lease)


@pytest.mark.proves("DRM_IOCTL_MODE_REVOKE_LEASE", "T75")
def test_revoked_while_it_shows(vivid, vkms):
    with zcore.Display(vkms) as owner, owner.lease() as lease:
        display = zcore.Display(fd=lease.fd, mode=SIZE)
        chain = zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), display)
        chain.start(frames=10**6)
        while chain.frames_done < 3:
            threading.Event().wait(0.01)
        lease.revoke()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what was there before cannot be put back by this one any more
            with pytest.raises(zcore.DeviceError) as caught:
                chain.wait(60)
            chain.close()
        assert not lease.active
        assert "DRM_IOCTL_MODE_ATOMIC" in str(caught.value)
        caught.value.__traceback__ = None
        lease.revoke()


def test_objects_that_cannot_be_lent(vkms):
    with zcore.Display(vkms) as owner:
        with pytest.raises(zcore.DeviceError, match="DRM_IOCTL_MODE_CREATE_LEASE"):
            owner.lease(999999)
        route = owner.lease()
        with pytest.raises(zcore.DeviceError, match="EBUSY"):
            owner.lease(*route.objects)
        route.close()
        route.close()
