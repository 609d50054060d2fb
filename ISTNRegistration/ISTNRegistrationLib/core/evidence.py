"""What is known about a registration without labels, as numbers per structure: what core/trust.py judges by."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from .config import ModelConfig
from .grid import Grid
from .layers import dilated
from .placement import Placement
from .soi import soft_dice
from .transform import SpatialTransform
from .trust import DOUBT, FEATURES, LOOKS, Expectation, TrustModel, model_from, people_from, strangeness
from .uncertainty import thickness_mm

SMALLEST = {"volume": 0.05, "extent": 0.03, "place": 1.5, "distances": 1.0, "brightness": 0.03, "contrast": 0.02}
_SHOWN = 0.1  # of a map: less is noise
_AROUND = 2  # voxels by which a structure is widened, to see what is around it


@dataclass(frozen=True, eq=False)
class Witness:
    """What is known of a pair before any transform.

    Attributes:
        names: of the structures.
        people: how the maps of people with labels look (``trust.people_of``).
        model: that turns evidence into an expectation; None while it is being fitted.
        seen: what the ITN saw of the moving and the fixed image, (1, 1, *shape).
        maps: M' and F', (1, C, *shape).
        placement: of the networks' grid.
    """

    names: tuple[str, ...]
    people: dict
    model: TrustModel | None
    seen: tuple[torch.Tensor, torch.Tensor]
    maps: tuple[torch.Tensor, torch.Tensor]
    placement: Placement

    @functools.cached_property
    def looks(self) -> list[dict[str, np.ndarray]]:
        """How the structures look in the moving and the fixed image."""
        return [look(*both, self.placement.grid) for both in zip(self.maps, self.seen, strict=True)]

    @functools.cached_property
    def _strange(self) -> np.ndarray:
        """How strange the structures look, (C, len(LOOKS)): the worse of both images."""
        return np.maximum(*(strangeness(seen, self.people) for seen in self.looks))

    @functools.cached_property
    def _of_the_maps(self) -> dict[str, np.ndarray]:
        """The evidence that is the same whatever the transform."""
        return {
            "fuzzy": np.maximum(*(_sums(4 * m * (1 - m)) / _mass(m) for m in self.maps)),
            "faint": 1 - np.minimum(*(_peaks(m) for m in self.maps)),
            "strange in all": self._strange.mean(),
            **{f"strange {name}": column for name, column in zip(LOOKS, self._strange.T, strict=True)},
        }

    @functools.cached_property
    def _around_fixed(self) -> torch.Tensor:
        return _widened(self.maps[1])

    def evidence(self, warped: torch.Tensor, transform: SpatialTransform, folded: int) -> np.ndarray:
        """Numbers per structure (C, len(FEATURES)), large is bad: of M'∘T and the transform fixed → moving."""
        fixed_map, (moving_seen, fixed_seen) = self.maps[1], self.seen
        around = torch.maximum(_widened(warped), self._around_fixed)
        correlation = _correlation(self.placement.warped(moving_seen, transform), fixed_seen, around)
        moved = self._moved(self.looks[1]["place"], transform)
        hard = 1 - np.nan_to_num(soft_dice(warped, fixed_map).double().cpu().numpy())
        linear = np.linalg.inv(self.placement.initial) @ transform.linear
        columns = {
            "disagreement": hard,
            "disagreement of all": hard.mean(),
            "disagreement, soft": 1 - _sums(2 * torch.minimum(warped, fixed_map)) / _mass(warped + fixed_map),
            "volume change": np.abs(np.log(_mass(warped) / _mass(fixed_map))),
            "unlike": 1 - np.abs(correlation),
            "opposed": np.maximum(-correlation, 0),
            "folded": 100 * folded / np.prod(self.placement.grid.size),
            "stretch": np.abs(np.log(np.linalg.svd(linear[:-1, :-1], compute_uv=False).clip(1e-6))).max(),
            "moved": moved,
            "moved in doubt": moved * (self._strange.max(axis=1) / DOUBT).clip(max=1),
            **self._of_the_maps,
        }
        return np.stack([np.broadcast_to(columns[name], hard.shape) for name in FEATURES], axis=1)

    def expect(self, evidence: np.ndarray) -> Expectation | None:
        """The Dice to expect; None without a model."""
        return self.model.expect(evidence, self.names).with_thickness(self._thickness) if self.model else None

    @functools.cached_property
    def _thickness(self) -> np.ndarray:
        return thickness_mm(self.maps[1][0].float().cpu().numpy(), self.placement.grid)

    def _moved(self, places: np.ndarray, transform: SpatialTransform) -> np.ndarray:
        """mm (C,) between where a structure of the fixed image comes to lie and where the initial alignment has it."""
        points = places + self.placement.grid.center
        start = SpatialTransform(self.placement.initial)
        return np.linalg.norm(transform.map_points(points) - start.map_points(points), axis=1)


