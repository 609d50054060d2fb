import pytest
import torch
from ISTNRegistrationLib.core.itn import build_itn
from ISTNRegistrationLib.core.stn import PublishedAffineSTN, PublishedBSplineSTN
from networks import blobs, config, model


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("preset", ["default", "published"])
@pytest.mark.parametrize("channels", [1, 3])
def test_itn_keeps_the_size_and_gives_the_channels(ndim, preset, channels):
    size = (24, 20, 28)[:ndim]
    image = torch.rand(2, 1, *size[::-1])
    assert build_itn(config(ndim, preset, channels=channels))(image).shape == (2, channels, *size[::-1])


@pytest.mark.parametrize("ndim", [2, 3])
def test_default_itn_takes_odd_sizes(ndim):
    image = torch.rand(1, 1, *(13, 15, 11)[:ndim])
    assert build_itn(config(ndim))(image).shape == (1, 2, *(13, 15, 11)[:ndim])


def test_itn_is_shared_and_treats_each_image_by_itself():
    net = model()
    images = torch.rand(2, 1, *net.grid.shape)
    together = net.maps(images)
    assert torch.allclose(together[:1], net.maps(images[:1]), atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("preset", ["default", "published"])
@pytest.mark.parametrize("transforms", [("affine", "bspline"), ("rigid",)])
def test_every_head_starts_at_the_identity(ndim, preset, transforms):
    net = model(ndim, preset=preset, transforms=transforms, size=(64, 60, 48)[:ndim])
    moving, fixed = blobs(net, 3.0), blobs(net)
    for name in transforms:
        theta = net.theta(name, moving, fixed)
        assert torch.equal(theta, torch.zeros_like(theta))
        parts = (torch.eye(ndim + 1)[None], net.coefficients(theta)) if name == "bspline" else (net.linear(theta), None)
        error = (net.positions(*parts) - net.positions(torch.eye(ndim + 1)[None])).abs().max()
        assert error < 1e-6


PUBLISHED_ITN = {  # pymira/nets/itn.py at 6bbf6eb, 3-D, one channel
    "conv11": (2, 1, 3, 3, 3),
    "conv12": (4, 2, 3, 3, 3),
    "down1": (8, 4, 2, 2, 2),
    "conv21": (8, 8, 3, 3, 3),
    "down2": (16, 8, 2, 2, 2),
    "conv31": (16, 16, 3, 3, 3),
    "up2": (16, 8, 2, 2, 2),
    "conv22": (8, 8, 3, 3, 3),
    "up1": (8, 4, 2, 2, 2),
    "conv13": (2, 4, 3, 3, 3),
    "conv14": (2, 2, 3, 3, 3),
    "conv15": (1, 2, 3, 3, 3),
}


def test_published_itn_has_the_published_state_dict():
    weights = build_itn(config(3, "published", channels=1)).state_dict()
    assert {k.removesuffix(".weight"): tuple(v.shape) for k, v in weights.items() if "weight" in k} == PUBLISHED_ITN
    assert {k for k in weights if "bias" in k} == {f"{name}.bias" for name in PUBLISHED_ITN}


def test_published_stns_have_the_published_state_dicts():
    """Shapes of pymira/nets/stn.py at 6bbf6eb for a 64³ grid, two input channels, control points every 10 voxels."""
    affine = {k: tuple(v.shape) for k, v in PublishedAffineSTN(2, (64, 64, 64), rigid=False).state_dict().items()}
    assert affine["conv1.weight"] == (8, 2, 5, 5, 5) and affine["conv3.weight"] == (32, 16, 5, 5, 5)
    assert affine["fc.weight"] == (32, 32 * 4**3)
    heads = {name: affine[f"{name}.weight"] for name in ("translation", "rotation", "scaling", "shearing")}
    assert set(heads.values()) == {(3, 32)} and len(affine) == 16
    free = (9, 9, 9)  # ceil(64 / 10) + 2
    bspline = {k: tuple(v.shape) for k, v in PublishedBSplineSTN(2, (64, 64, 64), free).state_dict().items()}
    assert bspline["fc.weight"] == (3 * 9**3, 32 * 4**3) and len(bspline) == 8


def test_lattice_of_the_published_spacing_has_the_published_number_of_control_points():
    from ISTNRegistrationLib.core.bspline import free_shape, lattice_for
    from ISTNRegistrationLib.core.grid import Grid

    assert free_shape(lattice_for(Grid.centered((0, 0, 0), (64, 48, 64), (3.0,) * 3), 30.0)) == (9, 7, 9)
