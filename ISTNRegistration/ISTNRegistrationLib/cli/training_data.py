"""The cache of a configuration's training data, made or brought up to date with a progress bar."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tqdm import tqdm

from ..core.config import ModelConfig
from ..data.cache import changes, prepare
from ..data.scans import DataConfig, Study, read_study

MOST_NAMED = 3
SECONDS_BETWEEN_LOOKS = 1.0


def ready_cache(data: DataConfig, model: ModelConfig, folder: Path, default: Path, painted: bool = False) -> Path:
    """Path of the cache: prepared when missing, and again what has changed.

    Of the processes that torchrun starts on a machine, the first prepares; the others wait for it.

    Args:
        folder: of the configuration file.
        default: where the cache lies unless ``data.cache`` says so.
        painted: images are synthesized from the label maps.

    Raises:
        InputError: a list, an image or its structures cannot be used, or the cache cannot be written.
    """
    study = read_study(data, folder, painted)
    path = folder / data.cache if data.cache else default
    if os.environ.get("LOCAL_RANK", "0") == "0":
        bring_up_to_date(study, model, path)
    else:
        while changes(path, study, model):
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return path


def bring_up_to_date(study: Study, model: ModelConfig, path: Path) -> None:
    """Prepare what is missing or has changed, saying why."""
    found = changes(path, study, model)
    if not found:
        return
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    with tqdm(total=len(study.scans), unit="scan", desc="preparing") as bar:
        bar.write(f"preparing {path}: " + "; ".join(found[:MOST_NAMED]) + more)
        prepare(study, model, path, bar.update)
