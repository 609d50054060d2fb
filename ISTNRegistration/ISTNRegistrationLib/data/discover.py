"""Which files of a folder are images, which are label maps, and whose: nnU-Net, BIDS, a folder per person, or neither.

Roles and people are read from names alone. What cannot be told is left out and said, never guessed.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import InputError
from ..core.files import is_folder

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".gipl", ".gipl.gz", ".png", ".tif", ".tiff", ".jpg", ".bmp")
LABEL_WORDS = frozenset(
    "label labels labelstr labelsts lbl seg segs segm segmentation segmentations mask masks dseg aseg gt groundtruth "
    "annotation annotations roi rois parc manual soi truth derivatives delineation contour contours".split()
)
IMAGE_WORDS = frozenset("image images imagestr imagests img imgs scan scans volume anat raw orig".split())
CONTRASTS = ("t1w", "t1", "mprage", "mpr", "ct", "t2w", "t2", "flair", "pd", "mri", "mr", "us", "cine")
VISITS = frozenset("ses session visit v day week month year tp time timepoint scan run series date later".split())
SIDES = frozenset("left right l r lh rh baseline followup follow up pre post first second".split())
TEST_FOLDERS = frozenset(("imagests", "labelsts"))
ROLES = LABEL_WORDS | IMAGE_WORDS | {"tr", "ts"}
FEWEST_FOLDERS = 4
DATE = re.compile(r"(?<!\d)(19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?!\d)")
CHANNEL = re.compile(r"_(\d{4})$")
MOST_FILES = 100_000


@dataclass(frozen=True)
class Found:
    """An image and its label map, whose they are, and whether they are kept for the judgement (``test``)."""

    image: Path
    labels: Path
    person: str = ""
    split: str = ""


@dataclass(frozen=True)
class Discovery:
    """What a folder holds: scans, and sentences about what was decided and what was left out."""

    scans: tuple[Found, ...]
    notes: tuple[str, ...] = ()


def discover(folder: Path) -> Discovery:
    """Pair the images and label maps below ``folder``.

    Raises:
        InputError: no such folder, no label maps, or none that belongs to an image.
    """
    who = f"Folder '{folder}'"
    if not is_folder(folder):
        raise InputError(who, "there is no such folder", "a folder of images and label maps", str(folder))
    files = _image_files(Path(folder))
    labels = [path for path in files if _is_labels(path.relative_to(folder))]
    images = [path for path in files if path not in set(labels)]
    if not labels or not images:
        todo = "Put the word 'labels' or 'seg' into the name of each label map or of its folder, or write subjects.csv"
        got = f"{len(images)} files that may be images, {len(labels)} named as label maps"
        raise InputError(who, "there are no images with label maps", "both", got, todo)
    pairs, notes = _paired(images, labels, Path(folder))
    if not pairs:
        todo = "Name them alike (anna.nii.gz, anna_seg.nii.gz), or write subjects.csv"
        got = f"'{images[0].name}' and '{labels[0].name}', for instance"
        raise InputError(who, "no label map belongs to an image by its name", "names that match", got, todo)
    return Discovery(*_with_people(pairs, Path(folder), notes, _has_channels(images, labels)))


def _image_files(folder: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        known = (name for name in sorted(names) if name.lower().endswith(ENDINGS) and not name.startswith("."))
        found += [Path(root) / name for name in known]
        if len(found) > MOST_FILES:
            raise InputError(f"Folder '{folder}'", "it holds too many images", f"at most {MOST_FILES}", "more")
    return found


def stem(path: Path) -> str:
    """File name without the endings of an image."""
    ending = next(end for end in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(end))
    return path.name[: -len(ending)]


def words(text: str) -> tuple[str, ...]:
    """Runs of letters and of digits, in lower case; numbers without leading zeros."""
    return tuple(word.lstrip("0") or "0" for word in re.findall(r"[a-z]+|\d+", text.lower()))


def _is_labels(relative: Path) -> bool:
    """A word of the file's own name decides, else one of its folders'."""
    parts = [words(stem(relative)), *(words(part) for part in reversed(relative.parts[:-1]))]
    for part in parts:
        if LABEL_WORDS & {*part, "".join(part)}:
            return True
        if IMAGE_WORDS & {*part, "".join(part)}:
            return False
    return False


def _paired(images: list[Path], labels: list[Path], folder: Path) -> tuple[list[Found], list[str]]:
    """Match by name, more loosely from pass to pass; in each only what is unique on both sides."""
    constant, channel = _in_all(images) | _in_all(labels), _has_channels(images, labels)
    pairs: list[Found] = []
    keys = (
        lambda path: _key(path.relative_to(folder), frozenset()),
        lambda path: _key(path.relative_to(folder), frozenset(CONTRASTS), channel=channel),
        lambda path: _key(path.relative_to(folder), constant | frozenset(CONTRASTS), channel=channel),
        lambda path: _key(Path(path.name), constant | frozenset(CONTRASTS), channel=channel),
        lambda path: path.parent,
    )
    notes: list[str] = []
    for key in keys:
        taken = {pair.image for pair in pairs} | {pair.labels for pair in pairs}
        found, said = _match([p for p in images if p not in taken], [p for p in labels if p not in taken], key)
        pairs, notes = pairs + found, notes + said
    taken = {pair.image for pair in pairs} | {pair.labels for pair in pairs}
    alone = [path for path in images + labels if path not in taken]
    if alone:
        names = ", ".join(path.relative_to(folder).as_posix() for path in alone[:5])
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        notes.append(f"left out, no partner or not the first of several: {names}{more}")
    return sorted(pairs, key=lambda pair: pair.image), notes


def _has_channels(images: list[Path], labels: list[Path]) -> bool:
    """Whether images, but no label maps, end with four digits: nnU-Net's number of the contrast."""
    ends = [any(CHANNEL.search(stem(path)) for path in files) for files in (images, labels)]
    return ends == [True, False]


