"""`python -m service` without waiting for Python: a process that has everything imported and forks for each command.

Here: that process (`python prepared_service.py`), and `Prepared`, which has the part of `subprocess.Popen` that tests use. What is forked is a
process of its own that is killed, waited for and signalled like any other; only importing, a second and a quarter each time, was done before.
Not here: commands in whose environment something must be there when a process begins (`LD_PRELOAD`): those are started in the ordinary way.
"""

import atexit
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NoReturn

REPOSITORY = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1  # prctl(2)
COMMAND_SECONDS = 120.0
SCRYPT_N = 2  # of keys made by commands that are forked: each start opens all of them
MODULES = (
    *(
        "uvicorn",
        "uvicorn.protocols.http.httptools_impl",
        "uvicorn.loops.uvloop",
        "uvicorn.lifespan.on",
        "alembic.command",
    ),
    *(
        "service.app",
        "service.setup",
        "service.migrating",
        "service.fsck",
        "service.backup",
        "service.key_changes",
        "service.admin",
    ),
    *(
        "service.journal",
        "service.handover.exporting",
        "service.handover.importing",
        "service.witnessing.app",
        "psycopg",
    ),
)


# In the process that forks -----------------------------------------------------------------------------------------------


def _become(asked: dict[str, Any]) -> NoReturn:
    """Be the command in the child, and end with its exit code; nothing of the parent's runs after it."""
    code = 70
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody is left behind when the tests are ended
        for descriptor, file in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
            flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            opened = os.open(file, flags, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = ["service", *asked["arguments"]]
        from service.__main__ import main

        code = main(asked["arguments"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    """Fork and collect as asked on standard input, one JSON object a line, until it ends."""
    import gc
    import importlib

    import service.__main__  # noqa: F401 - what the children run

    for name in MODULES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("service"):
                raise
    import datasigil.signing

    datasigil.signing.SCRYPT_N = SCRYPT_N
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        if "collect" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["collect"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                _become(asked)
        os.write(1, b"%d\n" % answer)


# In the tests ------------------------------------------------------------------------------------------------------------


class _Forking:
    """The one process that forks for this test process, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, **asked: Any) -> int:
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, __file__], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
                atexit.register(self._end, self._process)
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None
            assert stdout is not None
            stdin.write(json.dumps(asked).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
            assert line, "the process that forks has ended"
            return int(line)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.communicate()


_FORKING = _Forking()


class Prepared:
    """One command of the service in a process of its own; members as of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], environment: dict[str, str], out: Path, err: Path) -> None:
        self.pid = _FORKING.ask(arguments=arguments, environment=environment, out=str(out), err=str(err))
        self.returncode: int | None = None
        self._watched = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.returncode if self.returncode is not None else self._collect(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self.returncode if self.returncode is not None else self._collect(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"service, process {self.pid}", timeout or 0)
        return code

    def _collect(self, seconds: float | None) -> int | None:
        if not select.select([self._watched], [], [], seconds)[0]:
            return None
        self.returncode = _FORKING.ask(collect=self.pid)
        os.close(self._watched)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_prepared(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, as `subprocess.run` would with its output captured."""
    with tempfile.TemporaryDirectory() as held:
        out, err = Path(held) / "out", Path(held) / "err"
        code = Prepared(arguments, environment, out, err).wait(COMMAND_SECONDS)
        return subprocess.CompletedProcess(arguments, code, out.read_text("utf-8"), err.read_text("utf-8"))


if __name__ == "__main__":
    sys.path[:] = [str(REPOSITORY), *(one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent)]
    _serve()