def witness(config: ModelConfig, card: dict, seen, maps, placement: Placement) -> Witness | None:
    """The witness of a pair; None where the checkpoint has no ITN or does not say how people look."""
    people = people_from(card) if config.uses_itn else None
    names = tuple(channel.name for channel in config.channels)
    return Witness(names, people, model_from(card), seen, maps, placement) if people else None


def look(maps: torch.Tensor, image: torch.Tensor, grid: Grid) -> dict[str, np.ndarray]:
    """How each structure looks in a map (1, C, *shape) and the image that the ITN saw, by name of ``trust.LOOKS``.

    Returns:
        (C, k) each: log of the volume, log of the extent, place in mm from the middle of the grid, distances in mm to
        the other structures, mean of the brightness inside and its difference to what is around.
    """
    shares = torch.where(maps > _SHOWN, maps, 0.0)[0].double()
    mass = shares.flatten(1).sum(1).clamp(min=1e-3)
    points = torch.from_numpy(grid.points() - grid.center).reshape(-1, grid.ndim).to(shares)
    flat = shares.flatten(1)
    place = flat @ points / mass[:, None]
    spread = (flat @ (points**2) / mass[:, None] - place**2).sum(1).clamp(min=1e-3)
    around = (_widened(shares[None].float())[0].double() - (shares > 0.5).double()).clamp(min=0).flatten(1)
    values = image.flatten().double()
    inside = flat @ values / mass
    outside = around @ values / around.sum(1).clamp(min=1e-3)
    found = {
        "volume": (mass * float(np.prod(grid.spacing))).log()[:, None],
        "extent": spread.log()[:, None] / 2,
        "place": place,
        "distances": torch.cdist(place, place),
        "brightness": inside[:, None],
        "contrast": (inside - outside)[:, None],
    }
    return {name: value.cpu().numpy() for name, value in found.items()}


def _widened(maps: torch.Tensor) -> torch.Tensor:
    """1 where a map shows its structure or what is near it, 0 elsewhere; of the maps' shape."""
    return dilated((maps > 0.5).float(), [_AROUND] * (maps.ndim - 2))


def _correlation(moving: torch.Tensor, fixed: torch.Tensor, around: torch.Tensor) -> np.ndarray:
    """Correlation (C,) of two images (1, 1, *shape) where ``around`` (1, C, *shape) is 1; 0 where one is flat."""
    weights = around[0].flatten(1).double()
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
    a, b = moving.flatten().double(), fixed.flatten().double()
    mean_a, mean_b = weights @ a, weights @ b
    both = weights @ (a * b) - mean_a * mean_b
    size = (weights @ a**2 - mean_a**2).clamp(min=0) * (weights @ b**2 - mean_b**2).clamp(min=0)
    return (both / (size.sqrt() + 1e-5)).clamp(-1, 1).cpu().numpy()


def _sums(values: torch.Tensor) -> np.ndarray:
    """Sum over the voxels, (C,)."""
    return values[0].flatten(1).double().sum(1).cpu().numpy()


def _mass(maps: torch.Tensor) -> np.ndarray:
    return np.maximum(_sums(maps), 1e-3)


def _peaks(maps: torch.Tensor) -> np.ndarray:
    return maps[0].flatten(1).amax(1).double().cpu().numpy().clip(0, 1)