def _match(images: list[Path], labels: list[Path], key) -> tuple[list[Found], list[str]]:
    """One label map and one image of a key make a pair; of several images the first contrast of ``CONTRASTS``."""
    by_key: dict = defaultdict(lambda: ([], []))
    for place, files in enumerate((images, labels)):
        for path in files:
            by_key[key(path)][place].append(path)
    pairs, several = [], 0
    for found, drawn in by_key.values():
        if len(drawn) == 1 and found:
            best = min(found, key=_preference)
            if sum(_preference(other)[:2] == _preference(best)[:2] for other in found) == 1:
                pairs.append(Found(best, drawn[0]))
                several += len(found) > 1
    chosen = f"of several images of one label map the first contrast is used ({several} times, for instance "
    return pairs, [f"{chosen}'{pairs[0].image.name}')"] if several else []


def _preference(path: Path) -> tuple:
    """nnU-Net's channel 0000 before others, then the order of ``CONTRASTS``."""
    found = words(stem(path))
    channel = CHANNEL.search(stem(path))
    contrast = min((CONTRASTS.index(name) for name in _glued(found) if name in CONTRASTS), default=len(CONTRASTS))
    return int(channel[1]) if channel else 0, contrast, path.name


def _glued(found: tuple[str, ...]) -> list[str]:
    """Words, and what neighbors make together: t, 1, w are t1 and t1w too."""
    return [*found, *("".join(found[i : i + n]) for n in (2, 3) for i in range(len(found) - n + 1))]


def _key(relative: Path, without: frozenset, channel: bool = False) -> tuple[str, ...]:
    """Words of a path that tell one scan from another."""
    name = CHANNEL.sub("", stem(relative)) if channel else stem(relative)
    text = " ".join([*relative.parts[:-1], name])
    if "derivatives" in relative.parts:  # BIDS: below derivatives/PIPELINE the tree is that of the images
        text = " ".join([*relative.parts[relative.parts.index("derivatives") + 2 : -1], name])
    text = _without_contrast(text) if without else text
    return tuple(word for word in words(text) if word not in ROLES | without)


def _in_all(files: list[Path]) -> frozenset[str]:
    """Words (no numbers) in every file's name: they tell nothing apart."""
    common = set.intersection(*(set(words(stem(path))) for path in files))
    return frozenset(word for word in common if not word.isdigit())


def _with_people(pairs: list[Found], folder: Path, notes: list[str], channel: bool):
    """Name the people, and mark the scans of nnU-Net's test folders."""
    names = [_names(pair.image.relative_to(folder), channel) for pair in pairs]
    tops = [folders[0] for folders, _ in names if folders]
    own_folders = len(tops) == len(pairs) and FEWEST_FOLDERS <= len(set(tops)) and len(pairs) <= 4 * len(set(tops))
    whole = ["-".join(dict.fromkeys([*folders, *own])) for folders, own in names]
    people = tops if own_folders else [name or pair.image.name for name, pair in zip(whole, pairs, strict=True)]
    if own_folders:
        notes = [*notes, f"every folder is a person: {len(set(people))} people, {len(pairs)} scans"]
    elif len(set(people)) < len(pairs):
        notes = [*notes, f"{len(pairs)} scans of {len(set(people))} people by their names: a person's stay together"]
    else:
        notes = [*notes, f"each of the {len(pairs)} scans is taken for another person: edit column person if not so"]
    tests = [bool(TEST_FOLDERS & {part.lower() for part in pair.image.relative_to(folder).parts}) for pair in pairs]
    rows = zip(pairs, people, tests, strict=True)
    return tuple(replace(pair, person=who, split="test" * test) for pair, who, test in rows), tuple(notes)


def _names(relative: Path, channel: bool) -> tuple[list[str], list[str]]:
    """What the folders and the name say of whose it is; BIDS' sub-X alone, else without contrast, visit and side."""
    subject = re.search(r"sub-([A-Za-z0-9]+)", relative.as_posix())
    if subject:
        return [], [f"sub-{subject[1]}"]
    parts = [*relative.parts[:-1], CHANNEL.sub("", stem(relative)) if channel else stem(relative)]
    cleaned = ["-".join(_own(words(_without_contrast(DATE.sub(" ", part))))) for part in parts]
    return [part for part in cleaned[:-1] if part], [part for part in cleaned[-1:] if part]


def _without_contrast(text: str) -> str:
    for contrast in sorted(CONTRASTS, key=len, reverse=True):
        text = re.sub(rf"(?<![a-zA-Z0-9]){contrast}(?![a-zA-Z0-9])", " ", text.replace("_", " "), flags=re.I)
    return text


def _own(found: tuple[str, ...]) -> list[str]:
    """Words without those of a role or a side, and without a visit and its number."""
    kept, visit = [], False
    for word in found:
        numbered, visit = visit and word.isdigit(), word in VISITS
        if not (numbered or visit or word in ROLES | SIDES):
            kept.append(word)
    return kept
