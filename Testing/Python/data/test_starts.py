"""A bad end of `auto` is noticed: other starts are tried, the best is kept, and it is said."""

import numpy as np
import pytest
from builders import blob_volume, make_grid
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.errors import RegistrationCancelled
from ISTNRegistrationLib.core.locate import quarter_turns
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data import starts
from ISTNRegistrationLib.data.run import Request, Side, run
from networks import model


@pytest.fixture(scope="module")
def checkpoint():
    """A model that registers the images themselves: its maps mean something without training."""
    net = model(3, method="stn-u", size=(28, 24, 26))
    return Checkpoint(net, net.config, {}, "test", "0" * 64)


@pytest.fixture(autouse=True)
def demanding(monkeypatch):
    """Six blobs overlap by more than half at many wrong angles."""
    monkeypatch.setattr(starts, "LOW_AGREEMENT", 0.85)


def turned(degrees90):
    """Fixed, and the same carried by the last quarter turn (or not at all) and a shift."""
    blobs = blob_volume(make_grid(3, size=(30, 28, 26)), seed=2)
    fixed, matrix = Volume(blobs.array / blobs.array.max(), blobs.grid, "fixed"), np.eye(4)
    matrix[:3, :3] = quarter_turns(3)[-1] if degrees90 else np.eye(3)
    matrix[:3, 3] = 90.0, -40.0, 25.0
    return fixed, Volume(fixed.array, fixed.grid.moved(matrix), "moving")


def registered(checkpoint, sides, on_progress=None, **options):
    return run(
        Request(Side(sides[0]), Side(sides[1]), checkpoint, RegisterOptions(iterations=30, **options)), on_progress
    )


def test_where_auto_ends_badly_another_start_is_used_and_agrees_better(checkpoint):
    sides = turned(True)
    outcome = registered(checkpoint, sides)
    assert "'auto' ended badly" in outcome.notes[0] and "was better and was used" in outcome.notes[0]
    alone = registered(checkpoint, sides, initial="center")
    assert outcome.kept.agreement > alone.kept.agreement + 0.05
    assert not any("ended badly" in note for note in alone.notes)  # a start that was chosen is not second-guessed


def test_other_starts_are_tried_where_landmarks_pull_too(checkpoint):
    fixed, moving = turned(True)
    points = fixed.grid.center + np.array([[4.0, 1.0, -2.0], [-3.0, 5.0, 2.0]])
    there = moving.grid.index_to_physical(fixed.grid.physical_to_index(points))
    options = RegisterOptions(iterations=30, landmark_weight=1.0)
    outcome = run(Request(Side(fixed, landmarks=points), Side(moving, landmarks=there), checkpoint, options))
    assert "was better and was used" in outcome.notes[0]


def test_a_good_end_tries_nothing(checkpoint):
    seen = []
    outcome = registered(checkpoint, turned(False), lambda progress: seen.append(progress.stage))
    assert set(seen) == {"affine refined"} and not any("ended badly" in note for note in outcome.notes)


def test_the_trials_can_be_cancelled(checkpoint):
    stages = []

    def cancel(progress):
        stages.append(progress.iteration)
        if stages.count(0) > 1:
            raise RegistrationCancelled

    with pytest.raises(RegistrationCancelled):
        registered(checkpoint, turned(True), cancel)
