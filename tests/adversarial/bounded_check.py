"""Check one input in this process under an address-space limit, and print decision, CPU seconds and memory that it took.

    python tests/adversarial/bounded_check.py POLICY INPUT…      (one JSON line for each input)

Sockets are blocked from the start. The limit is 64 MiB over what this program needs for a small bundle.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

MIB = 1024 * 1024
ALLOWED_BYTES = 64 * MIB


def _refuse(*_arguments: Any, **_options: Any) -> NoReturn:
    raise AssertionError("a socket was opened before any signature was checked")


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main(arguments: list[str]) -> int:
    """Warm up on the first input, then check every other one within the bounds."""
    policy_file, first, *rest = arguments
    socket.socket = _refuse  # type: ignore[assignment,misc]  # nobody may open one
    from datasigil.trust.policy import parse_policy
    from datasigil.verification import verify_bytes

    policy, at = parse_policy(Path(policy_file).read_bytes()), datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    verify_bytes(Path(first).read_bytes(), policy=policy, at=at, offline=True)
    for name in rest:
        # Each input in a copy of the warm process, so that none pays for what another left behind.
        child = os.fork()
        if child == 0:
            _check_one(name, lambda raw: verify_bytes(raw, policy=policy, at=at, offline=True).report)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            return 1
    return 0


def _check_one(name: str, check: Callable[[bytes], Any]) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + ALLOWED_BYTES, resource.RLIM_INFINITY))
        raw, began = Path(name).read_bytes(), _cpu()
        report = check(raw)
        report.render()
        found = {"name": Path(name).name, "decision": report.decision, "code": report.code, "cpu": _cpu() - began}
        print(json.dumps(found), flush=True)
    except BaseException:
        print(f"{name}: ", file=sys.stderr)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
