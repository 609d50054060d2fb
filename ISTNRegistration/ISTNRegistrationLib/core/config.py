"""Everything that decides how a model looks and what it sees: the configuration that a checkpoint carries."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from dataclasses import dataclass, field

from .errors import InputError
from .grid import Grid

METHODS = ("stn-u", "stn-s", "istn-e", "istn-i")
TRANSFORMS = ("rigid", "affine", "bspline")
ANCHORS = ("center_of_mass", "center", "content")
NORMALIZATIONS = ("percentile", "none")
PRESETS = ("default", "published")
CONVENTIONS = ("paper", "published")
LABEL_KINDS = ("binary", "distance", "centroid")  # drawn from label maps
KINDS = (*LABEL_KINDS, "landmarks", "centerline", "image")
MIN_SIZE = 12  # the networks halve the grid two or three times
MOST_ALONG_AN_AXIS = 2048
MOST_VOXELS = 192**3  # of the networks' grid: their moments take 40 bytes a voxel
MOST_CHANNELS = 256
MOST_CONTROL_POINTS = 2**20
LARGEST_LABEL = 2**31 - 1


@dataclass(frozen=True)
class Channel:
    """One channel of a structure map: the labels that it shows, how (``KINDS``) and, where it fades, how wide."""

    name: str
    labels: tuple[int, ...] = ()
    kind: str = "binary"
    width_mm: float = 0.0


@dataclass(frozen=True)
class GridConfig:
    """The networks' grid: size (x, y[, z]) voxels, spacing mm, middle = anchor of the fixed image + offset (LPS mm)."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    anchor: str = "center_of_mass"
    offset: tuple[float, ...] = ()

    def at(self, anchor_point) -> Grid:
        """The grid for an image whose anchor is at ``anchor_point`` (LPS mm)."""
        offset = self.offset or (0.0,) * len(self.size)
        return Grid.centered([a + o for a, o in zip(anchor_point, offset, strict=True)], self.size, self.spacing)


@dataclass(frozen=True)
class AffineBounds:
    """Largest value of each kind of parameter of an affine transform; a tanh keeps them inside (core/affine.py)."""

    translation_mm: float = 30.0
    rotation_deg: float = 45.0
    scale_ratio: float = 1.5
    shear_deg: float = 45.0


@dataclass(frozen=True)
class BSplineConfig:
    """Control-point spacing and largest displacement in mm; weight of the bending energy in training and refinement."""

    spacing_mm: float = 15.0
    max_displacement_mm: float = 30.0
    bending_weight: float = 0.0


@dataclass(frozen=True)
class DenseConfig:
    """How much 1 - LNCC of the images counts beside the maps in the dense stage: less, the better the maps are."""

    image_weight: float = 3.0


@dataclass(frozen=True)
class NetConfig:
    """Networks by preset; widths are features of the ``default`` ITN's levels and of the ``default`` B-spline STN."""

    preset: str = "default"
    itn_widths: tuple[int, ...] = (16, 32, 64, 64)
    stn_width: int = 32


