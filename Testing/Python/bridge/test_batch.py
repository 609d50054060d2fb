"""Many pairs of the scene, and files as the panel runs them."""

import numpy as np
import pytest
import slicer
from builders import affine_matrix
from harness.requests import asked, register
from harness.scene import node_ids
from ISTNRegistrationLib.bridge.batch import fileBatch, registerPairs
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.transforms import linearTransformNode
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled

QUICK = {"iterations": 2, "device": "cpu"}
TRANSFORM_ONLY = OutputOptions(volume=False, heatmaps=False)


def requests(pairs, checkpoint):
    return [asked(pair, checkpoint, QUICK) for pair in pairs]


def batch_of(files, checkpoint, options=QUICK):
    return fileBatch(files / "pairs.csv", files / "out", asked((None, None), checkpoint, options))


@pytest.fixture
def constant(scene, pair):
    """A volume that cannot be registered."""
    volume = volumeFromNode(pair[1])
    volume.array[:] = 1.0
    return nodeFromVolume(scene, volume, "constant")


def test_pairs_of_the_scene_get_what_each_alone_gets(scene, pair, checkpoint):
    alone = register(scene, pair, checkpoint, QUICK, TRANSFORM_ONLY)
    found = registerPairs(scene, requests([pair, pair[::-1]], checkpoint), TRANSFORM_ONLY)
    matrices = [slicer.util.arrayFromTransformMatrix(r.nodes.transform) for r in found]
    np.testing.assert_array_equal(matrices[0], slicer.util.arrayFromTransformMatrix(alone.transform))
    assert not np.allclose(matrices[0], matrices[1])


def test_a_pair_that_fails_is_listed_and_leaves_no_node(scene, pair, constant, checkpoint):
    before = node_ids(scene)
    found = registerPairs(scene, requests([(pair[0], constant), pair], checkpoint), TRANSFORM_ONLY)
    assert found[0].nodes is None and "constant" in found[0].message
    assert set(node_ids(scene)) - set(before) == {found[1].nodes.transform.GetID()}


def test_on_row_can_end_the_batch(scene, pair, checkpoint):
    seen = []
    pairs = requests([pair, pair], checkpoint)
    found = registerPairs(scene, pairs, TRANSFORM_ONLY, lambda number, row: seen.append(number) or False)
    assert seen == [0] and len(found) == 1


def test_one_output_node_for_many_pairs_is_refused_and_kept(scene, pair, checkpoint):
    chosen = linearTransformNode(scene, affine_matrix(3), "chosen")
    before = slicer.util.arrayFromTransformMatrix(chosen)
    with pytest.raises(InputError, match="'chosen'"):
        registerPairs(scene, requests([pair], checkpoint), OutputOptions(transformNode=chosen))
    np.testing.assert_array_equal(slicer.util.arrayFromTransformMatrix(chosen), before)


@pytest.fixture
def files(tmp_path):
    from command import subject

    for number, name in enumerate("ab"):
        subject(tmp_path, name, 3, 3.0 * number)
    (tmp_path / "pairs.csv").write_text("fixed,moving\na.nii.gz,none.nii.gz\na.nii.gz,b.nii.gz\n")
    return tmp_path


def test_files_are_registered_row_by_row_without_a_scene(scene, files, checkpoint):
    before = node_ids(scene)
    with batch_of(files, checkpoint) as batch:
        assert batch.todo() == [0, 1]
        assert [batch.register(index).state for index in batch.todo()] == ["failed", "done"]
    assert batch_of(files, checkpoint).todo() == [0]
    assert node_ids(scene) == before


def test_a_cancelled_file_pair_stays_as_it_was(scene, files, checkpoint):
    def cancel(progress):
        raise RegistrationCancelled("enough")

    with pytest.raises(RegistrationCancelled), batch_of(files, checkpoint) as batch:
        batch.register(1, cancel)
    assert batch.rows[1].state == "waiting" and not (files / "out" / batch.rows[1].folder).exists()


def test_the_initial_alignment_may_be_a_transform_node(scene, files, checkpoint):
    starts = [linearTransformNode(scene, np.eye(4) + shift, "start") for shift in (np.zeros((4, 4)), np.eye(4, k=3))]
    for start in starts:
        with batch_of(files, checkpoint, {**QUICK, "initial": start}) as batch:
            assert batch.register(1).state == "done"
    assert batch_of(files, checkpoint, {**QUICK, "initial": starts[0]}).todo() == [0]
    assert batch_of(files, checkpoint).todo() == [0, 1]


def test_the_panel_goes_on_where_the_shell_ended(scene, files, checkpoint):
    from command import run

    assert run("batch", pairs=files / "pairs.csv", output=files / "out", checkpoint=checkpoint, **QUICK) == 1
    panel = {"transform": "affine", "initial": "auto", "refine": "theta", **QUICK}
    assert batch_of(files, checkpoint, panel).todo() == [0]
