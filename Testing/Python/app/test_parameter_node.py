"""The typed parameter node on an empty scene and with every kind of node that a field takes."""

import pytest
from harness import scripted

scripted.install()
from ISTNRegistrationLib.app.parameter_node import ISTNRegistrationParameterNode, typedParameters  # noqa: E402

MASKS = ("fixedMask", "movingMask")
STRUCTURES = (*MASKS, "fixedStructures", "movingStructures", "fixedCorrected", "movingCorrected", "rigidRegion")


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters")


@pytest.mark.parametrize("field", STRUCTURES)
def test_a_mask_is_none_a_segmentation_a_label_map_and_none_again(scene, node, field):
    parameters = typedParameters(node)
    assert getattr(parameters, field) is None
    kinds = ["vtkMRMLMarkupsROINode"] if field in MASKS else []
    for kind in ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode", *kinds):
        chosen = scene.AddNewNodeByClass(kind)
        setattr(parameters, field, chosen)
        assert getattr(parameters, field) is chosen and getattr(typedParameters(node), field) is chosen
    setattr(parameters, field, None)
    assert getattr(parameters, field) is None and getattr(typedParameters(node), field) is None
    with pytest.raises((TypeError, ValueError)):
        setattr(parameters, field, scene.AddNewNodeByClass("vtkMRMLModelNode"))


WRONG = {
    "landmarkWeight": ("-1", "1001", "nan", "much"),
    "iterations": ("99999", "-1", "many", "5.5", ""),
    "previewEvery": ("0", "101"),
    "refine": ("magic", ""),
    "initial": ("rightwards",),
    "device": ("abacus",),
    "heatmap": ("cold",),
    "comparison": ("wobble",),
    "orientation": ("Oblique",),
    "opacity": ("nan", "inf", "1.01", "-0.1", "half"),
    "heatHigh": ("2",),
    "preview": ("perhaps", ""),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_what_can_no_longer_be_chosen_becomes_the_default(scene, node, name, text):
    default = getattr(typedParameters(node), name)
    node.SetParameter(name, text)
    assert getattr(typedParameters(node), name) == default


def test_what_can_be_chosen_is_kept(scene, node):
    for name, text in {"iterations": "2000", "opacity": "0.25", "refine": "weights", "preview": "False"}.items():
        node.SetParameter(name, text)
    kept = typedParameters(node)
    assert (kept.iterations, kept.opacity, kept.refine, kept.preview) == (2000, 0.25, "weights", False)


def test_no_field_is_called_like_something_that_the_wrapper_needs():
    assert not {"parameterNode", "default", "allParameters"} & set(ISTNRegistrationParameterNode.__annotations__)
