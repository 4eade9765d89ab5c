"""What a figure was measured on: the processor by name, and one core of it for everybody.

Lives here: `describe` and `one_core`. Not here: any measurement.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe() -> str:
    """The processor, the number of cores and Python's version."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        facts = dict(line.split(":", 1) for line in information.read_text().splitlines() if ":" in line)
        found = {key.strip(): value.strip() for key, value in facts.items()}
        model = found.get("model name", name)
        name = f"{model}, family {found.get('cpu family', '?')} model {found.get('model', '?')} at {found.get('cpu MHz', '?')} MHz"
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def one_core() -> str:
    """Keep this process and its children on one core, where the system can; how that went."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned to a core"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"all on core {core}"
