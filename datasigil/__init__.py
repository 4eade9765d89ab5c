"""datasigil: may I train on this data, and can I prove it later?

The names below are loaded when first used, so that `import datasigil` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasigil.api import check_dataset, require_dataset
    from datasigil.report import Report
    from datasigil.verification import VerifiedDataset

__version__ = "0.1.0"

__all__ = ["Report", "VerifiedDataset", "__version__", "check_dataset", "require_dataset"]

_HOMES = {
    "check_dataset": "datasigil.api",
    "require_dataset": "datasigil.api",
    "Report": "datasigil.report",
    "VerifiedDataset": "datasigil.verification",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'datasigil' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
