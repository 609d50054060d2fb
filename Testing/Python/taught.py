"""A checkpoint that can tell what to expect, by a model of trust that is written down here."""

import numpy as np
from builders import blob_volume
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.evidence import SMALLEST, look
from ISTNRegistrationLib.core.register import FixedImage, RegisterOptions
from ISTNRegistrationLib.core.trust import FEATURES, TrustModel, people_of, to_card


def taught(net, gains):
    """A checkpoint whose model takes ``gains`` by name of the evidence, per unit of it up to 10."""
    rises = np.array([[gains.get(name, 0.0) * 10] for name in FEATURES])
    tables = (np.array([[0.0, 1.0]] * 2), np.full((2, 2), 0.1), np.full((2, 2), 0.05))
    trust = TrustModel(np.zeros(2), np.array([[0.0, 10.0]] * len(FEATURES)), rises, *tables)
    fixed = FixedImage.prepare(
        blob_volume(net.grid, seed=1), Checkpoint(net, net.config, {}, "test", ""), RegisterOptions()
    )
    card = {"trust": to_card(trust, people_of([look(fixed.map, fixed.located.values, fixed.grid)], SMALLEST))}
    return Checkpoint(net, net.config, card, "test", "0" * 64)
