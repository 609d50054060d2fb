"""What an output transform knows about its making, and the script that makes it again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import slicer

if TYPE_CHECKING:
    from ..data.run import Outcome
    from .registration import NodeRequest


ATTRIBUTE = "ISTNRegistration.provenance"


def setProvenance(transformNode: slicer.vtkMRMLTransformNode, request: NodeRequest, outcome: Outcome) -> None:
    """Write the report, input names and loss curves of an Outcome into the transform node (as JSON).

    Args:
        request: the NodeRequest.
    """
    sides, asked = {"fixed": request.fixed, "moving": request.moving}, outcome.request.checkpoint
    record = outcome.report()
    record["checkpoint_source"] = asked.name if asked is outcome.checkpoint else str(asked)
    kept = (("nodes", "image"), ("masks", "mask"), ("landmarks", "landmarks"), ("corrected", "corrected"))
    kept += (("rigid", "rigid"),)
    for key, what in kept:
        nodes = {role: getattr(side, what) for role, side in sides.items()}
        record[key] = {role: node and node.GetName() for role, node in nodes.items()}
    record["losses"] = {s.name: [round(loss, 9) for loss in s.losses] for s in outcome.result.stages if s.losses}
    transformNode.SetAttribute(ATTRIBUTE, json.dumps(record))


def provenance(transformNode: slicer.vtkMRMLTransformNode) -> dict | None:
    """What ``setProvenance`` wrote; None for a transform from elsewhere."""
    text = transformNode.GetAttribute(ATTRIBUTE)
    return json.loads(text) if text else None


def asPython(record: dict) -> str:
    """A script for Slicer's Python console that makes the same transform from the same nodes, step by step."""
    first, changes = _steps(record)
    lines = [
        f"# Made with checkpoint {record['checkpoint']['name']} (SHA-256 {record['checkpoint']['sha256']}),",
        "# " + ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "from slicer.util import getNode",
        f"from ISTNRegistrationLib.mrml import SideNodes, register{', registerAgain' if changes else ''}",
        "",
        "nodes = register(",
        *(f"    {_side(record, role)}," for role in ("fixed", "moving")),
        f"    checkpoint={record['checkpoint_source']!r},",
        *(f"    {key}={value!r}," for key, value in first.items() if value is not None),
        ")",
        *(f"nodes = registerAgain(nodes, {_words(change)})" for change in changes),
        "print(nodes.transform.GetName())",
    ]
    return "\n".join(lines) + "\n"


def _steps(record: dict) -> tuple[dict, list[dict]]:
    """The options of the first answer, and what was changed since then."""
    variant = record.get("variant")
    return (variant["of"]["options"], variant["changes"]) if variant else (record["options"], [])


def _words(change: dict) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in change.items())


def _side(record: dict, role: str) -> str:
    """The nodes of one side; landmarks only where they decide something."""
    parts = [f"getNode({record['nodes'][role]!r})"]
    for word, key in (("mask", "masks"), ("corrected", "corrected"), ("rigid", "rigid")):
        if record.get(key, {}).get(role):
            parts.append(f"{word}=getNode({record[key][role]!r})")
    first, changes = _steps(record)
    if first["initial"] == "landmarks" or any(options.get("landmark_weight") for options in (first, *changes)):
        parts.append(f"landmarks=getNode({record['landmarks'][role]!r})")
    return f"SideNodes({', '.join(parts)})"
