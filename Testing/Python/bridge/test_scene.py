"""Nodes by class, in order; what came since."""

from ISTNRegistrationLib.bridge.scene import nodeIds, nodesOfClass, nodesSince


def test_nodes_of_a_class_are_those_of_it_and_below_it_in_the_scene_s_order(scene):
    added = [scene.AddNewNodeByClass(f"vtkMRML{kind}Node") for kind in ("LabelMapVolume", "Model", "ScalarVolume")]
    assert nodesOfClass(scene, "vtkMRMLScalarVolumeNode") == [added[0], added[2]]
    assert nodesOfClass(scene) == [scene.GetNthNode(k) for k in range(scene.GetNumberOfNodes())]


def test_nodes_since_are_only_the_new_ones_in_order(scene):
    scene.AddNewNodeByClass("vtkMRMLModelNode")
    before = nodeIds(scene)
    added = [scene.AddNewNodeByClass(f"vtkMRML{kind}Node") for kind in ("ScalarVolume", "Model")]
    assert nodesSince(scene, before) == added
