"""Which scans training sees, and the pairs it makes of them: a list of subjects, of pairs, or the published code's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from .lists import check_files, listed_path, read_table

SPLITS = ("train", "val")
PAIR_COLUMNS = ("fixed", "moving", "fixed_soi", "moving_soi")
SUBJECT_COLUMNS = ("person", "image", "labels", "split")


@dataclass(frozen=True)
class PublishedConfig:
    """Lists of the published code: CSVs with columns src (moving) and trg (fixed), of images and of structure maps.

    The CSVs and the paths in them are relative to ``root``, the folder in which the published code was run; ``root``
    is relative to the configuration file.
    """

    train: str
    train_seg: str
    val: str
    val_seg: str
    root: str = "."


@dataclass(frozen=True)
class DataConfig:
    """Training data: exactly one of the three lists; all paths are relative to the configuration file.

    ``cache`` is where the prepared volumes lie; by default ``cache.h5`` in the folder of the run.
    """

    subjects: str = ""
    pairs: str = ""
    published: PublishedConfig | None = None
    cache: str = ""

    def __post_init__(self) -> None:
        given = [key for key in ("subjects", "pairs", "published") if getattr(self, key)]
        if len(given) != 1:
            expected, got = "exactly one of subjects, pairs, published", ", ".join(given) or "none of them"
            raise InputError("Configuration table 'data'", "it must name one list", expected, got)


@dataclass(frozen=True)
class Scan:
    """One image with the file of its structures; ``person`` and ``split`` are empty in a list of pairs.

    ``image`` is None where images are synthesized from the labels.
    """

    image: Path | None
    labels: Path
    person: str = ""
    split: str = ""


@dataclass(frozen=True)
class Study:
    """Scans, each once, and for each split the pairs (moving, fixed) of their indices; None stands for random pairs.

    ``painted``: images are synthesized from the label maps, which are kept whole.
    """

    scans: tuple[Scan, ...]
    pairs: dict[str, tuple[tuple[int, int], ...]] | None = None
    painted: bool = False


def read_study(config: DataConfig, folder: Path, painted: bool = False) -> Study:
    """The scans and pairs of a configuration that lies in ``folder``.

    Args:
        painted: images are synthesized from the label maps; those of the list may be missing.

    Raises:
        InputError: a list or a file that it names is missing, not as expected, or a split is empty.
    """
    if painted and not config.subjects:
        expected, got = "a list of subjects", "another list"
        raise InputError("Configuration table 'synthesis'", "it needs label maps of people", expected, got)
    if config.subjects:
        study = read_subjects(folder / config.subjects, painted)
    elif config.pairs:
        study = read_pair_list(folder / config.pairs)
    else:
        study = read_published(config.published, folder)
    check_files((path for scan in study.scans for path in (scan.image, scan.labels) if path), "Training data")
    return study


def read_subjects(path: Path, painted: bool = False) -> Study:
    """Scans of a CSV with columns person, image, labels, split (``train`` or ``val``); paths relative to the CSV.

    Args:
        painted: images are synthesized from the label maps; the column image may be missing or empty.

    Raises:
        InputError: no such file, not a CSV, a missing column, an empty field, another split, fewer than two people.
    """
    who, scans = f"Subjects '{path.name}'", []
    columns = tuple(column for column in SUBJECT_COLUMNS if not (painted and column == "image"))
    for line, row in enumerate(read_table(path, who, columns), start=2):
        _check_split(row["split"], f"{who} line {line}")
        image, labels = (
            listed_path(path.parent, row[key]).resolve() if row.get(key) else None for key in ("image", "labels")
        )
        scans.append(Scan(image, labels, row["person"], row["split"]))
    for split in SPLITS:
        people = {scan.person for scan in scans if scan.split == split}
        if len(people) < 2:
            raise InputError(who, f"too few people in split '{split}'", "at least 2", f"{len(people)}")
    return Study(tuple(scans), painted=painted)


def read_pair_list(path: Path) -> Study:
    """Pairs of a CSV with columns fixed, moving, fixed_soi, moving_soi, split; paths relative to the CSV.

    Raises:
        InputError: no such file, not a CSV, a missing column, an empty field, another split, or a split without pairs.
    """
    who, rows = f"Pairs '{path.name}'", []
    for line, row in enumerate(read_table(path, who, (*PAIR_COLUMNS, "split")), start=2):
        _check_split(row["split"], f"{who} line {line}")
        rows.append(
            (row["split"], *(_scan(path.parent, row[role], row[f"{role}_soi"]) for role in ("moving", "fixed")))
        )
    return _study(rows, who)


def read_published(config: PublishedConfig, folder: Path) -> Study:
    """Pairs of the published code's CSVs; ``folder`` is that of the configuration file.

    Raises:
        InputError: as :func:`read_pair_list`, or lists of images and structures of different length.
    """
    root, rows = folder / config.root, []
    for split in SPLITS:
        names = getattr(config, split), getattr(config, f"{split}_seg")
        images, maps = (read_table(root / name, f"Published list '{name}'", ("src", "trg")) for name in names)
        if len(images) != len(maps):
            got = f"{len(images)} and {len(maps)} rows"
            raise InputError(f"Published lists '{names[0]}' and '{names[1]}'", "they do not match", "a row each", got)
        for image, labels in zip(images, maps, strict=True):
            rows.append((split, *(_scan(root, image[role], labels[role]) for role in ("src", "trg"))))
    return _study(rows, "Published lists")


def _scan(folder: Path, image: str, labels: str) -> Scan:
    return Scan(listed_path(folder, image).resolve(), listed_path(folder, labels).resolve())


def _study(rows: list[tuple[str, Scan, Scan]], who: str) -> Study:
    """Rows (split, moving, fixed) with every scan once."""
    index: dict[Scan, int] = {}
    pairs: dict[str, list[tuple[int, int]]] = {split: [] for split in SPLITS}
    for split, moving, fixed in rows:
        pairs[split].append(tuple(index.setdefault(scan, len(index)) for scan in (moving, fixed)))
    for split in SPLITS:
        if not pairs[split]:
            raise InputError(who, f"there are no pairs in split '{split}'", "one or more", "none")
    return Study(tuple(index), {split: tuple(found) for split, found in pairs.items()})


def _check_split(split: str, who: str) -> None:
    if split not in SPLITS:
        raise InputError(who, "unknown split", " or ".join(SPLITS), split)
