"""scripts/paper/arrange.py: a clone of a public repository in the layout of docs/data.md, no voxel changed."""

import csv
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk

SIZE = (9, 7, 5)  # x, y, z


def image(array, path, direction=(1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)):
    """As the source writes it: LAS."""
    written = sitk.GetImageFromArray(array)
    written.SetDirection(direction)
    written.SetOrigin((3.0, 250.0, -255.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(written, str(path))


def spreadsheet(path, rows):
    texts = sorted({text for _, *others in rows for text in others})
    line = "<row>{}</row>".format
    cells = [
        line(
            f'<c r="A{n}"><v>{scan}</v></c><c r="B{n}" t="s"><v>{texts.index(group)}</v></c>'
            f'<c r="C{n}" t="s"><v>{texts.index(person)}</v></c><c r="F{n}"/>'
        )
        for n, (scan, group, person) in enumerate(rows, start=2)
    ]
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    with zipfile.ZipFile(path, "w") as file:
        strings = "".join(f"<si><t>{text}</t></si>" for text in texts)
        file.writestr("xl/sharedStrings.xml", f"<sst {space}>{strings}</sst>")
        file.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><d>{''.join(cells)}</d></worksheet>")


def rows_of(path):
    with path.open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_brain_is_turned_to_ras_with_its_mask_at_zero_and_a_person_stays_in_one_split(tmp_path):
    from paper.arrange import arrange

    source, rng = tmp_path / "clone" / "inst", np.random.default_rng(0)
    scans = [(f"{1000 + n}", "train", f"OAS1_{n // 2:04d}") for n in range(10)]  # everybody twice
    arrays = {}
    for number, *_ in scans:
        values, mask, labels = rng.integers(1, 99, SIZE[::-1]), np.zeros(SIZE[::-1], np.uint8), np.zeros(SIZE[::-1])
        mask[1:4, 2:5, 5:8] = 1
        labels[2, 3, 7], labels[2, 3, 5], labels[1, 2, 6] = 48, 35, 4  # left hippocampus, brain-stem, third ventricle
        arrays[number] = values
        for kind, array in (("SS", values), ("glm", labels), ("mask", mask)):
            image(array.astype(np.int16), source / "extdata" / f"{number}_{kind}.nii.gz")
    spreadsheet(source / "demographics.xlsx", scans)
    arrange("brain", tmp_path / "clone", tmp_path / "out" / "brain")
    there = tmp_path / "out" / "brain"
    found, small = (sitk.ReadImage(str(there / k / "brain_1003.nii.gz")) for k in ("images", "labels_subcortical"))
    assert found.GetDirection() == (-1, 0, 0, 0, -1, 0, 0, 0, 1) and found.GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found)[..., ::-1], arrays["1003"])
    middle = found.TransformPhysicalPointToIndex((0.0, 0.0, 0.0))
    assert middle == (SIZE[0] - 1 - 6, 3, 2)
    labels = sitk.GetArrayFromImage(small)
    assert labels[2, 3, SIZE[0] - 1 - 7] == 9 and labels[2, 3, SIZE[0] - 1 - 5] == 15 and np.count_nonzero(labels) == 2
    rows = rows_of(there / "splits.csv")
    splits = {person: {row["split"] for row in rows.values() if row["subject"] == person} for _, _, person in scans}
    assert len(rows) == 10 and all(len(found) == 1 for found in splits.values())
    assert sorted(next(iter(found)) for found in splits.values()).count("develop-train") == 3


def test_hippocampi_are_copied_without_the_three_bad_ones_and_splits_can_be_given(tmp_path):
    from paper.arrange import arrange

    for number in (1, 3, 4, 10, 118):
        for kind in ("images", "labels"):
            path = tmp_path / "clone" / "data" / "TrainingSet" / kind / f"hippocampus_{number:03d}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{kind}{number}".encode())
    arrange("hippocampus", tmp_path / "clone", tmp_path / "all")
    rows = rows_of(tmp_path / "all" / "splits.csv")
    assert {name[12:15]: row["subject"] for name, row in rows.items()} == {"001": "S001", "003": "S002", "004": "S002"}
    assert (tmp_path / "all" / "labels" / "hippocampus_004.nii.gz").read_bytes() == b"labels4"
    (tmp_path / "mine.csv").write_text("file,split\nhippocampus_003.nii.gz,develop-test\n")
    arrange("hippocampus", tmp_path / "clone", tmp_path / "some", tmp_path / "mine.csv")
    assert [row["split"] for row in rows_of(tmp_path / "some" / "splits.csv").values()] == ["develop-test"]


def test_a_head_is_cropped_and_stays_where_it_was(tmp_path):
    from paper.arrange import arrange

    array = np.zeros((30, 20, 25), np.int32)
    array[9:12, 7:9, 5:15] = 530
    array[10, 8, 6] = 17
    image(
        array,
        tmp_path / "clone" / "data" / "training_label_maps" / "training_seg_05.nii.gz",
        (1, 0, 0, 0, 0, -1, 0, -1, 0),
    )
    arrange("head", tmp_path / "clone", tmp_path / "head")
    source = sitk.ReadImage(str(tmp_path / "clone" / "data" / "training_label_maps" / "training_seg_05.nii.gz"))
    found = sitk.ReadImage(str(tmp_path / "head" / "labels" / "head_05.nii.gz"))
    assert found.GetSize() == (14, 6, 7) and found.GetPixelID() == sitk.sitkUInt16
    assert found[found.TransformPhysicalPointToIndex(source.TransformIndexToPhysicalPoint((6, 8, 10)))] == 17


def test_a_folder_without_the_files_is_said(tmp_path):
    from paper.arrange import arrange

    with pytest.raises(SystemExit, match=r"no files of 'brain' there. See docs/data.md"):
        arrange("brain", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
