"""What sources say, member by member, and where they contradict each other.

Here: the book of findings. Not here: reading any source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasigil.bundle import read_file
from datasigil.errors import DatasigilError, MalformedError
from publisher_cli.sources.license_text import known

SOURCE_MAX_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Findings:
    """Values by member of the description, each with where it comes from; the first source that speaks is heard."""

    members: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    licenses: dict[str, list[str]] = field(default_factory=dict)  # expression -> sources
    notes: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    def found(self, member: str, value: Any, origin: str) -> None:
        """Note a value unless it is empty or an earlier source has spoken."""
        if value and member not in self.members:
            self.members[member] = value
            self.origins[member] = f"from {origin}"

    def licensed(self, expression: str, origin: str) -> None:
        """Note what a source says the licence is; what is no SPDX expression over known names is passed on to the person instead."""
        if expression and known(expression):
            self.licenses.setdefault(expression, []).append(origin)
        elif expression:
            self.note(f"{origin} gives the licence as {one_line(expression, 80)!r}, which was not recognised")

    def note(self, text: str) -> None:
        """Note something that the person must know."""
        self.notes.append(text)


def read_text(path: Path) -> str:
    """Return a source's text.

    Raises:
        DatasigilError: SOURCE_FILE, when it is unreadable, larger than 16 MiB or not UTF-8.
    """
    try:
        return read_file(path, SOURCE_MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise source_error(path, "it is not UTF-8", found=f"byte {error.start}") from None
    except MalformedError:
        raise source_error(path, "it is too large", expected=f"at most {SOURCE_MAX_BYTES} bytes") from None
    except OSError as error:
        raise source_error(path, f"it cannot be read: {error.strerror}") from None


def source_error(path: Path, message: str, *, expected: str = "", found: str = "") -> DatasigilError:
    """Return the error for a source that cannot be used."""
    return DatasigilError(
        "SOURCE_FILE",
        message,
        place=str(path),
        expected=expected,
        found=found,
        next_action="correct the file, or name another with --from",
    )


def one_line(text: object, limit: int = 200) -> str:
    """Return text as one printable line of at most `limit` characters."""
    words = "".join(one if one.isprintable() else " " for one in str(text)).split()
    return " ".join(words)[:limit].strip()