@dataclass(frozen=True)
class ModelConfig:
    """What a checkpoint needs to rebuild its networks and to see images as in training."""

    method: str
    transforms: tuple[str, ...]
    grid: GridConfig
    channels: tuple[Channel, ...]
    normalization: str = "percentile"
    net: NetConfig = field(default_factory=NetConfig)
    affine: AffineBounds = field(default_factory=AffineBounds)
    bspline: BSplineConfig = field(default_factory=BSplineConfig)
    dense: DenseConfig = field(default_factory=DenseConfig)
    convention: str = "paper"  # or published: the transforms of the published code, with its bounds (core/published.py)

    def __post_init__(self) -> None:
        _choose("method", self.method, METHODS)
        _choose("grid.anchor", self.grid.anchor, ANCHORS)
        _choose("normalization", self.normalization, NORMALIZATIONS)
        _choose("net.preset", self.net.preset, PRESETS)
        _choose("convention", self.convention, CONVENTIONS)
        for name in self.transforms:
            _choose("transforms", name, TRANSFORMS)
        for channel in self.channels:
            _check_channel(channel)
        if not self.transforms or list(self.transforms) != sorted(set(self.transforms), key=TRANSFORMS.index):
            expected = "one or more of " + ", ".join(TRANSFORMS) + ", in this order"
            raise InputError("Configuration key 'transforms'", "wrong order or number", expected, str(self.transforms))
        if len(self.grid.size) not in (2, 3) or len(self.grid.spacing) != len(self.grid.size):
            got = f"size {self.grid.size}, spacing {self.grid.spacing}"
            raise InputError("Configuration", "the grid is neither 2-D nor 3-D", "2 or 3 numbers each", got)
        if min(self.grid.size) < MIN_SIZE:
            expected = f"at least {MIN_SIZE} voxels along each axis"
            raise InputError("Configuration key 'grid.size'", "the grid is too small", expected, str(self.grid.size))
        if max(self.grid.size) > MOST_ALONG_AN_AXIS or math.prod(self.grid.size) > MOST_VOXELS:
            expected = f"at most {MOST_VOXELS} voxels, and {MOST_ALONG_AN_AXIS} along an axis"
            raise InputError("Configuration key 'grid.size'", "the grid is too large", expected, str(self.grid.size))
        _check_numbers(self)

    @property
    def ndim(self) -> int:
        return len(self.grid.size)

    @property
    def offers(self) -> tuple[str, ...]:
        """Transforms that a user can choose: those of the networks, and after them a dense one."""
        return (*self.transforms, "dense")

    @property
    def uses_itn(self) -> bool:
        """Whether there is an ITN; STN-u and STN-s register the images themselves."""
        return self.method.startswith("istn")

    @property
    def map_channels(self) -> int:
        """Channels of the maps that the STN compares."""
        return len(self.channels) if self.uses_itn else 1


def _check_channel(channel: Channel) -> None:
    _choose("channels.kind", channel.kind, KINDS)
    if not channel.name.strip() or not channel.name.isprintable():
        raise InputError("Configuration key 'channels.name'", "it cannot be shown", "one line of text", channel.name)
    if not all(0 <= label <= LARGEST_LABEL for label in channel.labels):
        expected = f"0 to {LARGEST_LABEL}"
        raise InputError("Configuration key 'channels.labels'", "a label is impossible", expected, str(channel.labels))
    if channel.kind in LABEL_KINDS and not channel.labels:
        expected = "one or more label values"
        raise InputError("Configuration key 'channels.labels'", "it is empty", expected, channel.name)
    if not 0 <= channel.width_mm < float("inf"):
        expected, got = "mm, or 0 for the kind's default", f"{channel.width_mm}"
        raise InputError("Configuration key 'channels.width_mm'", "it cannot be used", expected, got)


def _check_numbers(config: ModelConfig) -> None:
    """Raise InputError for a number that no network or transform can be made of; NaN is in none of the ranges."""
    for key, fine, expected in (*_network_rules(config), *_transform_rules(config)):
        if not fine:
            got = functools.reduce(getattr, key.split("."), config)
            raise InputError(f"Configuration key '{key}'", "the value cannot be used", expected, f"{got}")


def _network_rules(config: ModelConfig) -> tuple[tuple[str, bool, str], ...]:
    """Key, whether its value is fine, what is expected."""
    grid, net = config.grid, config.net
    levels = 1 + int(math.log2(min(grid.size)))
    published = net.preset == "published"
    return (
        ("grid.size", not published or all(s >= 36 and s % 4 == 0 for s in grid.size), "36 or more, divisible by 4"),
        ("grid.spacing", all(1e-3 <= s <= 100 for s in grid.spacing), "0.001 to 100 mm"),
        ("grid.offset", len(grid.offset) in (0, config.ndim), "one number per axis"),
        ("grid.offset", all(abs(o) <= 1e5 for o in grid.offset), "finite mm, at most 100 m"),
        ("channels", 0 < len(config.channels) <= MOST_CHANNELS, f"one or more, at most {MOST_CHANNELS}"),
        ("net.itn_widths", 0 < len(net.itn_widths) <= levels and min(net.itn_widths) > 0, f"1 to {levels} widths"),
        ("net.stn_width", net.stn_width > 0, "1 or more"),
    )


