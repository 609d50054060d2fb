"""What an output transform knows about its making, and the script that makes it again."""

from __future__ import annotations

import json

ATTRIBUTE = "ISTNRegistration.provenance"


def setProvenance(transformNode, pair, outcome) -> None:
    """Write the report, input names and loss curves of an Outcome into the transform node (as JSON)."""
    asked = outcome.request.checkpoint
    record = outcome.report()
    record["checkpoint_source"] = asked.name if asked is outcome.checkpoint else str(asked)
    record["nodes"] = {"fixed": pair[0].GetName(), "moving": pair[1].GetName()}
    record["losses"] = {s.name: [round(loss, 9) for loss in s.losses] for s in outcome.result.stages if s.losses}
    transformNode.SetAttribute(ATTRIBUTE, json.dumps(record))


def provenance(transformNode) -> dict | None:
    """What ``setProvenance`` wrote; None for a transform from elsewhere."""
    text = transformNode.GetAttribute(ATTRIBUTE)
    return json.loads(text) if text else None


def asPython(record: dict) -> str:
    """A script for Slicer's Python console that makes the same transform from the same nodes."""
    options = dict(record["options"])
    nodes = record["nodes"]
    names = [record[role]["mask"] for role in ("fixed", "moving")]
    masks = ["None" if name is None else f"getNode({name!r})" for name in names]
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
