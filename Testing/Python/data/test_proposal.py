"""What is proposed for a study whose structures, and whose faults, are known."""

import builders
import messy
import numpy as np
import pytest
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.discover import Found
from ISTNRegistrationLib.data.images import write_image
from ISTNRegistrationLib.data.proposal import Wishes, propose, subjects_csv
from ISTNRegistrationLib.data.proposal_text import findings
from ISTNRegistrationLib.data.study_channels import MIRROR_IMAGE, _mirror_dice, _rotation
from ISTNRegistrationLib.data.survey import look, survey

ALL = (messy.LEFT, messy.RIGHT, messy.BELOW)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return survey(messy.write_messy(tmp_path_factory.mktemp("clean")))


def test_left_and_right_are_found_by_place_and_shape_and_named_by_lps(clean):
    channels = propose(clean).chosen.channels
    assert [(c.name, c.labels) for c in channels] == [
        (f"left {messy.LEFT}-{messy.RIGHT}", (messy.LEFT,)), (f"label {messy.BELOW}", (messy.BELOW,)),
        (f"right {messy.LEFT}-{messy.RIGHT}", (messy.RIGHT,)),
    ]  # fmt: skip
    assert propose(clean).numbers["augment.mirror"] is True


def test_names_come_from_the_data_sets_own_file(tmp_path):
    (tmp_path / "dataset.json").write_text(
        '{"labels": {"background": 0, "Left-Nucleus": 10, "Right-Nucleus": 49, "stem": 16}}'
    )
    names = [c.name for c in propose(survey(messy.write_messy(tmp_path))).chosen.channels]
    assert names == ["left Nucleus", "stem", "right Nucleus"]


def test_the_grid_lies_on_the_structures_and_holds_them(clean):
    proposal = propose(clean)
    view = proposal.view
    for scan in proposal.chosen.scans:
        middle = scan.anchors[view.anchor] + view.offset
        for structure in scan.structures.values():
            assert (structure.low > middle - view.extent / 2).all() and (
                structure.high < middle + view.extent / 2
            ).all()
    assert view.anchor == "center_of_mass" and not view.cut  # it moves with the structures, the image does not
    assert (view.extent <= (46, 34, 36)).all()


def test_the_middle_of_the_image_is_the_anchor_where_the_center_of_mass_says_nothing(tmp_path):
    view = propose(survey(messy.write_messy(tmp_path, odd={k: {"glare": True} for k in range(8)}))).view
    assert view.anchor == "center"
    box = [(-13, 13), (3 - 2 - 6, 3 + 4 + 4), (2 - 8 - 3, 2 + 3 + 5)]  # low and high, see messy
    assert view.offset == pytest.approx(np.mean(box, axis=1), abs=0.6)


def test_a_shorter_time_makes_the_grid_coarser_and_the_training_shorter(clean):
    long, short = propose(clean, Wishes(minutes=60)), propose(clean, Wishes(minutes=1))
    assert long.view.spacing == 1.0 and short.view.spacing > 1.5
    assert (
        np.prod(short.view.size) * short.numbers["training.steps"]
        < 0.2 * np.prod(long.view.size) * long.numbers["training.steps"]
    )


def test_wishes_are_kept(clean):
    wishes = Wishes(spacing=2.0, channels=(Channel("both", (messy.LEFT, messy.RIGHT)),), control_spacing=9.0, steps=70)
    proposal = propose(clean, wishes)
    assert proposal.view.spacing == 2.0 and proposal.chosen.channels == wishes.channels
    assert (proposal.numbers["bspline.spacing_mm"], proposal.numbers["training.steps"]) == (9.0, 70)


def test_who_lacks_a_label_is_turned_or_does_not_fit_stays_out_and_is_named(tmp_path):
    odd = {0: {"labels": ALL[:2]}, 1: {"stray": 6}, 2: {"turned": True}, 3: {"moved": 3.0}, 4: {"oblique": 25.0}}
    proposal = propose(survey(messy.write_messy(tmp_path, odd=odd)))
    out = {scan.found.image.name: why for scan, why in proposal.chosen.left_out}
    assert out["Anna T1.nii.gz"] == f"lacks label {messy.BELOW}" and out["CARL-mri.nii.gz"].startswith(
        "turned: its structures lie 90"
    )
    problems = {scan.name: scan.problem for scan in proposal.survey.scans if scan.problem}
    assert list(problems) == ["p04.nii.gz"] and "3.0 mm apart" in problems["p04.nii.gz"]
    told = findings(proposal)
    assert f"stray value {messy.STRAY}: 6 voxels in 1 of 7 scans (ben_t1_2021-03-04.nii.gz)" in told
    assert "P 05 t1w.nii.gz: its axes are oblique: turned by 2" in told
    listed = subjects_csv(proposal, tmp_path)
    assert all(name not in listed for name in ("Anna", "CARL", "p04.nii")) and "P 05 t1w.nii.gz" in listed


