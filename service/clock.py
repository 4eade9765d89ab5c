"""The registry's clock as a value, so that tests can turn it.

Lives here: the type and the system's clock. Not here: what a time is used for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, aware, UTC."""
    return datetime.now(tz=UTC)


def seconds_of(moment: datetime) -> int:
    """Whole seconds since 1970 UTC."""
    return int(moment.timestamp())
