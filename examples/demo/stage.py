"""The stage of the demo: prints the story, runs commands as a user would type them, and checks what they answer.

Here: telling, running, expecting. Not here: the story itself (`story.py`) and the registry process (`registry.py`).
"""

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import network

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 100
ACTS = 7


class StoryFailed(Exception):  # noqa: N818 - reads as what it says
    """Something did not happen as the story tells it; the demo stops and exits 1."""


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    command: str
    exit_code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams, for looking for words."""
        return self.out + "\n" + self.err


@dataclass(frozen=True)
class Person:
    """Somebody in the story, with a configuration and a state folder of their own."""

    name: str
    home: Path

    def environment(self) -> dict[str, str]:
        """Return the variables that make the programs use this person's folders."""
        return {
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "DATASIGIL_PASSPHRASE_FILE": str(self.home / "passphrase"),
        }


@dataclass
class Stage:
    """Runs the story's commands from the checkout's root and prints them."""

    colour: bool = field(default_factory=lambda: sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    started: float = field(default_factory=time.monotonic)
    person: Person | None = None
    checks: int = 0

    def act(self, number: int, title: str) -> None:
        """Open an act."""
        seconds = time.monotonic() - self.started
        print(
            f"\n{self.paint('1', f'── {number} of {ACTS}: {title} ')}{'─' * max(3, WIDTH - 24 - len(title))} {seconds:4.0f} s\n"
        )

    def say(self, text: str) -> None:
        """Tell something in plain words."""
        print(self.wrap(text), flush=True)

    def enter(self, person: Person) -> None:
        """Let another person act from here on, and show the variables that make it so."""
        self.person = person
        print(self.paint("2", f"\n  ({person.name} acts; settings and keys in {relative(person.home)})"), flush=True)

    def show(self, *command: str | Path) -> None:
        """Print a command that runs for the whole story and was started already."""
        typed = [relative(part) if isinstance(part, Path) else part for part in command]
        print(f"  {self.paint('36', '$ ' + shlex.join(typed))}", flush=True)

    def run(
        self,
        *command: str | Path,
        expect: int | tuple[int, ...] = 0,
        words: Sequence[str] = (),
        absent: Sequence[str] = (),
        offline: bool = False,
        live: bool = False,
        short: bool = False,
        limit: float = 240,
    ) -> Answer:
        """Print a command, run it through the installed console script, show what it says and check the outcome.

        `words` must occur in the answer, `absent` must not (both without regard to case). `limit` is in seconds; `live`
        lets the command draw its progress on the terminal, if there is one; `short` counts the checks of a report that
        passed instead of printing them again.

        Raises:
            StoryFailed: another exit code, a missing word, or no end within the limit.
        """
        typed = [relative(part) if isinstance(part, Path) else part for part in command]
        argv = [program(typed[0]), *typed[1:]]
        if offline:
            argv, typed = network.without(argv), network.typed(typed)
        print(f"  {self.paint('36', '$ ' + shlex.join(typed))}", flush=True)
        answer = self.perform(argv, shlex.join(typed), limit, live=live and sys.stderr.isatty(), short=short)
        self.check(answer, (expect,) if isinstance(expect, int) else expect, words, absent)
        return answer

    def perform(self, argv: list[str], typed: str, limit: float, *, live: bool, short: bool) -> Answer:
        """Run a process, passing its output on line by line as it comes."""
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**clean_environment(), **(self.person.environment() if self.person else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if live else subprocess.PIPE,
        )
        heard: tuple[list[bytes], list[bytes]] = ([], [])
        ears = [
            threading.Thread(target=pass_on, args=(stream, kept, Shortened() if short else None), daemon=True)
            for stream, kept in zip((process.stdout, process.stderr), heard, strict=True)
            if stream is not None
        ]
        for ear in ears:
            ear.start()
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            raise StoryFailed(f"no end within {limit:.0f} s: {typed}") from None
        finally:
            if process.poll() is None:
                process.kill()
            for ear in ears:
                ear.join(timeout=5)
        out, err = (b"".join(kept).decode("utf-8", "replace") for kept in heard)
        return Answer(typed, code, out, err)

    def check(self, answer: Answer, expected: tuple[int, ...], words: Sequence[str], absent: Sequence[str]) -> None:
        """Compare an answer with what the story says must happen."""
        if answer.exit_code not in expected:
            wanted = " or ".join(str(code) for code in expected)
            raise StoryFailed(
                f"expected exit code {wanted}, found {answer.exit_code}: {answer.command}\n{answer.text[-3000:]}"
            )
        said = answer.text.casefold()
        for word in words:
            if word.casefold() not in said:
                raise StoryFailed(f"expected to read {word!r}, but {answer.command} said\n{answer.text[-3000:]}")
        for word in absent:
            if word.casefold() in said:
                raise StoryFailed(f"did not expect to read {word!r}, but {answer.command} said\n{answer.text[-3000:]}")
        self.checks += 1

    def ensure(self, condition: object, what: str) -> None:
        """Check one more thing that the story claims.

        Raises:
            StoryFailed: the condition does not hold.
        """
        if not condition:
            raise StoryFailed(what)
        self.checks += 1

    def done(self, text: str) -> None:
        """Say that a step came out as it should."""
        print(f"  {self.paint('32', '✓')} {text}", flush=True)

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print what lies where."""
        width = max(len(left) for left, _ in rows)
        for left, right in rows:
            print(f"  {left.ljust(width)}   {right}")

    def paint(self, code: str, text: str) -> str:
        """Colour a text on a terminal that wants colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    @staticmethod
    def wrap(text: str) -> str:
        """Break a paragraph at the stage's width; empty lines before it stay."""
        lines, line = [""] * (len(text) - len(text.lstrip("\n"))), ""
        for word in text.split():
            if len(line) + len(word) + 1 > WIDTH:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        return "\n".join([*lines, line])


def relative(path: Path) -> str:
    """Write a path as a user in the checkout's root would type it."""
    try:
        return str(path.relative_to(ROOT))
    except ValueError:
        return str(path)


def program(name: str) -> str:
    """Find a console script beside the running interpreter; `python` is the interpreter itself.

    Raises:
        StoryFailed: the script is not installed there.
    """
    if name == "python":
        return sys.executable
    folder = Path(sys.executable).parent
    for candidate in (folder / name, folder / f"{name}.exe"):
        if candidate.is_file():
            return str(candidate)
    raise StoryFailed(
        f"{name} is not installed beside {sys.executable}: run make demo, or pip install -e '.[service,train]'"
    )


def clean_environment() -> dict[str, str]:
    """Return the environment without settings of the user's own that would change the story."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATASIGIL_", "XDG_"))}
    # The demo's registry stands on the loopback interface, without TLS: what DATASIGIL_DEV allows.
    return {
        **kept,
        "DATASIGIL_DEV": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }


class Shortened:
    """A report without its sections about what passed and what was not asked for; says how many checks those were."""

    FOLDED = ("What was established", "What was not asked for")

    def __init__(self) -> None:
        self.folding = False
        self.passed = 0
        self.said = False

    def lines(self, line: str) -> list[str]:
        """Return what is to be printed for one line of the report."""
        if line.startswith(self.FOLDED):
            self.folding = True
            return []
        if self.folding and (not line or line.startswith(" ")):
            self.passed += line.startswith("  ok ")
            return []
        told = self.rest() if self.folding else []
        self.folding = False
        return [*told, line]

    def rest(self) -> list[str]:
        """Return the line that stands for what was folded."""
        if not self.passed or self.said:
            return []
        self.said = True
        return [f"({self.passed} checks passed, as above)", ""]


def pass_on(stream: IO[bytes], kept: list[bytes], shortened: Shortened | None = None) -> None:
    """Read a process's stream to its end, keeping it and printing it indented."""
    for raw in iter(stream.readline, b""):
        kept.append(raw)
        line = raw.decode("utf-8", "replace").rstrip("\n")
        tell(shortened.lines(line) if shortened else [line])
    if shortened:
        tell(shortened.rest())
    stream.close()


def tell(lines: Sequence[str]) -> None:
    """Print lines indented, at once."""
    for line in lines:
        sys.stdout.write(f"    {line}".rstrip() + "\n")
    sys.stdout.flush()
