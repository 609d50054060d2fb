"""Imported first by the scripts that are started on their own: the library and the other scripts can be imported."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "ISTNRegistration")]
