"""What people said about a model after its run: `statements.json`, from which a card's human facts are filled.

Here: the file's closed form. Not here: which facts are asked for (`laws`), the card (`card`), signatures: a statement counts as
declared by whom it names, and a reviewer's credential over the card's digest covers it.

Form: I-JSON in its RFC 8785 bytes; `statements` in the order in which they were made, the last one about a fact counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasigil.canonical import jcs
from datasigil.encoding import parse_json
from datasigil.errors import MalformedError
from datasigil.models.form import Table, check_form
from datasigil.models.laws import HUMAN_FACTS

if TYPE_CHECKING:
    from datasigil.encoding import JsonValue

STATEMENTS_TYPE = "HumanStatements"
STATEMENTS_FORMAT_VERSION = 1
STATEMENTS_MAX_BYTES = 4 * 1024 * 1024
FACT_MAX_CHARACTERS = 20_000
NAME_MAX_CHARACTERS = 200

_TABLE: Table = (
    ("type", "text", True),
    ("formatVersion", "count", True),
    ("statements", [(("by", "text", True), ("time", "instant", True), ("facts", "open", True))], True),
)


def parse_statements(data: bytes) -> tuple[Mapping[str, JsonValue], ...]:
    """Parse `statements.json` and return its statements, oldest first.

    Raises:
        MalformedError: the parser's codes, FORM for bytes that are not canonical, SCHEMA, VERSION or UNKNOWN_FACT.
    """
    document = parse_json(data, max_bytes=STATEMENTS_MAX_BYTES)
    _check(document)
    if jcs(document) != data:
        raise MalformedError("FORM", "the statements are not in their canonical form", expected="RFC 8785 bytes")
    return tuple(document["statements"])


def statements_bytes(statements: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the canonical bytes of `statements.json`.

    Raises:
        MalformedError: as `parse_statements`.
    """
    document = {
        "type": STATEMENTS_TYPE,
        "formatVersion": STATEMENTS_FORMAT_VERSION,
        "statements": [dict(one) for one in statements],
    }
    _check(document)
    return jcs(document)


def _check(document: JsonValue) -> None:
    if not isinstance(document, dict) or document.get("type") != STATEMENTS_TYPE:
        raise MalformedError("SCHEMA", "not a file of statements", place="/type", expected=STATEMENTS_TYPE)
    if document.get("formatVersion") != STATEMENTS_FORMAT_VERSION:
        raise MalformedError("VERSION", "an unknown version of statements", place="/formatVersion", expected="1")
    check_form(document, _TABLE, "")
    for number, one in enumerate(document["statements"]):
        check_facts(one["by"], one["facts"], f"/statements/{number}")


def check_facts(by: str, facts: Mapping[str, Any], place: str) -> None:
    """Check who speaks and that each fact is one that is asked for, with text.

    Raises:
        MalformedError: SCHEMA or UNKNOWN_FACT, with the place.
    """
    known = sorted(fact.key for fact in HUMAN_FACTS)
    if not by.strip() or len(by) > NAME_MAX_CHARACTERS or not by.isprintable():
        raise MalformedError("SCHEMA", "a name is not one line of text", place=f"{place}/by", found=repr(by)[:80])
    if not facts:
        raise MalformedError("SCHEMA", "nothing is said", place=f"{place}/facts", expected="one of " + ", ".join(known))
    for key, text in facts.items():
        if key not in known:
            raise MalformedError(
                "UNKNOWN_FACT",
                "nobody asks for this fact",
                place=f"{place}/facts/{key}"[:200],
                expected="one of " + ", ".join(known),
                found=key[:80],
            )
        if not isinstance(text, str) or not text.strip() or len(text) > FACT_MAX_CHARACTERS:
            raise MalformedError(
                "SCHEMA",
                "a fact is not text",
                place=f"{place}/facts/{key}",
                expected=f"1 to {FACT_MAX_CHARACTERS} characters",
                found=repr(text)[:80],
            )


__all__ = ["STATEMENTS_MAX_BYTES", "check_facts", "parse_statements", "statements_bytes"]
