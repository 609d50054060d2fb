"""What an output transform knows about its making, and the script that makes it again."""

from __future__ import annotations

import json

ATTRIBUTE = "ISTNRegistration.provenance"


def setProvenance(transformNode, pair, computation) -> None:
    """Write checkpoint, parameters, versions, input names and loss curves into the transform node (as JSON)."""
    inputs = computation.inputs
    record = dict(computation.report)
    record["checkpoint_source"] = computation.checkpointSource
    record["nodes"] = {"fixed": pair[0].GetName(), "moving": pair[1].GetName()}
    record["masks"] = {
        role: mask.name if mask is not None else None
        for role, mask in (("fixed", inputs.fixedMask), ("moving", inputs.movingMask))
    }
    record["losses"] = {s.name: [round(loss, 9) for loss in s.losses] for s in computation.result.stages if s.losses}
    record["notes"] = list(computation.notes)
    transformNode.SetAttribute(ATTRIBUTE, json.dumps(record))


def provenance(transformNode) -> dict | None:
    """What ``setProvenance`` wrote; None for a transform from elsewhere."""
    text = transformNode.GetAttribute(ATTRIBUTE)
    return json.loads(text) if text else None


def asPython(record: dict) -> str:
    """A script for Slicer's Python console that makes the same transform from the same nodes."""
    options = dict(record["options"])
    nodes = record["nodes"]
    masks = ["None" if name is None else f"getNode({name!r})" for name in record["masks"].values()]
    lines = [
        f"# Made with checkpoint {record['checkpoint']['name']} (SHA-256 {record['checkpoint']['sha256']}),",
        "# " + ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "from slicer.util import getNode",
        "from ISTNRegistration import ISTNRegistrationLogic",
        "",
        f"fixed, moving = getNode({nodes['fixed']!r}), getNode({nodes['moving']!r})",
        "nodes = ISTNRegistrationLogic().register(",
        "    fixed,",
        "    moving,",
        f"    checkpoint={record['checkpoint_source']!r},",
        f"    masks=({masks[0]}, {masks[1]}),",
        *(f"    {key}={value!r}," for key, value in options.items()),
        ")",
        "print(nodes.transform.GetName())",
    ]
    return "\n".join(lines) + "\n"
