from types import SimpleNamespace

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import harness.panel  # noqa: E402, F401
from ISTNRegistrationLib.app.weighting import ownShare  # noqa: E402


@pytest.mark.parametrize(
    ("transform", "weight", "share"),
    [("dense", 3.0, 0.75), ("dense", 0.25, 0.2), ("dense", 0.0, 0.0), ("bspline", 3.0, 0.0)],
)
def test_the_slider_stands_where_the_checkpoint_has_it(transform, weight, share):
    config = SimpleNamespace(dense=SimpleNamespace(image_weight=weight))
    request = SimpleNamespace(options=SimpleNamespace(transform=transform))
    assert ownShare(SimpleNamespace(checkpoint=SimpleNamespace(config=config), request=request)) == pytest.approx(share)
