"""How a command line talks: errors in words, versioned JSON, one progress line with bytes per second and time left.

Here: text and a meter, on streams that are handed in, and which exit code an error means (DESIGN.md section 3). Not here: reports
(`rendering`), arguments, exiting (the command lines). Everything from outside is escaped before it reaches a terminal.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, TextIO

from datasigil.errors import DatasigilError, MalformedError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

OK, REFUSED, USAGE, UNDETERMINED, INTERRUPTED = 0, 1, 2, 3, 130
# Files of the user's own: unreadable ones are wrong usage, whatever kind of error their parser raises.
USAGE_CODES = frozenset({"POLICY_FILE", "GATE_FILE", "DESCRIPTION_FILE", "KEY_FILE", "CURATION_RECIPE"})
ERROR_FORMAT_VERSION = 1
DRAW_SECONDS = 0.2
QUIET_SECONDS = 1.0  # a task that ends sooner draws nothing
PLAIN_SECONDS = 30.0  # between lines where there is no terminal
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def escape(text: str) -> str:
    r"""Return text that cannot move a cursor, break a line or reorder what is read: such characters become \u escapes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    point = ord(character)
    if character == "\n":
        return "\\n"
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def error_text(error: DatasigilError) -> str:
    """Return an error as lines for people: what, where, expected, found, what to do; ends in a newline."""
    lines = [f"error: {escape(error.message)} [{escape(error.code)}]"]
    for label, value in (
        ("at", error.place),
        ("expected", error.expected),
        ("found", error.found),
        ("next", error.next_action),
    ):
        if value:
            lines.append(f"  {label + ':':<9} {escape(value)}")
    return "\n".join(lines) + "\n"


def error_json(error: DatasigilError, *, exit_code: int) -> dict[str, Any]:
    """Return an error as the versioned JSON document that `--json` writes."""
    members = {"place": error.place, "expected": error.expected, "found": error.found, "nextAction": error.next_action}
    return {
        "type": "Error",
        "formatVersion": ERROR_FORMAT_VERSION,
        "code": error.code,
        "message": error.message,
        **{name: value for name, value in members.items() if value},
        "exitCode": exit_code,
    }


def size_text(count: float) -> str:
    """Return a number of bytes as people read it: 812 B, 1.5 GB."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {_UNITS[unit]}"


def duration_text(seconds: float) -> str:
    """Return a duration as people read it: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def exit_code_of(error: DatasigilError) -> int:
    """Return 1 for evidence that is wrong or refused, 3 for what others hold and cannot be had now, 2 for everything else."""
    if error.code in USAGE_CODES:
        return USAGE
    if isinstance(error, VerificationError | MalformedError):
        return REFUSED
    if error.code.startswith("FETCH_") and error.code not in ("FETCH_URL", "FETCH_BLOCKED"):
        return UNDETERMINED
    status = getattr(error, "status", None)  # of an HTTP answer
    if isinstance(status, int):
        return UNDETERMINED if status >= 500 or status == 429 else REFUSED
    return USAGE


def perform(command: Callable[[], int], console: Console) -> int:
    """Run a command and return its exit code, or that of the error with which it ended, which is shown."""
    try:
        return command()
    except DatasigilError as error:
        code = exit_code_of(error)
        console.error(error, code)
        return code
    except KeyboardInterrupt:
        console.err.write("\nstopped; no file was left half-written\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away; what it did not read is not for us to complain about, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), console.out.fileno())
        return USAGE
    except OSError as error:
        console.error(_system_error(error), USAGE)
        return USAGE


def _system_error(error: OSError) -> DatasigilError:
    return DatasigilError(
        "SYSTEM",
        f"the system refused: {error.strerror or type(error).__name__}",
        place=str(error.filename or ""),
        next_action="check the path, its permissions and the room on the disk",
    )


class Console:
    """One command's voice: its result on `out`, talk on `err`; `--json` and `-q` and NO_COLOR decide how much and how."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        color: bool = False,
    ) -> None:
        self.out, self.err = out, err
        self.json, self.quiet, self.verbose, self.color = json, quiet, verbose, color

    def say(self, text: str) -> None:
        """Write one line of talk, escaped, unless `-q`."""
        if not self.quiet:
            self.err.write(escape(text) + "\n")
            self.err.flush()

    def detail(self, text: str) -> None:
        """Write one line of talk that only `-v` asks for."""
        if self.verbose:
            self.say(text)

    def result(self, document: dict[str, Any], text: str) -> None:
        """Write the result: the versioned document with `--json`, else text whose parts from outside are escaped already."""
        if self.json:
            from json import dumps

            self.out.write(dumps(document, indent=2, ensure_ascii=True) + "\n")
        elif text:
            self.out.write(text if text.endswith("\n") else text + "\n")
        self.out.flush()

    def error(self, error: DatasigilError, exit_code: int) -> None:
        """Write an error for people, and as a document with `--json`."""
        self.err.write(error_text(error))
        self.err.flush()
        if self.json:
            self.result(error_json(error, exit_code=exit_code), "")

    def meter(self, doing: str) -> Meter | None:
        """Return a meter for a long task, or None with `-q`."""
        return None if self.quiet else Meter(self.err, doing)

    def confirm(self, question: str, answers: TextIO) -> bool:
        """Ask for a plain yes; anything else, and a stream that is no terminal, is a no."""
        if not answers.isatty():
            return False
        self.err.write(f"{question} [yes/no] ")
        self.err.flush()
        return answers.readline().strip().casefold() in ("y", "yes")


class Meter:
    """A `datasets.Progress` that draws one line on a terminal and writes a line now and then elsewhere."""

    def __init__(self, stream: TextIO, doing: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._doing, self._clock = stream, doing, clock
        self._live = stream.isatty()
        self._began = self._shown = clock()
        self._width = 0

    def __call__(self, done: int, total: int, path: str) -> None:
        """Show that `done` of `total` bytes are done, `path` last."""
        now = self._clock()
        if now - self._began < QUIET_SECONDS or now - self._shown < (DRAW_SECONDS if self._live else PLAIN_SECONDS):
            return
        self._shown = now
        self._draw(self._line(done, total, path, now))

    def _line(self, done: int, total: int, path: str, now: float) -> str:
        rate = done / (now - self._began)
        left = f"ETA {duration_text((total - done) / rate)}" if rate and total >= done else "ETA …"
        share = 100 * done // total if total else 100
        return f"{self._doing} {share:3d} %  {size_text(done)} of {size_text(total)}  {size_text(rate)}/s  {left}  {escape(path)[-40:]}"

    def _draw(self, line: str) -> None:
        if self._live:
            self._stream.write("\r" + line.ljust(self._width)[:200])
            self._width = min(len(line), 200)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._live and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


__all__ = [
    "Console",
    "Meter",
    "duration_text",
    "error_json",
    "error_text",
    "escape",
    "exit_code_of",
    "perform",
    "size_text",
]
