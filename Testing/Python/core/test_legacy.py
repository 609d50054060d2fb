"""Files without a digest are read by another process: the same content, a warning, and no crash of this one."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core import legacy
from ISTNRegistrationLib.core.card import read_card
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError

BIAS = "weights/itn.out.bias"


def older(path, change=lambda file: None):
    """The checkpoint as version 0.1 wrote it: compressed tensors, no user block; then changed."""
    new = path.with_name("older.h5")
    with h5py.File(path) as source, h5py.File(new, "w") as file:
        file.attrs.update(source.attrs)
        for key, values in source["weights"].items():
            file.create_dataset(f"weights/{key}", data=values[()], compression="gzip", shuffle=True, fletcher32=True)
        change(file)
    return new


@pytest.fixture
def saved(tmp_path):
    return checkpoint_file(tmp_path / "tiny.h5", small_config(3))


def test_the_content_is_the_same_and_the_missing_digest_is_told(saved):
    loaded, wanted = load_checkpoint(older(saved)), load_checkpoint(saved)
    assert loaded.config == wanted.config and loaded.card == wanted.card
    assert loaded.warnings == ("Checkpoint 'older' " + loaded.warnings[0].partition("' ")[2],)
    assert "no checksum" in loaded.warnings[0] and not read_card(older(saved)).verified
    first, second = loaded.model.state_dict(), wanted.model.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in second)


def test_chunks_that_do_not_divide_the_tensor_are_put_where_they_belong(saved):
    def rechunk(file):
        values = file["weights/itn.down.0.conv1.weight"][()]
        del file["weights/itn.down.0.conv1.weight"]
        file.create_dataset("weights/itn.down.0.conv1.weight", data=values, chunks=(3, 2, 2, 2, 2), compression="gzip")

    first, second = (load_checkpoint(path).model.state_dict() for path in (older(saved, rechunk), saved))
    assert all(torch.equal(first[key], second[key]) for key in second)


def bomb(file):
    """A chunk that unpacks to far more than its size."""
    del file[BIAS]
    dataset = file.create_dataset(BIAS, (2,), "f4", chunks=(2,), compression="gzip")
    import zlib

    dataset.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 26)))


def huge(file):
    file.create_dataset("weights/huge", (1 << 40,), "f4", chunks=(1 << 20,))


HOSTILE = {
    "a bomb": bomb,
    "a huge tensor": huge,
    "a link": lambda f: f.__setitem__("weights/x", h5py.ExternalLink("other.h5", "/x")),
    "an array of texts": lambda f: f.attrs.__setitem__("card", np.array([b"a", b"b"])),
    "no weights": lambda f: f.__delitem__("weights"),
    "another version": lambda f: f.attrs.__setitem__("format_version", 99),
    "NaN": lambda f: f.attrs.__setitem__("config", f.attrs["config"].replace("16", "NaN")),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_content_is_one_short_line(change, saved):
    with pytest.raises(InputError) as error:
        load_checkpoint(older(saved, change))
    assert "older.h5" in str(error.value) and len(str(error.value)) < 1000 and "\n" not in str(error.value)


def test_a_crash_of_the_library_is_an_error_and_not_the_end(saved, monkeypatch):
    monkeypatch.setattr(legacy, "CHILD", "import os; os.abort()  # {}")
    with pytest.raises(InputError, match="bytes that stop the HDF5 library"):
        load_checkpoint(older(saved))


def test_an_endless_loop_ends(saved, monkeypatch):
    monkeypatch.setattr(legacy, "CHILD", "import time; time.sleep(60)  # {}")
    monkeypatch.setattr(legacy, "CHILD_S", 0.3)
    with pytest.raises(InputError, match="could not read.*timed out"):
        load_checkpoint(older(saved))


def test_this_process_never_parses_bytes_without_a_digest(saved):
    """The library is told to open files only from sealed memory."""
    old = older(saved)
    code = (
        "import sys, io, h5py\n"
        "from ISTNRegistrationLib.core.card import read_card\n"
        "kept = h5py.File\n"
        "def opened(source, *rest, **options):\n"
        "    assert isinstance(source, io.BytesIO) and source.getvalue().startswith(b'ISTN checkpoint, SHA-256')\n"
        "    return kept(source, *rest, **options)\n"
        "h5py.File = opened\n"
        "read_card(sys.argv[1])\n"
    )
    library = str(legacy.Path(legacy.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code, str(old)], cwd=library, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_flipped_bytes_are_an_input_error_or_a_checkpoint_with_a_warning(saved):
    data, rng = older(saved).read_bytes(), np.random.default_rng(0)
    for _ in range(12):
        changed = bytearray(data)
        for place in rng.integers(0, 4000, 3):
            changed[place] = rng.integers(256)
        saved.write_bytes(changed)
        try:
            assert json.dumps(load_checkpoint(saved).card) == "{}"
        except InputError:
            continue
