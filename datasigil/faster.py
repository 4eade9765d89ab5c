"""Optional libraries that do the same as the required ones in less time, for processes that live long enough to gain by it.

Lives here: `Faster`, which imports a library after so many uses. Not here: what is done with it; each user holds both ways to the same
answers by test (docs/adr/0012). A command that checks one credential never imports them: that costs more than it would save.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

USES_BEFORE_IMPORT = 100


class Faster:
    """A library that is imported at the hundredth use, if it is installed (`pip install datasigil[fast]`)."""

    def __init__(self, module: str) -> None:
        self.name = module
        self._uses_left = USES_BEFORE_IMPORT
        self._module: Any = None

    def module(self) -> Any:
        """Return the library, or None while it is not worth its import or is not installed."""
        if self._uses_left:
            self._uses_left -= 1
            if not self._uses_left:
                self.load()
        return self._module

    def forget(self) -> None:
        """Do without the library from now on: what an install without the extra does, for tests and measurements."""
        self._uses_left, self._module = 0, None

    def load(self) -> bool:
        """Import the library now; whether it is there."""
        self._uses_left = 0
        try:
            self._module = import_module(self.name)
        except ImportError:  # not installed, or not for this platform: the required library goes on doing it
            self._module = None
        return self._module is not None
