"""Running a command without a network, and proving that it has none.

Here: a network namespace of its own where the system permits it (Linux, `unshare`), else a guard inside the Python
process that refuses every socket. Not here: what the command is.
"""

import functools
import shutil
import subprocess
import sys
from pathlib import Path

GUARD = Path(__file__).resolve().parent / "guarded.py"
PROBE = "import socket; socket.create_connection(('127.0.0.1', int(__import__('sys').argv[1])), 3)"


@functools.cache
def namespace() -> tuple[str, ...]:
    """Return the command that enters an empty network namespace, or nothing where that is not permitted."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    for options in (("--net",), ("--net", "--map-root-user")):
        tried = subprocess.run([unshare, *options, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return (unshare, *options)
    return ()


def without(argv: list[str]) -> list[str]:
    """Return the command line that runs `argv` without a network."""
    inside = namespace()
    if inside:
        return [*inside, *argv]
    return [sys.executable, str(GUARD), *argv]


def typed(words: list[str]) -> list[str]:
    """Return what a user would type to run `words` without a network."""
    inside = namespace()
    if inside:
        return [Path(inside[0]).name, *inside[1:], *words]
    return ["python", "examples/demo/guarded.py", *words]


def described() -> str:
    """Say in words what blocks the sockets."""
    if namespace():
        return f"an empty network namespace (`{' '.join(typed([]))}`)"
    return "a guard inside the process that refuses every socket (this system permits no network namespace)"


def is_blocked(port: int) -> bool:
    """Prove the block: a connection to a port that answers outside must fail inside."""
    outside = subprocess.run([sys.executable, "-c", PROBE, str(port)], capture_output=True, check=False)
    inside = subprocess.run(without([sys.executable, "-c", PROBE, str(port)]), capture_output=True, check=False)
    return outside.returncode == 0 and inside.returncode != 0
