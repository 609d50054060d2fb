"""Whatever cannot be used ends in exit code 2 and one line: what, expected, got, what to do. Nothing is left."""

import re
import struct

import h5py
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from builders import blob_volume, make_grid
from command import checkpoint_file, files_in, run, small_config, subject
from ISTNRegistrationLib.cli import register
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.container import sealed
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_image, write_image

SPACING_IN_NIFTI = 76 + 4  # pixdim[1], float32
QFORM_SFORM_IN_NIFTI = 252
LINE = r"istn register: error: .+: .+\. Expected .+; got .+\."
ADVICE = r" [A-Z][^;]+\.$"


@pytest.fixture
def given(tmp_path):
    """Options of a run that works: a tiny 3-D pair and all outputs, in folders of their own."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    fixed, moving = (subject(tmp_path / "in", name, 3, shift)[0] for name, shift in (("fixed", 0.0), ("moving", 3.0)))
    names = {"output_transform": "t.h5", "output_volume": "w.nii.gz", "output_heatmaps": "maps", "json": "r.json"}
    outputs = {option: tmp_path / "out" / name for option, name in names.items()}
    checkpoint = checkpoint_file(tmp_path / "in" / "tiny.h5", small_config(3))
    return {"fixed": fixed, "moving": moving, "checkpoint": checkpoint, "iterations": 2, "device": "cpu", **outputs}


@pytest.fixture
def refused(given, capsys):
    """Runs with some options changed; the line of the error. Nothing may have been written."""

    def check(words, advice=True, **changes):
        options = {**given, **changes}
        before = files_in(given["json"].parent)
        assert run("register", **options) == 2
        text = capsys.readouterr()
        assert text.out == "" and len(text.err.splitlines()) == 1
        assert re.search(words, text.err), text.err
        assert re.match(LINE + (ADVICE if advice else "$"), text.err), text.err
        assert files_in(given["json"].parent) == before
        return text.err

    return check


def image_of(array, grid=None):
    return Volume(array, grid or make_grid(3), "odd")


def nifti(path, spacing):
    """A NIfTI file whose header says ``spacing`` along x and nothing about orientation."""
    write_image(path, blob_volume(make_grid(3)))
    data = bytearray(path.read_bytes())
    struct.pack_into("<f", data, SPACING_IN_NIFTI, spacing)
    struct.pack_into("<hh", data, QFORM_SFORM_IN_NIFTI, 0, 0)
    path.write_bytes(data)
    return path


def metaimage(path, size=(8, 8, 8), spacing=(1, 1, 1)):
    """A MetaImage as only a text editor writes it."""
    words = {"DimSize": size, "ElementSpacing": spacing}
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False"]
    lines += [f"{key} = {' '.join(map(str, values))}" for key, values in words.items()]
    lines += ["ElementType = MET_FLOAT", "ElementDataFile = LOCAL", ""]
    values = np.random.default_rng(0).random(int(np.prod(size)), dtype=np.float32)
    path.write_bytes("\n".join(lines).encode() + values.tobytes())
    return path


def test_the_run_that_all_others_spoil_works(given):
    assert run("register", **given) == 0
    assert {"t.h5", "w.nii.gz", "maps", "r.json"} <= files_in(given["json"].parent)


@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_another_dimension(role, refused, tmp_path):
    flat = subject(tmp_path / "in", "flat", 2)[0]
    refused(rf"{role.title()} image 'flat.nii.gz': wrong dimension\. Expected 3-D.*got 2-D", **{role: flat})


def test_a_flat_checkpoint_for_volumes(refused, tmp_path):
    flat = checkpoint_file(tmp_path / "in" / "flat.h5", small_config(2))
    refused("wrong dimension. Expected 2-D, as checkpoint 'flat'; got 3-D", checkpoint=flat)


@pytest.mark.parametrize("initial", ["auto", "rigid", "moments"])
@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_an_empty_image(role, initial, refused, tmp_path):
    empty = metaimage(tmp_path / "in" / "empty.mha", size=(0, 8, 8))
    refused(r"empty or too thin.*got size \(0, 8, 8\)", **{role: empty}, initial=initial)


@pytest.mark.parametrize("initial", ["auto", "rigid", "moments"])
@pytest.mark.parametrize("value", [0, -1024.0])
def test_a_constant_image(value, initial, refused, tmp_path):
    write_image(tmp_path / "in" / "odd.nrrd", image_of(np.full(make_grid(3).shape, value, np.float32)))
    refused(r"'odd.nrrd': it is constant.*everywhere", moving=tmp_path / "in" / "odd.nrrd", initial=initial)


@pytest.mark.parametrize("initial", ["auto", "rigid", "moments"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(value, initial, refused, tmp_path):
    volume = blob_volume(make_grid(3))
    volume.array[3, 4, 5:7] = value
    path = tmp_path / "in" / "odd.nrrd"  # ITK's reader of NIfTI puts zeros in their place
    write_image(path, volume)
    refused(r"NaN or infinite values.*got 2 that are not", fixed=path, initial=initial)


def test_a_single_slice(refused, tmp_path):
    grid = Grid.centered((0.0,) * 3, (24, 24, 1), (1.0,) * 3)
    write_image(tmp_path / "in" / "slice.nii.gz", image_of(np.random.default_rng(0).random(grid.shape), grid))
    refused(r"too thin.*at least 4 voxels.*\(24, 24, 1\)", moving=tmp_path / "in" / "slice.nii.gz")


@pytest.mark.parametrize("spacing", [1e6, 1e-6])
@pytest.mark.parametrize("initial", ["auto", "rigid"])
def test_a_huge_or_tiny_spacing(spacing, initial, refused, tmp_path):
    refused(r"its spacing is impossible\. .* mm", moving=nifti(tmp_path / "in" / "odd.nii", spacing), initial=initial)


def test_a_spacing_of_zero(refused, tmp_path):
    refused("'odd.mha': it cannot be read.*spacing", moving=metaimage(tmp_path / "in" / "odd.mha", spacing=(0, 1, 1)))


def test_no_overlap(refused, tmp_path):
    far = make_grid(3, center=(5000.0, 0.0, 0.0))
    write_image(tmp_path / "in" / "far.nii.gz", blob_volume(far))
    refused("'far.nii.gz': nothing of it lies where", moving=tmp_path / "in" / "far.nii.gz", initial="none")


@pytest.mark.parametrize("name", ["rgb.png", "rgb.nii.gz", "rgb.nrrd"])
def test_color(name, refused, tmp_path):
    shape = (16, 16, 3) if name.endswith("png") else (16, 16, 16, 3)
    values = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=True), str(tmp_path / "in" / name))
    refused("not a scalar image. Expected one component; got vector of", fixed=tmp_path / "in" / name)


def test_a_file_that_is_missing_truncated_or_no_image(given, refused, tmp_path):
    refused("'nowhere.nii': there is no such file", fixed=tmp_path / "nowhere.nii")
    refused("'in': it is a folder", fixed=tmp_path / "in")
    cut = tmp_path / "in" / "cut.nii.gz"
    cut.write_bytes(given["fixed"].read_bytes()[:5000])
    refused("'cut.nii.gz': it cannot be read", fixed=cut)
    cut.write_text("not an image")
    refused("'cut.nii.gz': it cannot be read", fixed=cut)


def test_a_checkpoint_that_does_not_exist(refused):
    refused("Checkpoint: there is no such name or file.*got liver", advice=False, checkpoint="liver")


@pytest.mark.parametrize("damage", ["empty", "truncated", "random", "another HDF5"])
def test_a_file_that_is_no_checkpoint(damage, given, refused, tmp_path):
    path, data = tmp_path / "in" / "odd.h5", given["checkpoint"].read_bytes()
    contents = {"empty": b"", "truncated": data[:-500], "random": np.random.default_rng(0).bytes(len(data))}
    if damage in contents:
        path.write_bytes(contents[damage])
    else:
        h5py.File(path, "w").close()
    words = "another kind" if damage == "another HDF5" else "cannot be read"
    refused(f"Checkpoint 'odd.h5': .*{words}.*ISTN checkpoint", checkpoint=path)


@pytest.mark.parametrize("damage", ["version", "missing", "misshapen", "NaN"])
def test_a_checkpoint_with_wrong_content(damage, given, refused):
    key = "weights/itn.out.bias"
    with h5py.File(given["checkpoint"], "r+") as file:
        if damage == "version":
            file.attrs["format_version"] = 99
        else:
            del file[key]
        if damage in ("misshapen", "NaN"):
            file[key] = np.full(7 if damage == "misshapen" else 2, np.nan, np.float32)
    given["checkpoint"].write_bytes(sealed(given["checkpoint"].read_bytes()))
    words = {"version": "version", "missing": "missing", "misshapen": "wrong shape", "NaN": "NaN"}
    refused(words[damage])


def test_a_transform_that_the_checkpoint_does_not_have(refused):
    refused("not trained for this transform. Expected affine, bspline, dense; got rigid", transform="rigid")


def test_heatmaps_of_a_checkpoint_without_maps(refused, tmp_path):
    plain = checkpoint_file(tmp_path / "in" / "stn.h5", small_config(3, method="stn-u"))
    refused("it makes no structure maps", checkpoint=plain)


@pytest.mark.parametrize("option", ["output_transform", "output_volume", "json"])
def test_an_output_that_cannot_be_written(option, given, refused, tmp_path, monkeypatch):
    monkeypatch.setattr(register, "load_checkpoint", None)  # it is found out before any work
    refused("cannot be written.*there is no folder", **{option: tmp_path / "nowhere" / given[option].name})
    refused("cannot be written.*got the folder", **{option: tmp_path / "in"})
    refused("cannot be written", **{option: given["fixed"] / given[option].name})
    if option != "json":
        refused(r"x\.jpgg", **{option: tmp_path / "out" / "x.jpgg"})


def test_a_heatmap_folder_that_cannot_be_made(given, refused, tmp_path):
    refused("Heatmap folder: .*there is no folder", output_heatmaps=tmp_path / "nowhere" / "maps")
    refused("Heatmap folder: it is a file", output_heatmaps=given["fixed"])


@pytest.mark.parametrize("option", ["output_transform", "output_volume", "output_heatmaps", "json"])
def test_an_output_that_would_replace_an_input_or_another_output(option, given, refused, tmp_path):
    out = tmp_path / "out"
    contents = {role: given[role].read_bytes() for role in ("fixed", "moving", "checkpoint")}
    if option == "output_volume":
        refused("same file as --moving", output_volume=out / ".." / "in" / given["moving"].name)
        (tmp_path / "in" / "link.nii.gz").symlink_to(given["fixed"])
        refused("same file as --fixed", output_volume=tmp_path / "in" / "link.nii.gz")
        channels = [channel.name for channel in load_checkpoint(given["checkpoint"]).config.channels]
        name = f"maps/{register.heatmap_names(channels)[1]}.nii.gz"
        (out / "maps").mkdir()
        refused("same file as --output-volume", output_volume=out / name)
    elif option == "output_transform":
        refused("same file as --checkpoint", output_transform=given["checkpoint"])
    else:
        refused("same file as --output-transform", **{option: given["output_transform"]})
    assert contents == {role: given[role].read_bytes() for role in contents}


def test_a_folder_without_permission(refused, tmp_path, monkeypatch):
    def deny(*_, **__):
        raise PermissionError(13, "Permission denied", "folder")

    monkeypatch.setattr("tempfile.mkdtemp", deny)
    refused("cannot be written.*Permission denied")


@pytest.mark.parametrize("changes", [{"initial": "upside-down"}, {"device": "cuda"}])
def test_an_option_that_makes_no_sense(changes, refused):
    if changes == {"device": "cuda"} and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    words = {"initial": "got upside-down", "device": "no CUDA device"}
    refused(words[next(iter(changes))], **changes)


def test_an_initial_transform_of_another_dimension(refused, tmp_path):
    path = tmp_path / "in" / "flat.tfm"
    sitk.WriteTransform(sitk.Euler2DTransform(), str(path))
    refused("another dimension. Expected 3-D; got 2-D", initial=path)


@pytest.mark.parametrize("error, code", [(KeyboardInterrupt, 130), (InputError("a", "b", "c", "d"), 2)])
def test_a_run_that_is_stopped_midway_leaves_nothing(error, code, given, monkeypatch, capsys):
    def stop(self, progress):
        if progress.iteration == 1:
            raise error

    monkeypatch.setattr(register.StageBars, "__call__", stop)
    assert run("register", **given) == code
    assert files_in(given["json"].parent) == set() and len(capsys.readouterr().err.strip().splitlines()) == 1


def test_cancelling_reaches_the_caller_and_leaves_the_model_alone(given):
    checkpoint = load_checkpoint(given["checkpoint"])
    before = {key: value.clone() for key, value in checkpoint.model.state_dict().items()}

    def cancel(progress):
        raise RegistrationCancelled

    pair = [read_image(given[role]) for role in ("fixed", "moving")]
    with pytest.raises(RegistrationCancelled):
        register_pair(*pair, checkpoint, RegisterOptions(refine="weights", device="cpu"), cancel)
    assert all(torch.equal(value, before[key]) for key, value in checkpoint.model.state_dict().items())