def _transform_rules(config: ModelConfig) -> tuple[tuple[str, bool, str], ...]:
    """Key, whether its value is fine, what is expected."""
    affine, bspline = config.affine, config.bspline
    longest = 1e5
    return (
        ("affine.translation_mm", 0 <= affine.translation_mm <= longest, "0 or more mm, at most 100 m"),
        ("affine.rotation_deg", 0 <= affine.rotation_deg <= 360, "0 to 360 degrees"),
        ("affine.scale_ratio", 1 <= affine.scale_ratio <= 100, "1 or more, at most 100"),
        ("affine.shear_deg", 0 <= affine.shear_deg <= 360, "0 to 360 degrees"),
        ("bspline.spacing_mm", 0 < bspline.spacing_mm <= longest, "more than 0 mm, at most 100 m"),
        ("bspline.spacing_mm", _control_points(config) <= MOST_CONTROL_POINTS, f"at most {MOST_CONTROL_POINTS} points"),
        ("bspline.max_displacement_mm", 0 < bspline.max_displacement_mm <= longest, "more than 0 mm, at most 100 m"),
        ("bspline.bending_weight", 0 <= bspline.bending_weight <= 1e9, "0 or more, and finite"),
        ("dense.image_weight", 0 <= config.dense.image_weight <= 1e9, "0 or more, and finite"),
    )


def _control_points(config: ModelConfig) -> float:
    """About how many the B-spline has; more than can be where one axis alone has too many."""
    spacing = config.bspline.spacing_mm or math.inf
    axes = [size * h / spacing + 8 for size, h in zip(config.grid.size, config.grid.spacing, strict=True)]
    return math.prod(axes) if max(axes) <= MOST_ALONG_AN_AXIS else math.inf


def _choose(key: str, value, allowed) -> None:
    if value not in allowed:
        raise InputError(f"Configuration key '{key}'", "unknown value", "one of " + ", ".join(allowed), repr(value))


def from_dict(kind, data: dict, where: str = ""):
    """Dataclass ``kind`` from plain data (TOML, JSON).

    Unknown or missing keys and wrong types are errors that name the key.

    Raises:
        InputError: with the key and the allowed ones.
    """
    if not isinstance(data, dict):
        raise InputError(f"Configuration '{where}'", "it is not a table of keys", "keys and values", repr(data))
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in data:
        if key not in fields:
            expected = "one of " + ", ".join(fields)
            raise InputError(f"Configuration key '{where}{key}'", "unknown key", expected, repr(key))
    for name, f in fields.items():
        if name not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise InputError(f"Configuration key '{where}{name}'", "it is missing", "a value", "nothing", f"Add {name}")
    hints = typing.get_type_hints(kind)
    return kind(**{key: _convert(hints[key], value, f"{where}{key}") for key, value in data.items()})


def _convert(kind, value, where: str):
    """``value`` as type ``kind``: dataclass, tuple of anything, number, text or true/false; None where allowed."""
    if isinstance(kind, types.UnionType):
        kinds = [k for k in typing.get_args(kind) if k is not type(None)]
        return None if value is None else _convert(kinds[0], value, where)
    if dataclasses.is_dataclass(kind):
        return from_dict(kind, value, where + ".")
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"Configuration key '{where}'", "wrong type", "a list", repr(value))
        return tuple(_convert(typing.get_args(kind)[0], v, where) for v in value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise InputError(f"Configuration key '{where}'", "wrong type", kind.__name__, repr(value))
    return value
