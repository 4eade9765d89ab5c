"""Memory under load: issuing, verifying, reading and searching at once, for as long as asked.

    python benchmarks/registry/soak.py [--minutes 30] [--database-url URL]

Prints rates, waits and the server's resident memory once a minute, and at the end how much memory grew from the first third to the last.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "tests"), str(HERE.parent.parent), str(HERE.parent)]

from machine import describe
from registry_process import RegistryProcess
from run import new_world, our_rows
from servers import Load, Row, log_size, start_registry

DOCUMENTS = 64
CONNECTIONS = 4


def main() -> int:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory() as held:
        registry = RegistryProcess(Path(held) / "data", options.database_url, prepared=False)
        server, token = start_registry(registry, None)
        found = our_rows(registry, server, token, DOCUMENTS)
        kept = {name: found[name] for name in ("issue", "verify jcs", "verify foreign", "get")}
        rows = {
            name: Row(one.server, one.method, one.paths, one.bodies, one.token, CONNECTIONS)
            for name, one in kept.items()
        }
        rows["search"] = Row(
            server,
            "GET",
            ["/credentials?q=clause", f"/credentials?q={new_world().subject()['name'][:3]}"],
            [],
            connections=1,
        )
        loads = {name: Load(None) for name in rows}
        memory = []
        try:
            for minute in range(options.minutes):
                answers: dict[str, dict[str, float]] = {}

                def ask(name: str, answers: dict[str, dict[str, float]] = answers) -> None:
                    answers[name] = loads[name].ask(rows[name], 60.0)

                threads = [threading.Thread(target=ask, args=(name,)) for name in rows]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                memory.append(server.resident())
                told = ", ".join(
                    f"{name} {one['count'] / one['seconds']:.0f}/s p99 {one['p99']:.0f} ms"
                    for name, one in answers.items()
                )
                print(f"minute {minute + 1}: {memory[-1]:.0f} MiB, {log_size(registry)} entries; {told}", flush=True)
        finally:
            for load in loads.values():
                load.stop()
            registry.__exit__()
        third = max(1, len(memory) // 3)
        first, last = statistics.mean(memory[:third]), statistics.mean(memory[-third:])
        print(
            f"resident memory: {first:.0f} MiB in the first third, {last:.0f} MiB in the last: {last / first - 1:+.1%}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
