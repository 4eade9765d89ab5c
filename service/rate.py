"""Request rates: one token bucket per token or peer address.

Lives here: the buckets. Not here: which key a request counts for (`middleware`). `X-Forwarded-For` plays no part: the key
is the address of the connection, so a proxy in front must either limit itself or speak the PROXY protocol to uvicorn.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from service.limits import RATE_BUCKETS_MAX


class RateLimiter:
    """Token buckets of equal size; the least recently used are forgotten first."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._rate = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> int:
        """Take one request from the bucket of `key` at monotonic time `now`; 0, or the whole seconds to wait."""
        level, last = self._buckets.pop(key, (self._burst, now))
        level = min(self._burst, level + max(0.0, now - last) * self._rate)
        wait = 0 if level >= 1.0 else max(1, math.ceil((1.0 - level) / self._rate))
        self._buckets[key] = (level - 1.0 if wait == 0 else level, now)
        if len(self._buckets) > RATE_BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return wait
