"""The HTML file about a registration of nodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .provenance import provenance

if TYPE_CHECKING:
    from .outputs import RegistrationNodes


def writeHtml(path: str | Path, nodes: RegistrationNodes) -> None:
    """Write the report of RegistrationNodes: ``data.page``, with the provenance of the transform node.

    Raises:
        InputError: it cannot be written.
    """
    from ..data.page import write_page

    write_page(path, nodes.outcome, provenance(nodes.transform))
