"""The bundled pair of brains in Slicer's Sample Data module, and for the panel; all offline."""

from __future__ import annotations

import hashlib
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..bridge.views import showVolumes, usersViews

CATEGORY = "ISTN Registration"
PAIR = {"ISTNFixedBrain": "mni152.nii.gz", "ISTNMovingBrain": "colin27.nii.gz"}
RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


def registerSampleData() -> None:
    """Add the pair to the Sample Data module, one entry for each brain and one for both; called when Slicer is up."""
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):  # Slicer 5.12 and newer
        logic.registerCustomSampleDataCategory(CATEGORY, _("ISTN Registration"))
    entries = {name: [name] for name in PAIR} | {"ISTNBrainPair": list(PAIR)}
    for name, nodes in entries.items():
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            thumbnailFileName=str(RESOURCES / "Icons" / f"{name}.png"),
            uris=[sampleFile(node).as_uri() for node in nodes],
            fileNames=[PAIR[node] for node in nodes],
            checksums=[f"SHA256:{hashlib.sha256(sampleFile(node).read_bytes()).hexdigest()}" for node in nodes],
            nodeNames=nodes,
        )


def sampleFile(name: str) -> Path:
    """File of one of the pair."""
    return RESOURCES / "SampleData" / PAIR[name]


def loadSamplePair():
    """(fixed, moving) volume nodes of the pair: the MNI152 average and one person's brain (Colin 27).

    Raises:
        RuntimeError: a file cannot be read.
    """
    logic = slicer.modules.volumes.logic()
    nodes = tuple(logic.AddArchetypeVolume(str(sampleFile(name)), name, 0) for name in PAIR)
    if None in nodes:
        raise RuntimeError(f"The sample data in {RESOURCES / 'SampleData'} cannot be read")
    return nodes


def showSamplePair(pair) -> None:
    """Show the moving brain half transparent over the fixed one in the user's slice views."""
    if showVolumes(slicer.mrmlScene, usersViews(slicer.mrmlScene), *pair):
        slicer.util.resetSliceViews()
