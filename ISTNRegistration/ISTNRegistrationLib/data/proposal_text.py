"""A proposal as people read it: the configuration with its reasons, and a summary of what was seen."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np

from .proposal import WRITTEN_HERE, Proposal, toml_text

CONFIGURATION = """{written} for {source}: {count} scans of {people} people. Every number may be changed.
# istn prepare --config {name} --output {cache}
# istn train --config {name} --output {run}

[model]
method = {method}
transforms = {transforms}
# {channels_why}
channels = [
{channels}
]

[model.grid]
size = {size}  # {size_why}
spacing = {spacing}  # mm; {spacing_why}
anchor = {anchor}  # {anchor_why}
offset = {offset}  # LPS mm from there to the middle of the structures

[model.net]
itn_widths = [8, 24, 48, 64]  # a CPU's; with a GPU or hours: [16, 32, 64, 64]

[model.affine]  # the largest change that the networks can predict
translation_mm = {affine.translation_mm}  # {affine_why}

[model.bspline]
spacing_mm = {bspline.spacing_mm}  # of the control points: {bspline_why}
max_displacement_mm = {bspline.max_displacement_mm}
bending_weight = {bspline.bending_weight}  # folds seldom

[data]
{list_key} = {list_name}
cache = {cache_text}

[augment]  # random changes of the training images, by the size of the grid
translation_mm = {augment.translation_mm}
elastic_mm = {augment.elastic_mm}
elastic_spacing_mm = {augment.elastic_spacing_mm}
mirror = {mirror}  # {mirror_why}

[training]
steps = {training.steps}  # {steps_why}
learning_rate = 2e-3
validate_every = {training.validate_every}
itn_first_steps = {training.itn_first_steps}
warmup_steps = {training.warmup_steps}

[card]  # what a user of the checkpoint must know: fill it in before you give it away
title = {title}
data = {data}
license = ""
credits = ""
"""


def configuration(proposal: Proposal, name: str, list_name: str) -> str:
    """The TOML file ``name`` that lies beside the list ``list_name``."""
    stem = name.removesuffix(".toml")
    return CONFIGURATION.format(
        written=WRITTEN_HERE,
        source=toml_text(proposal.survey.folder.name),
        name=name,
        cache=f"{stem}.h5",
        cache_text=toml_text(f"{stem}.h5"),
        run=f"{stem}-run",
        list_key=proposal.survey.list_key or "subjects",
        list_name=toml_text(list_name),
        title=toml_text(", ".join(channel.name for channel in proposal.chosen.channels)),
        data=toml_text(_data(proposal)),
        count=len(proposal.chosen.scans),
        people=len({scan.found.person for scan in proposal.chosen.scans}),
        **_model(proposal),
        **{f"{key}_why": text for key, text in proposal.reasons.items()},
    )


def _model(proposal: Proposal) -> dict:
    """What the tables of the configuration need."""
    view, numbers = proposal.view, proposal.numbers
    names = ("affine", "bspline", "augment", "training")
    tables = {t: {key.split(".")[1]: v for key, v in numbers.items() if key.startswith(f"{t}.")} for t in names}
    channels = (
        f"  {{ name = {toml_text(channel.name)}, labels = {_list(channel.labels)} }},  # {_seen(proposal, channel)}"
        for channel in proposal.chosen.channels
    )
    return {
        "method": toml_text(proposal.wishes.method),
        "transforms": _list(map(toml_text, proposal.wishes.transforms)),
        "channels": "\n".join(channels),
        "channels_why": _channels_why(proposal),
        "size": _list(view.size),
        "spacing": _list([view.spacing] * len(view.size)),
        "anchor": toml_text(view.anchor),
        "offset": _list(view.offset),
        "mirror": str(proposal.chosen.sides).lower(),
        **{name: SimpleNamespace(**values) for name, values in tables.items()},
    }


def _list(values) -> str:
    return "[" + ", ".join(map(str, values)) + "]"


def _channels_why(proposal: Proposal) -> str:
    sides = "; mirror images of each other lie left and right (x of LPS)" if proposal.chosen.sides else ""
    return f"label values that at least three quarters of the scans have{sides}"


def _seen(proposal: Proposal, channel) -> str:
    """How often and how large."""
    ndim = len(proposal.view.size)
    found = [s.structures[v].volume for s in proposal.chosen.scans for v in channel.labels if v in s.structures]
    if not found:
        return "in no scan"
    unit = "mm^3" if ndim == 3 else "mm^2"
    return f"in {len(found)} scans, {np.median(found):.0f} {unit} ({min(found):.0f} to {max(found):.0f})"


def _data(proposal: Proposal) -> str:
    counts = {split: len({scan.found.person for scan in proposal.scans(split)}) for split in ("train", "val")}
    return f"{proposal.survey.folder.name}: {counts['train']} people trained, chosen on {counts['val']} others"


def findings(proposal: Proposal) -> str:
    """What was seen, who stays out and why, and what is proposed: for a terminal or a panel."""
    survey, chosen, view = proposal.survey, proposal.chosen, proposal.view
    lines = [f"{len(survey.scans)} scans in {survey.source}", *survey.notes]
    lines += [f"left out, {scan.name}: {scan.problem}" for scan in survey.scans if scan.problem]
    lines += [f"left out, {scan.name}: {why}" for scan, why in chosen.left_out]
    lines += [f"{scan.name}: {remark}" for scan in chosen.scans for remark in scan.remarks]
    lines += list(chosen.remarks) + _images(chosen.scans)
    lines += [
        f"structure '{c.name}' = {list(c.labels)}: {_seen(proposal, c)}{_place(proposal, c)}" for c in chosen.channels
    ]
    sides = " x ".join(map(str, view.size))
    lines.append(
        f"grid {sides} voxels of {view.spacing:g} mm, anchor {view.anchor}, offset {list(view.offset)} mm (LPS)"
    )
    lines += [f"  {key}: {text}" for key, text in proposal.reasons.items()]
    lines += [f"not wholly in the grid: {name}" for name in view.cut]
    counts = {split: len({s.found.person for s in proposal.scans(split)}) for split in ("train", "val", "test")}
    if not proposal.survey.list_key == "pairs":
        lines.append("people, split as persons: " + ", ".join(f"{n} {split}" for split, n in counts.items() if n))
    return "\n".join(lines)


def _place(proposal: Proposal, channel) -> str:
    """Extent, and centroid from the grid's middle (LPS mm), medians over the scans."""
    view, scans = proposal.view, proposal.chosen.scans
    found = [(scan, scan.structures[v]) for scan in scans for v in channel.labels if v in scan.structures]
    if not found:
        return ""
    extent = np.median([s.high - s.low for _, s in found], axis=0)
    away = np.median([s.centroid - scan.anchors[view.anchor] - view.offset for scan, s in found], axis=0)
    sides = " x ".join(f"{value:.0f}" for value in extent)
    return f", {sides} mm, {np.round(away).astype(int).tolist()} mm from the grid's middle"


def _images(scans) -> list[str]:
    """Spacings and orientations of the images, with how many have them."""
    spacings = Counter(" x ".join(f"{value:.3g}" for value in scan.spacing) for scan in scans)
    axes = Counter(scan.axes for scan in scans)
    told = (("spacing (mm)", spacings), ("axes", axes))
    return [f"{name}: " + ", ".join(f"{value} in {n}" for value, n in c.most_common(4)) for name, c in told]
