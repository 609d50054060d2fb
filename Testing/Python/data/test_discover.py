"""Images, label maps and people from names alone, in the layouts that people have."""

import pytest
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.discover import discover


def found(folder, *names):
    """{image: (labels, person, split)} and the notes for empty files of these names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    discovery = discover(folder)
    paths = [(scan.image.relative_to(folder).as_posix(), scan) for scan in discovery.scans]
    rows = {image: (scan.labels.relative_to(folder).as_posix(), scan.person, scan.split) for image, scan in paths}
    return rows, "\n".join(discovery.notes)


def test_nnunet_takes_channel_zero_and_keeps_the_test_folder_for_the_judgement(tmp_path):
    names = [f"imagesTr/hip_{i:03d}_000{c}.nii.gz" for i in (1, 2) for c in (0, 1)]
    names += [f"labelsTr/hip_{i:03d}.nii.gz" for i in (1, 2)]
    rows, notes = found(
        tmp_path, *names, "imagesTs/hip_009_0000.nii.gz", "labelsTs/hip_009.nii.gz", "imagesTs/hip_7_0000.nii.gz"
    )
    assert rows == {
        "imagesTr/hip_001_0000.nii.gz": ("labelsTr/hip_001.nii.gz", "hip-1", ""),
        "imagesTr/hip_002_0000.nii.gz": ("labelsTr/hip_002.nii.gz", "hip-2", ""),
        "imagesTs/hip_009_0000.nii.gz": ("labelsTs/hip_009.nii.gz", "hip-9", "test"),
    }
    assert "hip_001_0001" in notes and "hip_7_0000" in notes


def test_the_decathlons_folders_have_files_of_equal_names(tmp_path):
    rows, _ = found(
        tmp_path, "imagesTr/a_1.nii.gz", "labelsTr/a_1.nii.gz", "imagesTr/a_2.nii.gz", "labelsTr/a_2.nii.gz"
    )
    assert [row[0] for row in rows.values()] == ["labelsTr/a_1.nii.gz", "labelsTr/a_2.nii.gz"]


def test_numbers_of_four_digits_are_people_where_the_label_maps_have_them_too(tmp_path):
    rows, _ = found(tmp_path, *[f"{role}/brain_{n}.nii.gz" for role in ("images", "labels") for n in (1000, 1001)])
    assert [row[1] for row in rows.values()] == ["brain-1000", "brain-1001"]


def test_bids_derivatives_are_matched_by_subject_and_session(tmp_path):
    stems = [f"sub-{i:02d}/ses-{k}/anat/sub-{i:02d}_ses-{k}" for i in (1, 2) for k in (1, 2)]
    labels = [f"derivatives/manual/{stem}_space-orig_dseg.nii.gz" for stem in stems]
    rows, notes = found(tmp_path, *[f"{stem}_T1w.nii.gz" for stem in stems], *labels)
    assert rows == {f"{s}_T1w.nii.gz": (seg, s[:6], "") for s, seg in zip(stems, labels, strict=True)}
    assert "4 scans of 2 people" in notes


def test_a_folder_for_each_person_uses_the_first_contrast(tmp_path):
    people = ("anna", "ben", "carl", "Dora 3")
    rows, notes = found(tmp_path, *[f"{n}/{file}.nii.gz" for n in people for file in ("flair", "t1", "labels")])
    assert rows == {f"{n}/t1.nii.gz": (f"{n}/labels.nii.gz", n.lower().replace(" ", "-"), "") for n in people}
    assert "every folder is a person" in notes and "left out" in notes and "flair" in notes


def test_several_scans_in_the_folder_of_a_person_stay_together(tmp_path):
    names = [f"{n}/{when}{end}.nrrd" for n in "abcd" for when in ("before op", "after op") for end in ("", " seg")]
    rows, notes = found(tmp_path, *names)
    assert len(rows) == 8 and {person for _, person, _ in rows.values()} == set("abcd")
    assert "4 people, 8 scans" in notes and rows["a/before op.nrrd"][0] == "a/before op seg.nrrd"


def test_messy_flat_names_with_dates_visits_sides_and_cases(tmp_path):
    pairs = {
        "Anna T1 (2).nii.gz": "anna_t1_2-label.nii.gz",
        "BEN_20210304_pre.nii.gz": "ben 2021-03-04 pre seg.nii.gz".replace("2021-03-04", "20210304"),
        "carl.mri.nrrd": "Carl-Seg.nrrd",
        "p07_L.nii.gz": "p07_L_mask.nii.gz",
        "P07_R.nii.gz": "p7_r_mask.nii.gz",
        "eve_visit1.nii.gz": "eve_visit1_gt.nii.gz",
        "eve_visit2.nii.gz": "eve_visit2_gt.nii.gz",
    }
    rows, notes = found(tmp_path, *pairs, *pairs.values(), "lonely.nii.gz", "._anna.nii.gz")
    assert {image: row[0] for image, row in rows.items()} == pairs
    people = {image: row[1] for image, row in rows.items()}
    assert (
        people["p07_L.nii.gz"] == people["P07_R.nii.gz"] != people["eve_visit1.nii.gz"] == people["eve_visit2.nii.gz"]
    )
    assert "7 scans of 5 people" in notes and "lonely.nii.gz" in notes and "._" not in notes


def test_two_label_maps_of_one_image_are_not_guessed_at(tmp_path):
    rows, notes = found(tmp_path, "a.nii.gz", "a_seg.nii.gz", "a_mask.nii.gz", "b.nii.gz", "b_seg.nii.gz")
    assert list(rows) == ["b.nii.gz"] and "a_mask.nii.gz" in notes and "a_seg.nii.gz" in notes


@pytest.mark.parametrize(
    "names, complaint", [(("a.nii.gz", "b.nii.gz"), "2 files that may be images, 0 named as label maps"),
                         (("x/anna.png", "x/q.png", "y/ben_seg.png", "y/k_seg.png"), "belongs to an image")],
)  # fmt: skip
def test_a_folder_in_which_nothing_matches_is_refused(names, complaint, tmp_path):
    with pytest.raises(InputError, match=complaint):
        found(tmp_path, *names)
