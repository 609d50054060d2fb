"""The bundled pair in the Sample Data module: offline, with thumbnails and checksums that hold."""

import hashlib
import importlib
import sys
import types
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import slicer
from harness import scripted, slicer_source

scripted.install()
from ISTNRegistrationLib.app import sampledata  # noqa: E402


class SampleData510:
    """SampleDataLogic of Slicer 5.10: Modules/Scripted/SampleData/SampleData.py:510."""

    def __init__(self):
        self.titles, self.entries = {}, []

    def registerCustomSampleDataSource(
        self, category="Custom", sampleName=None, uris=None, fileNames=None, nodeNames=None, customDownloader=None,
        thumbnailFileName=None, loadFileTypes=None, loadFiles=None, loadFileProperties=None, checksums=None,
    ):  # fmt: skip
        entry = {"sampleName": sampleName, "uris": uris, "fileNames": fileNames, "nodeNames": nodeNames}
        self.entries.append({"category": category, "thumbnail": thumbnailFileName, "checksums": checksums, **entry})


class SampleData512(SampleData510):
    """Of Slicer 5.12: SampleData.py:532."""

    def registerCustomSampleDataCategory(self, category, title):
        self.titles[category] = title


@pytest.mark.parametrize("version", [SampleData510, SampleData512])
def test_every_entry_is_local_whole_and_pictured(monkeypatch, version):
    logic = version()
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    sampledata.registerSampleData()
    assert [e["sampleName"] for e in logic.entries] == ["ISTNFixedBrain", "ISTNMovingBrain", "ISTNBrainPair"]
    assert logic.titles == ({"ISTN Registration": "ISTN Registration"} if version is SampleData512 else {})
    for entry in logic.entries:
        assert entry["category"] == "ISTN Registration"
        assert Path(entry["thumbnail"]).read_bytes().startswith(b"\x89PNG")
        for uri, checksum in zip(entry["uris"], entry["checksums"], strict=True):
            path = Path(urllib.request.url2pathname(urllib.parse.urlparse(uri).path))
            assert uri.startswith("file:") and checksum == "SHA256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.skipif(slicer_source.SOURCE is None, reason=slicer_source.WHY_NOT)
def test_slicer_s_own_sample_data_lists_the_pair_and_gets_its_files(scene, tmp_path, monkeypatch):
    SampleData = importlib.import_module("SampleData")
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {}, raising=False)
    monkeypatch.setattr(slicer.modules, "sampleDataSourceCategories", {}, raising=False)
    sampledata.registerSampleData()
    sources = slicer.modules.sampleDataSources["ISTN Registration"]
    assert [source.sampleName for source in sources] == ["ISTNFixedBrain", "ISTNMovingBrain", "ISTNBrainPair"]
    logic, pair = SampleData.SampleDataLogic(), sources[-1]
    assert pair.nodeNames == ["ISTNFixedBrain", "ISTNMovingBrain"]
    for uri, name, checksum in zip(pair.uris, pair.fileNames, pair.checksums, strict=True):
        got = logic.downloadFile(uri, str(tmp_path), name, checksum)
        assert hashlib.sha256(Path(got).read_bytes()).hexdigest() == checksum.partition(":")[2]


def test_the_pair_is_loaded_into_the_scene(scene):
    fixed, moving = sampledata.loadSamplePair()
    assert (fixed.GetName(), moving.GetName()) == ("ISTNFixedBrain", "ISTNMovingBrain")
    assert fixed.GetImageData().GetNumberOfPoints() > 1e5
