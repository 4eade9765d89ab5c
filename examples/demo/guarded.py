"""Run a Python program in this process with every socket refused: the stand-in where there are no network namespaces.

Usage: python guarded.py PROGRAM ARGUMENT…   (PROGRAM: a console script, or this Python with -c CODE)
"""

import runpy
import sys
from pathlib import Path

REFUSED = (
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
)
# A child process would not inherit the guard.
REFUSED_TOO = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork")


def refuse(event: str, _arguments: tuple[object, ...]) -> None:
    """Audit hook: no socket and no child process.

    Raises:
        PermissionError: the program tried to open one.
    """
    if event in REFUSED or event in REFUSED_TOO:
        raise PermissionError(f"no network here: {event}")


def main() -> None:
    """Install the guard, then become the named program."""
    sys.argv = sys.argv[1:]
    sys.addaudithook(refuse)
    if sys.argv[1:2] == ["-c"]:
        code = sys.argv[2]
        sys.argv = ["-c", *sys.argv[3:]]
        exec(compile(code, "<probe>", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own probe
        return
    program = sys.argv[0]
    if not Path(program).is_file():
        raise SystemExit(f"no such program: {program}")
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
