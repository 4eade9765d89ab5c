"""The description of a dataset, `NAME.dataset.toml`: what its publisher says and a computer cannot compute.

Here: strict reading into the members of a credential's subject, and writing what `init` found. Not here: what is computed (`issuing`),
and whether the members fit the vocabulary (`credentials.types.parse_credential`). Format: DatasetDescription, formatVersion 1;
member names are those of the DatasetCredential's subject.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from datasigil.bundle import read_file
from datasigil.credentials.dataset import SUBJECT
from datasigil.credentials.fields import Field, ListOf, SetOf, Table
from datasigil.credentials.values import Kind
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, MalformedError

FORMAT_VERSION = 1
DESCRIPTION_MAX_BYTES = 1024 * 1024
# Computed from the files, or decided by the command: never the publisher's to state.
COMPUTED = frozenset({"type", "manifest", "predecessor", "derivedFrom"})
_FIELDS: Mapping[str, Field] = {field.name: field for field in SUBJECT.fields if field.name not in COMPUTED}
_FRAME = ("type", "formatVersion")


def read_description(path: Path) -> dict[str, Any]:
    """Return the members of the subject that a description states, sets sorted, dates as text.

    Raises:
        DatasigilError, MalformedError: DESCRIPTION_FILE, with the key that is wrong.
    """
    try:
        data = read_file(path, DESCRIPTION_MAX_BYTES)
    except FileNotFoundError:
        raise _bad(path, "there is no such description", next_action="datasigil init DIR writes one") from None
    except OSError as error:
        raise _bad(path, f"the description cannot be read: {error.strerror}") from None
    except MalformedError as error:
        raise _bad(path, error.message, expected=error.expected) from None
    return parse_description(data, path)


def parse_description(data: bytes, path: Path) -> dict[str, Any]:
    """Return the subject members in the bytes of a description; `path` is for errors.

    Raises:
        DatasigilError: DESCRIPTION_FILE.
    """
    import tomllib

    try:
        table = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _bad(path, "the description is not UTF-8", found=f"byte {error.start}") from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise _bad(path, f"the description is not TOML: {error}", expected="TOML 1.0") from None
    if table.pop("type", None) != "DatasetDescription":
        raise _bad(path, "this is not a description of a dataset", expected='type = "DatasetDescription"')
    version = table.pop("formatVersion", None)
    if type(version) is not int or version != FORMAT_VERSION:
        raise _bad(
            path,
            "unknown version of description",
            expected=f"formatVersion = {FORMAT_VERSION}",
            found=str(version)[:40],
        )
    members: dict[str, Any] = {}
    for name, value in table.items():
        if name not in _FIELDS:
            raise _unknown(path, name)
        members[name] = _value(value, _FIELDS[name].kind, name, path)
    return members


def _unknown(path: Path, name: str) -> DatasigilError:
    from difflib import get_close_matches

    if name in COMPUTED:
        return _bad(path, f"{name} is computed and never stated", next_action=f"remove {name}")
    near = get_close_matches(name, _FIELDS, 1)
    return _bad(
        path, f"unknown key {name[:80]!r}", expected=f"{near[0]!r}?" if near else f"one of {', '.join(sorted(_FIELDS))}"
    )


def _value(value: Any, kind: Kind, place: str, path: Path) -> Any:
    """Return a TOML value as the JSON value of a kind: dates become text, sets are sorted, fractions refused."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _bad(path, f"{place} is a time without offset", expected="a time such as 2026-11-02T09:30:00Z")
        return str(Instant.from_datetime(value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | time):
        raise _bad(
            path, f"{place} is not a kind of value that can be signed", expected='text, such as "0.5"', found=str(value)
        )
    if isinstance(value, dict):
        return _members(value, kind, place, path)
    if isinstance(value, list):
        item = kind.item if isinstance(kind, ListOf) else Kind()
        values = [_value(one, item, f"{place}[{number}]", path) for number, one in enumerate(value)]
        return _sorted(values, kind) if isinstance(kind, SetOf) else values
    return value


def _members(value: dict[str, Any], kind: Kind, place: str, path: Path) -> dict[str, Any]:
    table = next((one for one in (kind, *kind.tables()) if isinstance(one, Table)), None)
    kinds = {field.name: field.kind for field in table.fields} if table is not None else {}
    return {name: _value(one, kinds.get(name, Kind()), f"{place}.{name}", path) for name, one in value.items()}


def _sorted(values: list[Any], kind: SetOf) -> list[Any]:
    """Sort a set as the format demands; values that cannot be compared are left for the parser to refuse."""
    try:
        if kind.key:
            return sorted(values, key=lambda one: one[kind.key])
        return sorted(set(values))
    except (TypeError, KeyError):
        return values


def _bad(path: Path, message: str, *, expected: str = "", found: str = "", next_action: str = "") -> DatasigilError:
    return DatasigilError(
        "DESCRIPTION_FILE", message, place=str(path), expected=expected, found=found,
        next_action=next_action or "correct the description; `datasigil init DIR` writes a fresh one",
    )  # fmt: skip


# Writing ------------------------------------------------------------------------------------------------------------

_HEADER = """# What {name}'s publisher says about it. Read by `datasigil issue`; hashes, sizes and counts are computed there.
# "unknown" is an honest answer; whoever uses the data decides what it is good for. More keys: docs/formats.md.
"""


def description_text(members: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """Return the TOML of a description; `comments` say, by member, where a value comes from."""
    shown = str(members.get("name", "the dataset")).replace("\n", " ")
    lines = [_HEADER.format(name=shown), 'type = "DatasetDescription"', f"formatVersion = {FORMAT_VERSION}", ""]
    plain = {
        name: value for name, value in members.items() if not isinstance(value, dict) and not _is_table_list(value)
    }
    for name, value in plain.items():
        lines += [*_comment(comments.get(name)), f"{name} = {_toml(value)}"]
    for name, value in members.items():
        if name in plain:
            continue
        tables = [("[{}]", value)] if isinstance(value, dict) else [("[[{}]]", one) for one in value]
        for frame, table in tables:
            lines += [
                "",
                *_comment(comments.get(name)),
                frame.format(name),
                *(f"{key} = {_toml(one)}" for key, one in table.items()),
            ]
    return "\n".join(lines) + "\n"


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _comment(text: str | None) -> Iterable[str]:
    return [] if not text else ["# " + "".join(one if one.isprintable() else " " for one in text)]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        # JSON's string syntax is a subset of TOML's basic strings once DEL is escaped as well.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }"


def beside(folder: Path) -> Path:
    """Return where the description of a dataset's folder lies: `NAME.dataset.toml` beside it."""
    absolute = Path(folder).absolute()
    return absolute.parent / f"{absolute.name}.dataset.toml"
