"""The bundled pair in the Sample Data module: offline, with thumbnails and checksums that hold."""

import hashlib
import sys
import types
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from ISTNRegistrationLib.app import sampledata


@pytest.mark.parametrize("newer", [False, True])
def test_every_entry_is_local_whole_and_pictured(monkeypatch, newer):
    entries, categories = [], []
    logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **entry: entries.append(entry))
    if newer:
        logic.registerCustomSampleDataCategory = categories.append
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    sampledata.registerSampleData()
    assert [e["sampleName"] for e in entries] == ["ISTNFixedBrain", "ISTNMovingBrain", "ISTNBrainPair"]
    assert categories == (["ISTN Registration"] if newer else [])
    for entry in entries:
        assert Path(entry["thumbnailFileName"]).read_bytes().startswith(b"\x89PNG")
        for uri, checksum in zip(entry["uris"], entry["checksums"], strict=True):
            path = Path(urllib.request.url2pathname(urllib.parse.urlparse(uri).path))
            assert uri.startswith("file:") and checksum == "SHA256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_pair_is_loaded_into_the_scene(scene):
    fixed, moving = sampledata.loadSamplePair()
    assert (fixed.GetName(), moving.GetName()) == ("ISTNFixedBrain", "ISTNMovingBrain")
    assert fixed.GetImageData().GetNumberOfPoints() > 1e5
