"""Weights and images for the published networks from a seed: the same here and where the fixtures were made."""

import numpy as np

SIZES = {2: 44, 3: 36}  # sides that the published networks accept


def random_weights(shapes, seed):
    """A normal array for every name, large enough that theta is far from zero."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name in sorted(shapes):
        shape = shapes[name]
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        weights[name] = (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
    return weights


def images(ndim, seed):
    """Moving and fixed image (1, 1, ...), smooth in [0, 1]."""
    axes = np.meshgrid(*[np.linspace(-1, 1, SIZES[ndim])] * ndim, indexing="ij")
    rng = np.random.default_rng(seed)
    pair = []
    for _ in range(2):
        middle, width = rng.uniform(-0.3, 0.3, ndim), rng.uniform(0.3, 0.6, ndim)
        bump = np.exp(-sum(((a - m) / w) ** 2 for a, m, w in zip(axes, middle, width, strict=True)))
        pair.append(bump.astype(np.float32)[None, None])
    return pair
