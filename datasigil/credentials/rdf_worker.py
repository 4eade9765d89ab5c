"""Canonicalisation of documents that others wrote, in a subprocess that can be killed.

Lives here: `canonicalize_isolated` (the parent's side) and the child's loop, `python -m datasigil.credentials.rdf_worker`. Not here: the
canonicalisation (`rdf`). A hostile document can make JSON-LD expansion slow or large in ways that no count of steps foresees; the child
has a CPU limit for each document, a memory limit, and dies with its parent.

One child serves one process for as long as it behaves. Messages are a length of 8 bytes, big-endian, then bytes: to the child JSON
`[hash name or "check", document]`, from it a status byte (`+` and N-Quads, or `-` and a JSON error).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO

from datasigil.encoding import JsonValue
from datasigil.errors import MalformedError
from datasigil.limits import CREDENTIAL_MAX_BYTES, RDF_CPU_SECONDS, RDF_MEMORY_BYTES

# CPU time is what is bounded; wall time only catches a child that does nothing at all.
_WALL_SECONDS = 30.0
_MESSAGE_MAX_BYTES = 64 * CREDENTIAL_MAX_BYTES


class _Child:
    """The parent's handle on one canonicalising subprocess."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-E", "-s", "-m", "datasigil.credentials.rdf_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "PATH": os.defpath,
                "PYTHONHASHSEED": "0",
            },
            cwd=os.path.abspath(os.sep),
            close_fds=True,
        )
        self.owner = os.getpid()

    def usable(self) -> bool:
        # After a fork the pipes belong to both processes, and answers would go to the wrong one.
        return self.owner == os.getpid() and self.process.poll() is None

    def ask(self, request: bytes) -> bytes | None:
        """Return the child's answer, or None if it died or had to be killed."""
        assert self.process.stdin is not None  # both are pipes
        assert self.process.stdout is not None
        alarm = threading.Timer(_WALL_SECONDS, self.process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            _send(self.process.stdin, request)
            answer = _receive(self.process.stdout)
        except OSError:
            answer = None
        finally:
            alarm.cancel()
        if answer is None:
            self.stop()
        return answer

    def stop(self) -> None:
        """End the child, or after a fork only close this process's ends of its pipes."""
        mine = self.owner == os.getpid()
        if mine:
            with contextlib.suppress(OSError):
                self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        if mine:
            self.process.wait()
        else:
            self.process.returncode = 0  # somebody else's child: not ours to wait for


class _Pool:
    """At most one child per process, started when the first RDF proof asks for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.child: _Child | None = None

    def ask(self, request: bytes) -> bytes | None:
        with self.lock:
            if self.child is not None and not self.child.usable():
                self.child.stop()
                self.child = None
            if self.child is None:
                self.child = _Child()
            answer = self.child.ask(request)
            if answer is None:
                self.child = None
            return answer


_POOL = _Pool()


def canonicalize_isolated(document: Mapping[str, JsonValue], hash_name: str) -> bytes:
    """Return the canonical N-Quads of a document, made by a subprocess within 2 s CPU and 256 MiB.

    Raises:
        MalformedError: as `rdf.canonicalize`, and LIMIT when the subprocess ran past its bounds.
    """
    return _ask(hash_name, document)


def check_terms_isolated(document: Mapping[str, JsonValue]) -> None:
    """Return if every term, type and id of a JSON-LD document is defined and absolute; the work is done by the subprocess.

    Raises:
        MalformedError: CONTEXT, DATA_LOSS, NUMBER, JSON_LD or LIMIT.
    """
    _ask("check", document)


def _ask(task: str, document: Mapping[str, JsonValue]) -> bytes:
    request = json.dumps([task, document], ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )
    answer = _POOL.ask(request)
    if answer is None:
        raise MalformedError(
            "LIMIT", "the document is too expensive to canonicalise", expected=f"at most {RDF_CPU_SECONDS} s CPU and {RDF_MEMORY_BYTES >> 20} MiB",
            next_action="sign with a jcs cryptosuite",
        )  # fmt: skip
    if answer[:1] == b"+":
        return answer[1:]
    raise MalformedError(**json.loads(answer[1:]))


def stop() -> None:
    """End this process's child, if there is one; the next call starts another."""
    with _POOL.lock:
        if _POOL.child is not None:
            _POOL.child.stop()
        _POOL.child = None


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(8, "big") + message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    header = pipe.read(8)
    if len(header) != 8:
        return None
    size = int.from_bytes(header, "big")
    if size > _MESSAGE_MAX_BYTES:
        return None
    message = pipe.read(size)
    return message if len(message) == size else None


# The child ------------------------------------------------------------------------------------------------------------


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no rlimits; the parent's wall clock remains
        return
    resource.setrlimit(resource.RLIMIT_AS, (RDF_MEMORY_BYTES, RDF_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu() -> None:
    """Give this process at most 2 more seconds (the kernel counts whole ones): past them SIGXCPU ends it."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + RDF_CPU_SECONDS, hard))


def _answer(request: bytes) -> bytes:
    from datasigil.credentials.rdf import canonicalize, check_terms

    task, document = json.loads(request)
    try:
        if task == "check":
            check_terms(document)
            return b"+"
        return b"+" + canonicalize(document, task)
    except MalformedError as error:
        names = ("code", "message", "place", "expected", "found", "next_action")
        return b"-" + json.dumps({name: getattr(error, name) for name in names}).encode()
    except (MemoryError, RecursionError):
        return b"-" + json.dumps({"code": "LIMIT", "message": "the document is too expensive to canonicalise"}).encode()


def _serve() -> None:
    import pyld.jsonld  # noqa: F401 - imported before the limits, so that they bound documents and not imports

    _limit_memory()
    while (request := _receive(sys.stdin.buffer)) is not None:
        _limit_cpu()
        _send(sys.stdout.buffer, _answer(request))


if __name__ == "__main__":
    _serve()
