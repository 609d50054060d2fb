"""All results of a registration into one folder, each file named by what it is; all of them or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.files import write_text
from ..core.quality import table_csv
from .carry import hardened
from .provenance import asPython, provenance
from .report import writeHtml
from .volumes import volumeFromNode

if TYPE_CHECKING:
    from .outputs import RegistrationNodes

IMAGE_FORMATS = (".nii.gz", ".nrrd", ".mha")
LONGEST_NAME = 100  # bytes of a node's name in a file's


def saveAll(
    folder: str | Path,
    pair: Sequence,
    nodes: RegistrationNodes,
    imageFormat: str = IMAGE_FORMATS[0],
    harden: bool = False,
) -> list[Path]:
    """Write ``folder``/<moving> to <fixed>/: transforms, volumes, maps, table, report and script; their paths.

    Beside the transform and its inverse (ITK, .h5) there is the displacement field, in the images' format, for programs
    that read no composite transform (docs/exchange.md). Older files of the same names are replaced.

    Args:
        pair: fixed and moving volume node.
        nodes: RegistrationNodes; what was not made is not saved.
        harden: also the moving volume as Slicer hardens it (``carry.hardened``).

    Raises:
        InputError: something cannot be written; then nothing new is there.
    """
    from ..data.outputs import all_or_nothing, make_folder

    make_folder(Path(folder), "Folder of the results")
    folder = resultFolder(folder, pair)
    with all_or_nothing() as temporary:
        written = []
        for name, write in _files(pair, nodes, imageFormat, harden).items():
            written.append(folder / name)
            write(temporary(written[-1]))
    return written


def resultFolder(folder: str | Path, pair: Sequence) -> Path:
    """Where the results of a pair go."""
    return Path(folder) / " to ".join(safeName(node.GetName()) for node in reversed(pair))


def safeName(text: str) -> str:
    """A name for a file on any system, and short enough for two of them in one name."""
    short = re.sub(r"[^\w .+-]+", "_", text).encode()[:LONGEST_NAME].decode(errors="ignore")
    return short.strip(" .") or "result"


def _files(pair, nodes, imageFormat: str, harden: bool) -> dict[str, Callable[[Path], None]]:
    """What writes each file, by its name."""
    from ..data.exchange import write_field, write_inverse
    from ..data.transforms import write_transform

    request, transform = nodes.outcome.request, nodes.result.transform
    grids = request.fixed.image.grid, request.moving.image.grid
    moving, fixed = (safeName(node.GetName()) for node in reversed(pair))
    hard = {f"{moving} hardened{imageFormat}": partial(_hardened, pair[1], nodes)} if harden else {}
    images = {f"{moving} on {fixed}": nodes.volume} if nodes.volume is not None else {}
    images |= {f"map {safeName(key)}": node for key, node in nodes.heatmaps.items()}
    images |= {safeName(key): node for key, node in nodes.measures.items()}
    return {
        "transform.h5": partial(_write, write_transform, transform),
        "inverse transform.h5": partial(_write, write_inverse, transform, *grids),
        f"displacement field{imageFormat}": partial(_write, write_field, transform, grids[0]),
        **{f"{name}{imageFormat}": partial(_image, node) for name, node in images.items()},
        **hard,
        "table.csv": partial(_text, table_csv(nodes.quality)),
        "report.html": partial(_write, writeHtml, nodes),
        "repeat.py": partial(_text, asPython(provenance(nodes.transform))),
    }


def _write(write, *what_and_path) -> None:
    *what, path = what_and_path
    write(path, *what)


def _image(node, path: Path) -> None:
    from ..data.images import write_image

    write_image(path, volumeFromNode(node))


def _hardened(moving, nodes, path: Path) -> None:
    from ..data.images import write_image

    write_image(path, hardened(moving.GetScene(), moving, nodes))


def _text(text: str, path: Path) -> None:
    write_text(path, text, f"File '{path.name}'")
