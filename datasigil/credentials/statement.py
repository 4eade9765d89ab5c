"""Signed statements that are no credentials: a key rotation, a status change, a registry's handover and its offer.

Lives here: the members with which every one of them begins, building one, checking one against its closed table, and its digest, by which log
entries name it. Not here: what each says (its own module), its proofs (`proof`) and whether it counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from datasigil.canonical import document_digest
from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.fields import Field, Table
from datasigil.credentials.values import Const, Integer, Text, fault
from datasigil.encoding import Instant, JsonValue

FORMAT_VERSION: Final = 1
NONCE: Final = Text(pattern="[A-Za-z0-9_-]{16,128}", max_length=128, expected="16 to 128 base64url characters")
PROOF_TEXT: Final = Text(pattern="[^\\x00-\\x09\\x0b-\\x1f]+", max_length=80_000, expected="a tlog-proof")


class Form:
    """The closed form of one type of statement, format version 1."""

    def __init__(self, type_: str, *fields: Field, doc: str) -> None:
        self.type = type_
        self.table = Table(
            Field("@context", Const(PROFILE_CONTEXTS, code="CONTEXT"), "exactly these two contexts", required=True),
            Field("type", Const(type_, code="TYPE"), f"always {type_}", required=True),
            Field("formatVersion", Integer(FORMAT_VERSION, FORMAT_VERSION), "version of this format", required=True),
            *fields,
            doc=doc,
        )

    def unsigned(self, *, created: datetime, members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return a statement without its proofs; nothing is checked."""
        begin = {"@context": list(PROFILE_CONTEXTS), "type": self.type, "formatVersion": FORMAT_VERSION}
        return {**begin, **members, "created": str(Instant.from_datetime(created))}

    def checked(self, document: JsonValue) -> dict[str, Any]:
        """Return a document that has this form.

        Raises:
            MalformedError: TYPE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY, KEYWORD, NULL or NUMBER.
        """
        if not isinstance(document, dict):
            raise fault("SCHEMA", f"a {self.type} must be an object", None, "an object", document)
        self.table.check(document, None)
        return document


class Statement:
    """What parsed statements share: the document as it was signed, and its digest."""

    document: Mapping[str, JsonValue]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JCS form of the signed statement, lower-case hexadecimal; its log entry names it."""
        return document_digest(self.document)


__all__ = ["FORMAT_VERSION", "NONCE", "PROOF_TEXT", "Form", "Statement"]
