"""What a run cost in energy: counted where the processor counts it, else estimated, and always with the method beside the figure.

Here: Intel and AMD's RAPL counters through Linux powercap, and an estimate from processor time. Not here: emissions: they need the
supplier's figures, which a program does not know, so the receipt states none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training_worker.decimals import decimal_text

POWERCAP = Path("/sys/class/powercap")
# An assumption, stated beside every figure that rests on it: nobody measured this machine.
WATTS_PER_CORE = 4.0
OVERHEAD = 1.3
ESTIMATE_METHOD = (
    "estimated: processor seconds x 4.0 W per busy core x 1.3 for memory, fans and conversion; may be off by half"
)
COUNTER_METHOD = (
    "measured: RAPL package counters over the whole machine; what else ran is in it, memory and fans are not"
)


@dataclass(frozen=True, slots=True)
class EnergyMeter:
    """The counters' state when a run began: microjoules and range by zone; empty where there are none to read."""

    began: dict[str, tuple[int, int]]

    @classmethod
    def start(cls, folder: Path = POWERCAP) -> EnergyMeter:
        """Read the counters of every processor package."""
        return cls(_counters(folder))

    def stop(self, cpu_seconds: float, *, whole_run: bool, folder: Path = POWERCAP) -> dict[str, str]:
        """Return the receipt's `energy`; counters count only for a run that was not resumed, since they say nothing of its other parts."""
        now = _counters(folder)
        if whole_run and self.began and set(now) == set(self.began):
            joules = sum((now[zone][0] - count) % (span + 1) for zone, (count, span) in self.began.items()) / 1e6
            return _energy(joules, "measured", COUNTER_METHOD)
        return _energy(cpu_seconds * WATTS_PER_CORE * OVERHEAD, "estimated", ESTIMATE_METHOD)


def _energy(joules: float, basis: str, method: str) -> dict[str, str]:
    return {"kilowattHours": decimal_text(joules / 3.6e6, 9), "basis": basis, "method": method}


def _counters(folder: Path) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    try:
        for zone in sorted(folder.glob("*-rapl:*")):
            if zone.name.count(":") == 1:  # packages, not the parts inside them
                count, span = (int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj"))
                found[zone.name] = (count, span)
    except (OSError, ValueError):  # only root may read them on most systems
        return {}
    return found


__all__ = ["EnergyMeter"]
