"""Slicer's own Python, from a checkout of its public repository that ISTN_SLICER_SOURCE names; none of it is kept here.

``Base/Python/slicer`` (ScriptedLoadableModule, parameterNodeWrapper, i18n, util, packaging) and ``SampleData`` run on
slicer-core with our ``qt`` and ``ctk``.
"""

import importlib
import os
import sys
from pathlib import Path

import slicer

SOURCE = Path(os.environ["ISTN_SLICER_SOURCE"]) if os.environ.get("ISTN_SLICER_SOURCE") else None
WHY_NOT = "ISTN_SLICER_SOURCE names no checkout of Slicer's repository"
OWN = ("ScriptedLoadableModule", "parameterNodeWrapper", "i18n")


def install():
    """Put them in the places of slicer-core's util and of our stand-ins; ``qt`` and ``ctk`` must be there."""
    folder = SOURCE / "Base" / "Python" / "slicer"
    if not (folder / "ScriptedLoadableModule.py").is_file():
        raise FileNotFoundError(f"{WHY_NOT}: there is no {folder / 'ScriptedLoadableModule.py'}")
    slicer.__path__.insert(0, str(folder))
    sys.path.append(str(SOURCE / "Modules" / "Scripted" / "SampleData"))
    sys.modules.pop("slicer.util", None)
    for name in ("util", *OWN):
        setattr(slicer, name, importlib.import_module(f"slicer.{name}"))
