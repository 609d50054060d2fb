"""The answers to one request: the first one and what was made of it; one of them is in the nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .outputs import RegistrationNodes

MOST = 20  # that are kept; each holds its transform and its warped map


@dataclass(frozen=True, eq=False)
class Variant:
    """An Outcome under a name."""

    name: str
    outcome: Any


class Variants:
    """All answers, and which of them the nodes show.

    Attributes:
        nodes: RegistrationNodes.
        all: the variants in the order in which they were found.
        shown: the one in the nodes.
    """

    def __init__(self, nodes: RegistrationNodes, name: str) -> None:
        self.nodes, self.shown = nodes, Variant(name, nodes.outcome)
        self.all, self._before = [self.shown], []

    def add(self, nodes: RegistrationNodes, name: str) -> None:
        """The nodes show a new answer. The oldest but for the first goes where there are too many."""
        self.show(nodes, Variant(name, nodes.outcome))
        self.all.append(self.shown)
        if len(self.all) > MOST:
            gone = self.all.pop(1)
            self._before = [variant for variant in self._before if variant is not gone]

    def show(self, nodes: RegistrationNodes, variant: Variant) -> None:
        """The nodes show ``variant``."""
        self._before.append(self.shown)
        self.nodes, self.shown = nodes, variant

    @property
    def before(self) -> Variant | None:
        """What the nodes showed before, if anything."""
        return self._before[-1] if self._before else None

    def undo(self, nodes: RegistrationNodes) -> None:
        """The nodes show ``before`` again."""
        self.nodes, self.shown = nodes, self._before.pop()
