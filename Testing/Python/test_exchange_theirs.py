"""`istn apply` reads what ANTs, Greedy and elastix write as they do themselves; skipped where they are missing."""

import importlib.util
import subprocess
import sys

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from command import run
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import write_image

pytestmark = pytest.mark.slow
LABELS = (1, 2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two images of two unlike spheres, off the middle and turned against each other, and their labels."""
    monkeypatch.chdir(tmp_path)
    grids = {
        "fixed": builders.make_grid(3, "oblique", size=(40, 36, 32)),
        "moving": builders.make_grid(3, "RAS", size=(42, 38, 36), center=(9.0, 1.0, -2.0)),
    }
    for name, grid in grids.items():
        away = grid.points() - grid.center
        labels = np.zeros(grid.shape, np.uint8)
        labels[((away - (6.0, -4.0, 3.0)) ** 2).sum(-1) < (11.0 + 2 * (name == "fixed")) ** 2] = 1
        labels[((away - (-9.0, 5.0, -4.0)) ** 2).sum(-1) < 7.0**2] = 2
        write_image(f"{name}_labels.nii.gz", Volume(labels, grid))
        image = sitk.Cast(sitk.ReadImage(f"{name}_labels.nii.gz"), sitk.sitkFloat32) * 50
        sitk.WriteImage(sitk.SmoothingRecursiveGaussian(image, 1.5), f"{name}.nii.gz")
    return tmp_path


def labels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def dice(first, second):
    masks = [(labels(first) == label, labels(second) == label) for label in LABELS]
    return min(2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in masks)


def ours(*transforms):
    words = ["--reference", "fixed.nii.gz", "--labels", "moving_labels.nii.gz", "--output", "ours.nii.gz"]
    assert run("apply", "--transform", *transforms, *words) == 0
    return "ours.nii.gz"


def check(transforms):
    """The labels that their program made (theirs.nii.gz) are ours, and the registration did something."""
    assert dice("theirs.nii.gz", ours(*transforms)) > 0.995
    assert dice("ours.nii.gz", "fixed_labels.nii.gz") > 0.7


def test_ants_chain_composite_points_and_inverse(folder):
    ants = pytest.importorskip("ants")
    pandas = pytest.importorskip("pandas")
    images = [ants.image_read(f"{name}.nii.gz") for name in ("fixed", "moving")]
    moving = ants.image_read("moving_labels.nii.gz")
    found = ants.registration(*images, "SyN", outprefix="a_", reg_iterations=(15, 5), write_composite_transform=True)
    for transforms in (found["fwdtransforms"], _syn(ants, images)):
        chain = [transforms] if isinstance(transforms, str) else transforms
        warped = ants.apply_transforms(images[0], moving, chain, interpolator="nearestNeighbor")
        ants.image_write(warped, "theirs.nii.gz")
        check(chain)
    points = pandas.DataFrame({"x": [12.0, 1.0], "y": [-3.0, 6.0], "z": [2.0, -5.0]})
    points.to_csv("p.csv", index=False)
    inverse = ["b_0GenericAffine.mat", "b_1InverseWarp.nii.gz"]
    expected = ants.apply_transforms_to_points(3, points, inverse, whichtoinvert=[True, False])
    assert run("apply", "--transform", *chain, "--points", "p.csv", "--space", "LPS", "--output", "q.csv") == 0
    assert np.abs(np.loadtxt("q.csv", delimiter=",", skiprows=1) - expected.to_numpy()).max() < 0.1
    assert np.abs(expected.to_numpy() - points.to_numpy()).max() > 2


def _syn(ants, images):
    return ants.registration(*images, "SyN", outprefix="b_", reg_iterations=(15, 5))["fwdtransforms"]


def test_greedy_warp_and_affine(folder):
    pytest.importorskip("picsl_greedy")
    images = "-i fixed.nii.gz moving.nii.gz -m SSD -n 40x20"
    _greedy(f"-d 3 -a -dof 12 {images} -ia-image-centers -o affine.mat")
    _greedy(f"-d 3 {images} -it affine.mat -s 3mm 1mm -o warp.nii.gz")
    _greedy("-d 3 -rf fixed.nii.gz -ri NN -rm moving_labels.nii.gz theirs.nii.gz -r warp.nii.gz affine.mat")
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    matrix = flip @ np.loadtxt("affine.mat") @ flip  # what c3d_affine_tool -oitk does
    affine = sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())
    sitk.WriteTransform(affine, "affine.txt")
    check(["warp.nii.gz", "affine.txt"])
    assert run("apply", "--transform", "affine.mat", "--points", "p.csv", "--output", "q.csv") == 2


def _greedy(words):
    code = "import sys, picsl_greedy; picsl_greedy.Greedy3D().execute(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, words], check=True, capture_output=True)


ELASTIX = """
import itk

fixed, moving = (itk.imread(f"{name}.nii.gz", itk.F) for name in ("fixed", "moving"))
parameters = itk.ParameterObject.New()
for kind in ("affine", "bspline"):
    options = {"MaximumNumberOfIterations": ["40"], "WriteITKCompositeTransform": ["true"]}
    options["ITKTransformOutputFileNameExtension"] = ["h5"]
    parameters.AddParameterMap({**dict(parameters.GetDefaultParameterMap(kind, 2, 10.0)), **options})
_, found = itk.elastix_registration_method(fixed, moving, parameter_object=parameters, output_directory=".")
itk.imwrite(itk.transformix_deformation_field(moving, found), "field.nii.gz")
found.SetParameter("FinalBSplineInterpolationOrder", "0")
itk.imwrite(itk.transformix_filter(itk.imread("moving_labels.nii.gz", itk.F), found), "theirs.nii.gz")
"""


def test_elastix_composite_and_field(folder):
    if importlib.util.find_spec("itk") is None:
        pytest.skip("itk-elastix is not installed")
    # in a process of its own: beside other copies of ITK it writes no composite
    subprocess.run([sys.executable, "-c", ELASTIX], check=True, capture_output=True)
    check(["TransformParameters.1-Composite.h5"])
    check(["field.nii.gz"])
