"""Imported first by the scripts that are started on their own: where things are, and the library can be imported."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "ISTNRegistration" / "Resources" / "SampleData"
DATA = ROOT.parent / "shared" / "data"  # beside the repository, not part of it
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "ISTNRegistration")]
