"""istn prepare: the scans of a configuration, resampled and normalized, in one HDF5 file that training streams from."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..data.cache import summary
from .train import config_cache, read_config


def add_parser(commands) -> None:
    """Add ``prepare`` to the ``istn`` command."""
    parser = commands.add_parser("prepare", help="prepare the training data of a configuration", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="TOML file of istn train; see docs/training_data.md")
    parser.add_argument("--output", required=True, type=Path, help="the HDF5 file; name it as [data] cache to train")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the file, or bring it up to date, and say what is in it."""
    config = read_config(args.config)
    config = replace(config, data=replace(config.data, cache=""))
    path = config_cache(config, args.config.parent, args.output)
    print(summary(path))
