"""Other programs that resample a label map by a transform file: one function each, nearest neighbor, all the same call.

Every function has the arguments (transform file, moving labels, fixed image, output file) and raises what its program
raises. ``installed()`` names those whose package is there.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

FIELDS = (".nii", ".nii.gz", ".nrrd", ".mha")
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS to LPS and back


def is_field(transform: str) -> bool:
    """Whether a file is a displacement field by its name."""
    return transform.endswith(FIELDS)


def simpleitk(transform: str, moving: str, fixed: str, output: str) -> None:
    """SimpleITK: ``sitk.Resample``, the answer that the others are compared with."""
    if is_field(transform):
        mapping = sitk.DisplacementFieldTransform(sitk.ReadImage(transform, sitk.sitkVectorFloat64))
    else:
        mapping = sitk.ReadTransform(transform)
    labels = sitk.Resample(sitk.ReadImage(moving), sitk.ReadImage(fixed), mapping, sitk.sitkNearestNeighbor)
    sitk.WriteImage(labels, output)


def ants(transform: str, moving: str, fixed: str, output: str) -> None:
    """ANTs (antspyx): what ``antsApplyTransforms`` does."""
    import ants as package

    images = package.image_read(fixed), package.image_read(moving)
    warped = package.apply_transforms(*images, [transform], interpolator="nearestNeighbor")
    package.image_write(warped, output)


def transformix(transform: str, moving: str, fixed: str, output: str) -> None:
    """transformix (itk-elastix), with a parameter file of one transform: a field, or ``File`` for ITK's."""
    import itk

    parameters = itk.ParameterObject.New()
    parameters.AddParameterMap({**_where(itk.imread(fixed)), **_elastix_transform(transform)})
    resampler = itk.TransformixFilter.New(itk.imread(moving, itk.F))
    resampler.SetTransformParameterObject(parameters)
    resampler.Update()
    itk.imwrite(resampler.GetOutput(), output)


def _elastix_transform(transform: str) -> dict[str, list[str]]:
    if is_field(transform):
        interpolation = {"DeformationFieldInterpolationOrder": ["1"], "NumberOfParameters": ["0"]}
        name = {"DeformationFieldFileName": [transform]}
        return {"Transform": ["DeformationFieldTransform"], **name, **interpolation}
    return {"Transform": ["File"], "TransformFileName": [transform]}


def _where(fixed) -> dict[str, list[str]]:
    """The fixed image's grid, and nearest neighbors."""
    n = fixed.GetImageDimension()
    columns = np.array([[fixed.GetDirection()(row, column) for row in range(n)] for column in range(n)])
    return {
        "FixedImageDimension": [str(n)],
        "MovingImageDimension": [str(n)],
        "FixedInternalImagePixelType": ["float"],
        "MovingInternalImagePixelType": ["float"],
        "Size": [str(s) for s in fixed.GetLargestPossibleRegion().GetSize()],
        "Index": ["0"] * n,
        "Spacing": [repr(float(s)) for s in fixed.GetSpacing()],
        "Origin": [repr(float(s)) for s in fixed.GetOrigin()],
        "Direction": [repr(float(v)) for v in columns.ravel()],
        "UseDirectionCosines": ["true"],
        "InitialTransformParameterFileName": ["NoInitialTransform"],
        "HowToCombineTransforms": ["Compose"],
        "Resampler": ["DefaultResampler"],
        "ResampleInterpolator": ["FinalNearestNeighborInterpolator"],
        "DefaultPixelValue": ["0"],
        "ResultImagePixelType": ["float"],
    }


def greedy(transform: str, moving: str, fixed: str, output: str) -> None:
    """Greedy (picsl_greedy): ``greedy -d 3 -rf FIXED -ri NN -rm MOVING OUT -r TRANSFORM``."""
    # a process of its own, like the command `greedy`: beside other copies of ITK it finds no readers
    code = "import sys, picsl_greedy; picsl_greedy.Greedy3D().execute(sys.argv[1])"
    words = f"-d 3 -rf {fixed} -ri NN -rm {moving} {output} -r {transform}"
    done = subprocess.run([sys.executable, "-c", code, words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)


def slicer(transform: str, moving: str, fixed: str, output: str) -> None:
    """Slicer's MRML (slicer-core): the transform node as Slicer reads it, and VTK's reslicing."""
    import slicer as package
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    scene, logic = package.vtkMRMLScene(), package.vtkSlicerTransformLogic()
    logic.SetMRMLScene(scene)
    node = logic.AddTransform(transform, scene)
    from_world = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(from_world)
    target, source = sitk.ReadImage(fixed), sitk.ReadImage(moving)
    to_index = vtk.vtkGeneralTransform()  # what is concatenated last is applied first
    to_index.Concatenate(_vtk_matrix(np.linalg.inv(FLIP @ _matrix(source))))
    to_index.Concatenate(from_world)
    to_index.Concatenate(_vtk_matrix(FLIP @ _matrix(target)))
    image = vtk.vtkImageData()
    image.SetDimensions(*source.GetSize())
    image.GetPointData().SetScalars(numpy_to_vtk(sitk.GetArrayFromImage(source).ravel(), deep=True))
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetResliceTransform(to_index)
    reslice.SetInterpolationModeToNearestNeighbor()
    reslice.SetOutputExtent(*(v for size in target.GetSize() for v in (0, size - 1)))
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.Update()
    voxels = vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars())
    labels = sitk.GetImageFromArray(voxels.reshape(target.GetSize()[::-1]))
    labels.CopyInformation(target)
    sitk.WriteImage(labels, output)


def _matrix(image: sitk.Image) -> np.ndarray:
    """Index to LPS, (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def _vtk_matrix(matrix: np.ndarray):
    import vtk

    result = vtk.vtkMatrix4x4()
    result.DeepCopy(matrix.ravel().tolist())
    return result


def nitransforms(transform: str, moving: str, fixed: str, output: str) -> None:
    """nitransforms: ``load`` and ``apply``."""
    from nitransforms import linear, manip, nonlinear
    from nitransforms.resampling import apply

    if is_field(transform):
        mapping = nonlinear.DenseFieldTransform.from_filename(transform, fmt="itk")
    elif transform.endswith(".h5"):
        mapping = manip.load(transform, fmt="itk")
    else:
        mapping = linear.load(transform, fmt="itk")
    warped = apply(mapping, moving, reference=fixed, order=0)
    warped.set_data_dtype(np.uint8)
    warped.to_filename(output)


PEERS = {
    "SimpleITK": (simpleitk, "SimpleITK"),
    "ANTs": (ants, "ants"),
    "transformix": (transformix, "itk"),
    "Greedy": (greedy, "picsl_greedy"),
    "Slicer": (slicer, "slicer"),
    "nitransforms": (nitransforms, "nitransforms"),
}


def installed() -> list[str]:
    """Names of the peers whose package is there."""
    return [name for name, (_, package) in PEERS.items() if importlib.util.find_spec(package) is not None]


def resampled(peer: str, transform: Path, moving: Path, fixed: Path, output: Path) -> np.ndarray | str:
    """The labels that a peer writes, or in one line why it writes none."""
    output.unlink(missing_ok=True)
    try:
        PEERS[peer][0](*(str(path) for path in (transform, moving, fixed, output)))
        return sitk.GetArrayFromImage(sitk.ReadImage(str(output)))
    except Exception as error:  # whatever a peer raises is its answer
        return " ".join(str(error).split())[-200:] or repr(error)
