"""The benchmark's reference refines as published, ours starts from the same loss, and the script runs."""

import json

import pytest
import torch

SIZE = (36, 36, 36)  # the published STN's smallest


@pytest.fixture(autouse=True)
def threads():
    """torch's and SimpleITK's threads are restored."""
    import SimpleITK as sitk

    before = torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before[1])


@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_the_reference_lowers_the_loss_and_our_weights_mode_takes_the_same_steps(transform):
    from benchmark.refinement import blob_pair, check_arithmetic, published_model
    from paper.published_refinement import refine_published

    images = blob_pair(SIZE)
    model = published_model(SIZE, images)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    losses = [values["stn_r"] for values in refine_published(model, transform, images, iterations=3)]
    assert losses[-1] < losses[0]
    ours = check_arithmetic(model, transform, images, losses)
    assert ours["weights_losses_all_voxels"][0] == pytest.approx(losses[0], rel=1e-5)
    assert ours["largest_relative_difference"] < 1e-3
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_reference_measures_overlap_and_distances():
    from paper.published_refinement import measure

    fixed, warped = torch.zeros(1, 1, 12, 12, 12, dtype=torch.bool), torch.zeros(1, 1, 12, 12, 12, dtype=torch.bool)
    fixed[..., 4:8, 4:8, 4:8] = True
    warped[..., 4:8, 4:8, 5:9] = True
    values = measure(warped, fixed, (2.0, 1.0, 1.0))
    assert values["dice_1"] == values["precision_1"] == values["recall_1"] == pytest.approx(0.75)
    assert values["hausdorff_1"] == pytest.approx(2.0)
    assert values["average_hausdorff_1"] == pytest.approx(0.5)  # a quarter of the voxels, 2 mm each


def test_the_script_runs_and_writes_both_files(tmp_path, capsys):
    from benchmark import speed

    speed.main(["--quick", "--threads", "1", "--output", str(tmp_path)])
    page = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert page.strip() in capsys.readouterr().out
    assert "numbers mean nothing" in page and "Peak memory" in page
    assert "On all voxels, `weights` is the published arithmetic" in page  # test above: with the steps that it has
    report = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert set(report["refinement"]["affine"]["ways"]) == {
        "published",
        "published, channels last",
        "weights",
        "theta",
    }
    assert [row["transform"] for row in report["registration"]["rows"]] == ["affine"] * 2 + ["bspline"] * 2
    assert report["sequence"]["frames"] == 12 and "frame's own result" in page
    assert all(row["peak_mb"] >= row["registered_mb"] > row["imported_mb"] for row in report["memory"])