def test_two_structures_that_are_not_mirror_images_are_not_taken_for_left_and_right(tmp_path, monkeypatch):
    monkeypatch.setitem(messy.RADII, messy.RIGHT, (8.0, 3.0, 5.0))  # as large, another shape
    names = [c.name for c in propose(survey(messy.write_messy(tmp_path))).chosen.channels]
    assert names == ["label 10", "label 16", "label 49"]


def test_people_of_the_judgement_have_no_part_in_the_choice(tmp_path):
    study = survey(messy.write_messy(tmp_path, odd={0: {"labels": ALL[:2]}}))
    proposal = propose(study, Wishes(hold_out=2))
    splits = list(proposal.splits.values())
    assert {s: splits.count(s) for s in set(splits)} == {"train": 3, "val": 2, "test": 2}
    assert not {s.found.person for s in proposal.scans("test")} & {s.found.person for s in proposal.chosen.scans}


def test_too_few_people_are_refused(tmp_path):
    with pytest.raises(InputError, match="too few people.*4 or more; got 3"):
        propose(survey(messy.write_messy(tmp_path, count=3)))


def test_a_flat_picture_works_too(tmp_path):
    proposal = propose(
        survey(messy.write_messy(tmp_path, ndim=2, ending=".nrrd", odd={k: {"labels": ALL[:2]} for k in range(8)}))
    )
    assert len(proposal.view.size) == 2 and len(proposal.chosen.channels) == 2


def test_a_file_that_is_no_label_map_is_a_problem_not_an_error(tmp_path):
    image, _ = messy.scan(0)
    messy.write_image(tmp_path / "a.nii.gz", image)
    looked = look(Found(tmp_path / "a.nii.gz", tmp_path / "a.nii.gz"))
    assert "not a label map" in looked.problem
    with pytest.raises(InputError, match="no scan can be used"):
        messy.write_image(tmp_path / "a_seg.nii.gz", image)
        survey(tmp_path)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("across", "alike"), [("x", True), ("y", False), ("z", False), ("", False)])
def test_the_other_side_is_the_image_in_a_mirror_between_left_and_right(tmp_path, across, alike, turned):
    """Left and right of the patient, whichever voxel axis that is; what is only moved is no other side."""
    z, y, x = np.indices((9, 9, 9))
    body = (x + 2 * y < 14) & (z + y > 3) & (x + 3 * z > 4)  # no symmetry
    array = np.zeros((22, 24, 34), np.uint8)
    array[3:12, 4:13, 3:12][body] = 1
    array[7:16, 8:17, 21:30][np.flip(body, "zyx".index(across)) if across else body] = 2
    axes = np.eye(3)
    if turned:  # the first voxel axis runs to the back
        array, axes = np.ascontiguousarray(array.transpose(0, 2, 1)), axes[:, [1, 0, 2]]
    grid = Grid.centered((40.0, -9.0, 3.0), array.shape[::-1], (1.0, 1.0, 1.0), axes)
    write_image(tmp_path / "labels.nii.gz", Volume(array, grid, "labels"))
    dice = _mirror_dice(Found(tmp_path, tmp_path / "labels.nii.gz"), 1, 2)
    assert dice > 0.95 if alike else dice < MIRROR_IMAGE + 0.2


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_turn_between_two_sets_of_places(ndim):
    places = np.array([[9.0, 1.0, 2.0], [-7.0, 3.0, -1.0], [1.0, -8.0, 4.0], [2.0, 3.0, -9.0]])[:, :ndim]
    places -= places.mean(axis=0)
    turn = builders.rotation(2, 70.0) if ndim == 2 else np.diag([1.0, 1.0, 1.0])
    if ndim == 3:
        turn[:2, :2] = builders.rotation(2, 70.0)
    assert _rotation(places, places @ turn.T) == (pytest.approx(70.0), False)
    assert _rotation(places, places * [-1.0, 1.0, 1.0][:ndim])[1]
    line = np.outer([-2.0, -1.0, 1.0, 2.0], np.eye(ndim)[0])
    assert _rotation(line, line @ turn.T) == (pytest.approx(70.0), False)
    assert _rotation(line, -line) == (pytest.approx(180.0, abs=0.01), False)
