"""One HDF5 file of resampled, normalized volumes that training reads from.

Layout: ``scans/00000/image`` float16 and ``scans/00000/soi`` uint8 (255 stands for 1), both on the grid of
:func:`cache_grid` around the image's own anchor, in chunks that any HDF5 tool can unpack; when images are synthesized,
``scans/00000/labels`` uint16, the whole label map (``image`` and ``soi`` may then be missing); ``pairs/train`` and
``pairs/val`` (moving, fixed) when pairs were listed. The attributes tell where everything comes from: of a scan the
paths, sizes, times and SHA-256 of its files, the original size and spacing and the intensities that became 0 and 1;
of the file the configuration, the versions and the date.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import h5py
import numpy as np

from ..core.config import ModelConfig
from ..core.errors import InputError
from ..core.files import is_file, write_atomically
from ..core.grid import Grid
from ..core.preprocess import Prepared
from .coverage import check_coverage, coverage_lines, covered_shares, filled_share
from .files import DiskFile, sha256_of
from .images import read_image
from .label_maps import read_paintable
from .report import versions
from .scans import Scan, Study
from .structures import draw, read_structures

FORMAT = "ISTN training data 2"
MARGIN_MM = 16.0
STORED = {"chunks": True, "compression": "gzip", "compression_opts": 1, "shuffle": True}
FILES = ("image", "labels")


def cache_grid(config: ModelConfig) -> Grid:
    """The networks' grid around zero, larger by the margin that augmentation moves into."""
    sides = zip(config.grid.size, config.grid.spacing, strict=True)
    size = [s + 2 * min(round(MARGIN_MM / h), s // 2) for s, h in sides]
    return Grid.centered((0.0,) * config.ndim, size, config.grid.spacing)


def scan_key(index: int) -> str:
    """Name of a scan's group."""
    return f"{index:05d}"


def changes(path: Path, study: Study, config: ModelConfig) -> list[str]:
    """What keeps the cache from being that of ``study`` with its files as they are now: nothing if it is."""
    if not is_file(path):
        return ["there is no cache yet"]
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("configuration") != _configuration(config, study.painted):
                return ["the cache was made with another [model], or without [synthesis]"]
            stored = [_scan(group) for group in file["scans"].values()]
            found = [f"{name} has changed" for group in file["scans"].values() for name in _changed_files(group)]
            if tuple(stored) != study.scans or _pairs(file) != study.pairs:
                found.append("the list of scans or pairs has changed")
            return found
    except (OSError, KeyError):
        return ["the cache cannot be read"]


def prepare(study: Study, config: ModelConfig, path: Path, on_scan: Callable[[], object] = lambda: None) -> None:
    """Write the cache; scans of a cache already there whose files have not changed are copied from it.

    ``on_scan`` is called after each scan. Nothing is left of a failed run, and the cache that was there stays.

    Raises:
        InputError: an image or its structures cannot be used, the networks' grid misses them, or the cache cannot be
            written.
    """
    configuration = _configuration(config, study.painted)
    reusable = _unchanged_scans(path, configuration)

    def write(name: str) -> None:
        with DiskFile(name) as disk, h5py.File(disk, "w") as file:
            for index, scan in enumerate(study.scans):
                old = (path, reusable.get(_files(scan)))
                _put(file.create_group(f"scans/{scan_key(index)}"), scan, config, old, study.painted)
                on_scan()
            check_coverage([channel.name for channel in config.channels], *_coverage(file))
            for split, pairs in (study.pairs or {}).items():
                file[f"pairs/{split}"] = np.array(pairs, dtype=np.int32)
            file.attrs["format"], file.attrs["configuration"] = FORMAT, configuration
            file.attrs["created"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
            file.attrs["versions"] = json.dumps(versions())

    write_atomically(path, write, f"Cache '{path}'")


def summary(path: Path) -> str:
    """What a cache holds and where it comes from, in a few lines."""
    with h5py.File(path, "r") as file:
        scans, first = file["scans"], next(iter(file["scans"].values()))
        counts = {split: len(rows) for split, rows in (_pairs(file) or {}).items()}
        pairs = ", ".join(f"{count} {split}" for split, count in counts.items()) or "random, of different people"
        lines = [
            f"{path}: {len(scans)} scans, {path.stat().st_size / 1e6:.1f} MB; pairs: {pairs}",
            "; ".join(f"{key} {first[key].shape} {first[key].dtype}" for key in first),
            f"made {file.attrs['created']} with {_listed(json.loads(file.attrs['versions']))}",
        ]
        names = [channel["name"] for channel in json.loads(file.attrs["configuration"])["channels"]]
        shares, _ = _coverage(file)
        sources = [group.attrs["image"] for group in scans.values() if "covered" in group.attrs]
        lines += coverage_lines(names, shares, [Path(source).name for source in sources]) if len(shares) else []
    return "\n".join(lines)


def _coverage(file: h5py.File) -> tuple[np.ndarray, np.ndarray]:
    """Shares (scans, channels) of the structures in the networks' grid, and (scans,) of the grid in the images."""
    known = [group.attrs for group in file["scans"].values() if "covered" in group.attrs]
    return np.array([a["covered"] for a in known]), np.array([a["filled"] for a in known])


def _listed(values: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _put(group: h5py.Group, scan: Scan, config: ModelConfig, old: tuple[Path, str | None], painted: bool) -> None:
    """Fill the group of a scan, from the key of the ``old`` file if there is one."""
    if old[1] is None:
        _write_scan(group, scan, config, painted)
    else:
        with h5py.File(old[0], "r") as source:
            stored = source["scans"][old[1]]
            group.attrs.update(stored.attrs)
            for key in stored:
                source.copy(stored[key], group, name=key)
    group.attrs.update({"person": scan.person, "split": scan.split})


def _write_scan(group: h5py.Group, scan: Scan, config: ModelConfig, painted: bool) -> None:
    for role, path in zip(FILES, _files(scan), strict=True):
        if path:
            stamp = Path(path).stat()
            group.attrs.update({f"{role}_bytes": stamp.st_size, f"{role}_mtime_ns": stamp.st_mtime_ns})
            group.attrs[f"{role}_sha256"] = sha256_of(path)
        group.attrs[role] = path
    if scan.image:
        _write_image(group, scan, config)
    if painted:
        array, grid, middle = read_paintable(scan.labels, config)
        dataset = group.create_dataset("labels", data=array, **STORED)
        dataset.attrs.update({"matrix": grid.matrix, "middle_lps_mm": middle})


def _write_image(group: h5py.Group, scan: Scan, config: ModelConfig) -> None:
    """The image and its structure map, as the networks see them."""
    image = read_image(scan.image)
    if image.grid.ndim != config.ndim:
        expected, got = f"{config.ndim} axes as in model.grid", f"{image.grid.ndim}"
        raise InputError(f"Image '{scan.image}'", "it has another dimension than the model", expected, got)
    prepared = Prepared(image)
    middle = config.grid.at(prepared.anchor(config.grid.anchor)).center
    grid = Grid.centered(middle, cache_grid(config).size, config.grid.spacing)
    values = prepared.network_input(grid, np.eye(config.ndim + 1), config.normalization)[0, 0].numpy()
    if not np.abs(values).max() <= np.finfo(np.float16).max:
        todo = "Check the file, or set model.normalization to 'percentile'"
        raise InputError(
            f"Image '{scan.image}'", "its values cannot be stored", "finite numbers to 65504", "more", todo
        )
    structures = read_structures(scan.labels, config.channels, config.ndim)
    soi = draw(structures, config.channels, grid)[0].clamp(0, 1)
    group.create_dataset("image", data=values.astype(np.float16), **STORED)
    group.create_dataset("soi", data=(soi * 255).round().numpy().astype(np.uint8), **STORED)
    group.attrs.update({"original_size": image.grid.size, "original_spacing_mm": image.grid.spacing})
    group.attrs["intensity_range"] = prepared.intensity_range(config.normalization)
    seen = Grid.centered(middle, config.grid.size, config.grid.spacing)
    group.attrs["covered"] = covered_shares(structures, config.channels, seen)
    group.attrs["filled"] = filled_share(image.grid, seen)


def _unchanged_scans(path: Path, configuration: str) -> dict[tuple[str, str], str]:
    """Scans of an existing cache that are as its files are now: their two paths and their key."""
    if not is_file(path):
        return {}
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("configuration") != configuration:
                return {}
            groups = file["scans"].items()
            return {_files(_scan(group)): key for key, group in groups if not _changed_files(group)}
    except (OSError, KeyError):
        return {}


def _changed_files(group: h5py.Group) -> list[str]:
    """Paths of the scan's files that are gone or hold something else; if only the time differs, SHA-256 decides."""
    return [group.attrs[role] for role in FILES if not _is_unchanged(group.attrs, role)]


def _is_unchanged(attributes: h5py.AttributeManager, role: str) -> bool:
    path = Path(attributes[role])
    if not attributes[role]:
        return True  # there was no image
    if not is_file(path) or path.stat().st_size != attributes[f"{role}_bytes"]:
        return False
    return path.stat().st_mtime_ns == attributes[f"{role}_mtime_ns"] or sha256_of(path) == attributes[f"{role}_sha256"]


def _configuration(config: ModelConfig, painted: bool) -> str:
    """The part of the configuration that decides what a scan becomes, as JSON."""
    channels = [asdict(channel) for channel in config.channels]
    seen = {"grid": asdict(config.grid), "channels": channels, "normalization": config.normalization}
    return json.dumps(seen | {"margin_mm": MARGIN_MM, "format": FORMAT} | ({"painted": True} if painted else {}))


def _files(scan: Scan) -> tuple[str, str]:
    return str(scan.image or ""), str(scan.labels)


def _scan(group: h5py.Group) -> Scan:
    paths = (Path(group.attrs[role]) if group.attrs[role] else None for role in FILES)
    return Scan(*paths, group.attrs["person"], group.attrs["split"])


def _pairs(file: h5py.File) -> dict | None:
    if "pairs" not in file:
        return None
    return {split: tuple(map(tuple, rows[:].tolist())) for split, rows in file["pairs"].items()}
