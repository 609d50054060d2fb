"""Where the networks look: upright images cost one look, turned, shifted and halved ones are found, and it is said."""

import numpy as np
import pytest
from constellations import LARGE, Oracle, known, picture, stars
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid, apply_matrix
from ISTNRegistrationLib.core.locate import locate, quarter_turns
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.volume import Volume


def test_quarter_turns_are_all_rotations_of_axes():
    for ndim, count in ((2, 4), (3, 24)):
        turns = quarter_turns(ndim)
        assert len({tuple(turn.ravel()) for turn in turns}) == count
        assert all(np.linalg.det(turn) == pytest.approx(1) for turn in turns)
        assert np.array_equal(turns[0], np.eye(ndim)) and np.trace(turns[-1]) == pytest.approx(-1 if ndim == 3 else -2)


def error(found, matrix, ndim):
    """Largest distance between where the view puts the structures and where they are, mm."""
    return np.linalg.norm(apply_matrix(matrix, LARGE[ndim]) - apply_matrix(found.view, LARGE[ndim]), axis=1).max()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("degrees", [30, 90])
@pytest.mark.parametrize("upright_only", [False, True])
def test_a_turned_and_shifted_image_is_found(ndim, degrees, upright_only):
    """A network that knows upright heads alone looks along other axes by itself."""
    matrix = known(ndim, 5, degrees)
    if upright_only and degrees == 90:
        matrix[:-1, :-1] = quarter_turns(ndim)[-1]
    found = locate(Prepared(picture(ndim, matrix)), Oracle(ndim, upright_only), stars(ndim, LARGE[ndim]))
    assert error(found, matrix, ndim) < 15.0 and found.settled and found.looks > 1
    assert "looked for" in found.notes("moving")[0]
    assert any("turned by" in text for text in found.doubts("moving")) == (degrees == 90)


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_upright_image_costs_the_one_look_from_its_anchor_and_its_offset(ndim):
    """The structures lie off the center of mass by the grid's offset: a wrong sign would be 60 mm away."""
    volume, offset = picture(ndim, known(ndim, 5, 0)), (9.0, -14.0, 22.0)[:ndim]
    image, canonical = Prepared(volume), LARGE[ndim] - offset
    image.__dict__["center_of_mass"] = known(ndim, 5, 0)[:-1, -1]
    net = Oracle(ndim, False, offset)
    net.points = canonical
    found = locate(image, net, stars(ndim, canonical))
    assert net.looks == found.looks == 1 and found.settled and found.moved_mm < 3
    np.testing.assert_allclose(found.view[:-1, -1], image.center_of_mass + offset)
    assert found.notes("fixed") == found.doubts("fixed") == ()


def test_without_a_constellation_there_is_one_look_and_nothing_is_said():
    net = Oracle(3, False)
    found = locate(Prepared(picture(3, known(3, 5, 90))), net, None)
    assert net.looks == 1 and found.notes("fixed") == found.doubts("fixed") == () and not found.settled


def test_half_a_head_is_found_and_what_is_missing_is_said():
    matrix = known(3, 5, 15)
    found = locate(Prepared(picture(3, matrix, half=-12.0)), Oracle(3, False), stars(3, LARGE[3]))
    assert np.linalg.norm(apply_matrix(found.fit.matrix, LARGE[3]) - apply_matrix(matrix, LARGE[3]), axis=1).max() < 8
    assert 0.3 < found.score < 0.8 and "only in part" in found.doubts("moving")[0]


def test_the_search_tells_how_far_it_is_and_ends_when_told_to():
    image, told = Prepared(picture(3, known(3, 5, 15), half=-12.0)), []
    found = locate(image, Oracle(3, False), stars(3, LARGE[3]), lambda *said: told.append(said) or len(told) < 3)
    assert len(told) == 3 and told[0][0] < told[1][0] < told[2][0] and found.looks == told[2][0]


def test_an_image_without_structures_is_an_error():
    empty = Volume(np.zeros((20, 20, 20), np.float32), Grid.centered((0.0,) * 3, (20,) * 3, (4.0,) * 3), "bench")
    with pytest.raises(InputError, match="Image 'bench': nothing of it lies where the networks look"):
        locate(Prepared(empty), Oracle(3, False), stars(3, LARGE[3]))
