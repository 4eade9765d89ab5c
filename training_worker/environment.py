"""What a run ran on: processor, memory, interpreter and installed packages, as the receipt records them.

Here: reading this machine. Not here: deciding anything by it. Paths, user and host names are left out.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from datasigil.canonical import document_digest

# The packages whose version can change what a run produces; a resume under another one is refused.
DECISIVE = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "datasigil")


@cache
def installed_packages() -> Mapping[str, str]:
    """Return name and version of every installed distribution, names normalised (PEP 503), sorted; read once, as the imports are."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        fields = distribution.metadata  # parsed anew at each access
        if name := fields["Name"]:
            found.setdefault(name.lower().replace("_", "-").replace(".", "-"), fields["Version"])
    return MappingProxyType(dict(sorted(found.items())))


def software(packages: Mapping[str, str]) -> dict[str, Any]:
    """Return the receipt's `software`; the lockfile digest is over all packages, the listed ones are the decisive."""
    return {
        "python": platform.python_version(),
        "worker": packages.get("datasigil", "unknown"),
        "lockfileDigest": document_digest(
            {"type": "InstalledPackages", "formatVersion": 1, "packages": dict(packages)}
        ),
        "packages": {name: packages[name] for name in DECISIVE if name in packages},
    }


def hardware(threads: int, device: str = "cpu") -> dict[str, Any]:
    """Return the receipt's `hardware`; a card's name stands beside `cuda`."""
    if device == "cuda":
        import torch

        device = f"cuda: {torch.cuda.get_device_name()}"
    return {
        "device": device,
        "processor": processor_name(),
        "cores": usable_cores(),
        "threads": threads,
        "memoryBytes": memory_bytes(),
        "system": f"{platform.system()} {platform.machine()}".strip(),
        "deterministic": device == "cpu",
    }


def usable_cores() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no such call
        return os.cpu_count() or 1


def processor_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip() or "unknown"
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def memory_bytes() -> int:
    """Return the machine's memory in bytes, 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


__all__ = ["DECISIVE", "hardware", "installed_packages", "memory_bytes", "processor_name", "software", "usable_cores"]
