"""Training data from scenes and folders: what is written is what `istn train` reads."""

import messy
import numpy as np
import pytest
from builders import make_grid
from ISTNRegistrationLib.bridge.training import (
    TrainingChoice,
    annotatedVolumes,
    exportScene,
    lookAt,
    parseChannels,
    readHistory,
    writeConfiguration,
)
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, segmentationFromVolume
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_image, read_labels
from ISTNRegistrationLib.data.scans import read_study, read_subjects

CHOICE = TrainingChoice('left "one" = 10; others = 16, 49', 1.5, "stn-s", ("affine",), 9.0, 40)


def labels(grid):
    """Two boxes, labels 1 and 2."""
    array = np.zeros(grid.shape, np.uint8)
    array[4:10, 4:9, 5:10], array[11:14, 4:9, 5:10] = 1, 2
    return Volume(array, grid)


def annotate(scene, count, swapped=(), names=("left", "right")):
    """Volumes of one name with segmentations; those of ``swapped`` hold their segments in the other order."""
    for number in range(count):
        grid = make_grid(3, "oblique")
        node = nodeFromVolume(scene, Volume(labels(grid).array + 10.0 * number, grid), "T1")
        node.SetName("T1")
        drawn = labels(grid)
        if number in swapped:
            drawn = Volume(np.array([0, 2, 1], np.uint8)[drawn.array], grid)
        segmentation = segmentationFromVolume(scene, drawn, f"segments {number}")
        for k, name in enumerate(reversed(names) if number in swapped else names):
            segmentation.GetSegmentation().GetNthSegment(k).SetName(name)
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)


def test_segments_have_the_same_label_in_every_subject_whatever_their_order(scene, tmp_path):
    annotate(scene, 4, swapped=(2,))
    path = exportScene(scene, tmp_path)
    assert (tmp_path / "labels.tsv").read_text() == "index\tname\n1\tleft\n2\tright\n"
    study = read_subjects(path)
    assert len({scan.person for scan in study.scans}) == 4  # though all volumes have one name
    assert [scan.split for scan in study.scans] == ["train", "train", "val", "val"]
    for number, scan in enumerate(study.scans):
        expected = labels(make_grid(3, "oblique"))
        found = read_labels(scan.labels)
        np.testing.assert_array_equal(found.array, expected.array)
        np.testing.assert_allclose(found.grid.matrix, expected.grid.matrix, atol=1e-4)
        np.testing.assert_allclose(read_image(scan.image).array, expected.array + 10.0 * number)


def test_label_maps_belong_to_the_volume_that_their_name_begins_with(scene, tmp_path):
    grid = make_grid(3)
    for name in ("anna", "anna later", "ben", "carl"):
        nodeFromVolume(scene, Volume(labels(grid).array * 1.0, grid), name)
        nodeFromVolume(scene, labels(grid), f"{name}-label", "vtkMRMLLabelMapVolumeNode")
    found = [(volume.GetName(), node.GetName()) for volume, node in annotatedVolumes(scene)]
    assert found == [(name, f"{name}-label") for name in ("anna", "anna later", "ben", "carl")]
    path = exportScene(scene, tmp_path)
    assert not (tmp_path / "labels.tsv").exists()
    np.testing.assert_array_equal(read_labels(read_subjects(path).scans[0].labels).array, labels(grid).array)


def test_what_cannot_train_is_refused_before_anything_is_written(scene, tmp_path):
    annotate(scene, 3)
    with pytest.raises(InputError, match="too few people"):
        exportScene(scene, tmp_path)
    annotate(scene, 1, names=("left", "other"))
    with pytest.raises(InputError, match="not those of the others.*left, right; got left, other"):
        exportScene(scene, tmp_path)
    assert not (tmp_path / "subjects.csv").exists()


def test_a_folder_is_looked_at_and_gets_a_list_and_a_proposal(tmp_path):
    messy.write_messy(tmp_path)
    study = lookAt(tmp_path)
    assert study.path == tmp_path / "subjects.csv" and len(read_subjects(study.path).scans) == 8
    assert study.choice.channels == "left 10-49 = 10; label 16 = 16; right 10-49 = 49"
    assert study.choice.spacing == 1.0 and "spacing (mm): 1 x 1 x 1.25 in 8" in study.findings
    assert lookAt(study.path).choice == lookAt(tmp_path).choice == study.choice


def test_a_folder_without_label_maps_is_an_error(tmp_path):
    with pytest.raises(InputError, match="there are no images with label maps"):
        lookAt(tmp_path)
    assert not (tmp_path / "subjects.csv").exists()


def test_the_configuration_says_what_was_chosen(tmp_path):
    study = lookAt(messy.write_messy(tmp_path))
    config = read_config(writeConfiguration(study, CHOICE))
    model = config.model
    assert (model.method, model.transforms, model.bspline.spacing_mm) == ("stn-s", ("affine",), 9.0)
    assert model.grid.spacing == (1.5,) * 3 and model.grid.size[0] > model.grid.size[1]  # wider than deep: see messy
    assert [(c.name, c.labels) for c in model.channels] == [('left "one"', (10,)), ("others", (16, 49))]
    assert (config.data.subjects, config.training.steps, config.training.itn_first_steps) == ("subjects.csv", 40, 10)
    assert len(read_study(config.data, tmp_path).scans) == 8
    assert (tmp_path / "training-data.html").read_text().count("<figure>") == 8


def test_a_configuration_of_the_user_is_never_overwritten(tmp_path):
    study = lookAt(messy.write_messy(tmp_path))
    assert writeConfiguration(study, study.choice) == writeConfiguration(study, study.choice)
    (tmp_path / "training.toml").write_text("# mine\n")
    with pytest.raises(InputError, match="there is one already"):
        writeConfiguration(study, study.choice)
    assert (tmp_path / "training.toml").read_text() == "# mine\n"


def test_an_exported_scene_and_its_configuration_are_a_study(scene, tmp_path):
    annotate(scene, 4)
    study = lookAt(exportScene(scene, tmp_path))
    assert study.choice.channels == "left = 1; right = 2"
    config = read_config(writeConfiguration(study, study.choice))
    assert len(read_study(config.data, tmp_path).scans) == 4


@pytest.mark.parametrize("text", ["", "left", "left = x", "= 1"])
def test_structures_that_cannot_be_read_are_named(text):
    with pytest.raises(InputError, match="Structures"):
        parseChannels(text)


def test_structures_are_names_with_labels():
    assert parseChannels("left = 1; right putamen = 2, 3;") == [("left", [1]), ("right putamen", [2, 3])]


def test_the_history_is_read_by_column_and_empty_before_the_first_validation(tmp_path):
    assert readHistory(tmp_path / "history.csv") == {}
    (tmp_path / "history.csv").write_text("step,loss,val/affine\n3,0.5,0.25\n6,0.25,0.75\n")
    assert readHistory(tmp_path / "history.csv") == {"step": [3, 6], "loss": [0.5, 0.25], "val/affine": [0.25, 0.75]}
