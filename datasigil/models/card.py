"""The model card as canonical JSON: every leaf is {value, source, assurance}, and every source can be checked.

Here: the card's form, and the check of each leaf against the receipt, the credentials, the people's statements and the files it
cites. Not here: who asks people for what (`laws`), documents (`readme`, `companions`, `mlbom`), the verdict over a folder
(`model_folder`), building a card from a run (`training_worker/card`).

Sections follow Mitchell et al. 2019 ("Model Cards for Model Reporting"). A card describes; it never claims compliance.

Sources:
    credential:sha256:HEX#/pointer   a value inside a credential with this document digest
    run#/pointer                     a value the worker recorded in the receipt
    eval#/pointer                    a value under the receipt's `evaluation`
    file:sha256:HEX#key              `key: value` in the YAML front matter of a file with this digest
    human:NAME                       a named person said so: in the recipe (the receipt's `provided`), or later in `statements.json`
    human:                           nobody has said it yet
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from datasigil.canonical import document_digest, jcs, sha256_hex
from datasigil.encoding import parse_json, pointer_token
from datasigil.errors import MalformedError
from datasigil.models.form import resolve_pointer
from datasigil.models.laws import HUMAN_FACTS, facts_of
from datasigil.record import dataclass, field

if TYPE_CHECKING:
    from datasigil.encoding import JsonValue

CARD_TYPE = "ModelCard"
CARD_FORMAT_VERSION = 1
CARD_MAX_BYTES = 8 * 1024 * 1024

ASSURANCES = ("computed", "declared", "attested", "not-provided")
NOT_PROVIDED = "NOT PROVIDED - required by {}"

_LEAF_MEMBERS = frozenset({"value", "source", "assurance"})
_CREDENTIAL = re.compile(r"credential:sha256:([0-9a-f]{64})#(.*)\Z", re.DOTALL)
_FILE = re.compile(r"file:sha256:([0-9a-f]{64})#([A-Za-z0-9_-]{1,64})\Z", re.ASCII)
_RECORDED = re.compile(r"(run|eval)#(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One fact of a card: where it stands, what it says, where that comes from, and how sure that is."""

    pointer: str
    value: JsonValue
    source: str
    assurance: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A card that has passed the closed parser; its leaves are *not* checked against evidence by that."""

    document: Mapping[str, JsonValue]
    digest: str  # SHA-256 of the canonical bytes, lower-case hexadecimal

    def leaves(self) -> tuple[Leaf, ...]:
        """Return every fact, in the order of the document's keys."""
        return tuple(card_leaves(self.document["sections"], "/sections"))


@dataclass(frozen=True, slots=True)
class CardEvidence:
    """What a card's sources may point into; everything here has been identified by digest by the caller."""

    receipt: Mapping[str, JsonValue]
    credentials: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)  # by document digest
    files: Mapping[str, bytes] = field(default_factory=dict)  # by SHA-256
    statements: Sequence[Mapping[str, JsonValue]] = ()  # of people after the run, oldest first


@dataclass(frozen=True, slots=True)
class LeafFinding:
    """The outcome for one leaf: `outcome` is passed, failed or not_provided."""

    leaf: Leaf
    outcome: str
    code: str = ""
    message: str = ""
    found: JsonValue = ""


def parse_card(data: bytes) -> ModelCard:
    """Parse `card.json`; checks its form, not its facts.

    Raises:
        MalformedError: the parser's codes, FORM for bytes that are not canonical, SCHEMA, or VERSION.
    """
    document = parse_json(data, max_bytes=CARD_MAX_BYTES)
    check_card_form(document)
    if jcs(document) != data:
        raise MalformedError("FORM", "the card is not in its canonical form", expected="RFC 8785 bytes")
    return ModelCard(document, sha256_hex(data))


def card_bytes(document: Mapping[str, JsonValue]) -> bytes:
    """Return the canonical bytes of a card after checking its form.

    Raises:
        MalformedError: as `parse_card`.
    """
    check_card_form(document)
    return jcs(dict(document))


def check_card_form(document: JsonValue) -> None:
    """Check members, leaves, and that the status is `draft` exactly while human facts are missing.

    Raises:
        MalformedError: SCHEMA or VERSION, with a JSON pointer.
    """
    if not isinstance(document, dict) or document.get("type") != CARD_TYPE:
        raise MalformedError("SCHEMA", "not a model card", place="/type", expected=CARD_TYPE)
    if document.get("formatVersion") != CARD_FORMAT_VERSION:
        raise MalformedError("VERSION", "an unknown card version", place="/formatVersion", expected="1")
    members = {"type", "formatVersion", "status", "receiptDigest", "sections"}
    if set(document) != members:
        raise MalformedError("SCHEMA", "the card has other members", expected=", ".join(sorted(members)))
    leaves = tuple(card_leaves(document["sections"], "/sections"))
    sections = document["sections"]
    for name, section in sections.items() if isinstance(sections, dict) and not _is_leaf(sections) else (("", {}),):
        if not isinstance(section, (dict, list)) or _is_leaf(section) or not section:
            raise MalformedError("SCHEMA", "a section is a group of facts, or a list of such groups", place=f"/sections/{pointer_token(name)}")  # fmt: skip
    _check_people(sections)
    # A reviewer's credential over the digest releases a complete card; the card itself never says more than this.
    status = "draft" if any(leaf.assurance == "not-provided" for leaf in leaves) else "complete"
    if document["status"] != status:
        raise MalformedError("SCHEMA", "the status does not follow from the facts", place="/status", expected=status)


def _is_leaf(value: JsonValue) -> bool:
    return isinstance(value, dict) and set(value) == _LEAF_MEMBERS


def _check_people(sections: JsonValue) -> None:
    """Check that the card names exactly the facts that people are asked for: one left out would look like one not needed."""
    gate = sections.get("gate") if isinstance(sections, dict) else None
    sector = gate.get("sector") if isinstance(gate, dict) else None
    wanted = {fact.key for fact in facts_of(str(sector.get("value")) if isinstance(sector, dict) else "")}
    people = sections.get("people") if isinstance(sections, dict) else None
    if not isinstance(people, dict) or set(people) != wanted or not all(map(_is_leaf, people.values())):
        found = ", ".join(sorted(wanted.symmetric_difference(people if isinstance(people, dict) else ())))
        raise MalformedError(
            "SCHEMA",
            "the card does not name every fact that people are asked for, and no other",
            place="/sections/people",
            expected=", ".join(sorted(wanted)),
            found=f"differs in {found}",
        )


def card_leaves(value: JsonValue, place: str) -> Iterator[Leaf]:
    """Yield the facts under `value`; every object is either a leaf or holds only objects and arrays of objects.

    Raises:
        MalformedError: SCHEMA, for a bare value, a half leaf or an unknown assurance.
    """
    if isinstance(value, list):
        for index, item in enumerate(value):
            if not isinstance(item, dict) or _LEAF_MEMBERS & set(item):
                raise MalformedError("SCHEMA", "a list of something else than groups of facts", place=f"{place}/{index}", expected="an object whose members are facts", found=type(item).__name__)  # fmt: skip
            yield from card_leaves(item, f"{place}/{index}")
    elif not isinstance(value, dict):
        raise MalformedError("SCHEMA", "a fact without a source", place=place, expected="{value, source, assurance}")
    elif _LEAF_MEMBERS & set(value):
        if set(value) != _LEAF_MEMBERS or not isinstance(value["source"], str) or value["assurance"] not in ASSURANCES:
            raise MalformedError("SCHEMA", "not a whole fact", place=place, expected="{value, source, assurance}")
        yield Leaf(place, value["value"], value["source"], value["assurance"])
    else:
        for key in sorted(value):
            yield from card_leaves(value[key], f"{place}/{pointer_token(key)}")


def check_card(card: ModelCard, evidence: CardEvidence) -> tuple[LeafFinding, ...]:
    """Compare every leaf with the source it cites; does not verify signatures or status of the cited credentials.

    Only the assurance a source can carry is accepted: `computed` from run and eval, `declared` from people and files.
    """
    return tuple(_check_leaf(leaf, evidence) for leaf in card.leaves())


def _check_leaf(leaf: Leaf, evidence: CardEvidence) -> LeafFinding:
    if leaf.source == "human:" or leaf.assurance == "not-provided":
        return _check_missing(leaf)
    try:
        found, allowed = _cited(leaf, evidence)
    except MalformedError as error:
        return LeafFinding(leaf, "failed", "CARD_SOURCE", f"the source cannot be followed: {error}")
    if jcs(found) != jcs(leaf.value):
        return LeafFinding(leaf, "failed", "CARD_VALUE", "the card says something else than its source", found)
    if leaf.assurance not in allowed:
        expected = " or ".join(allowed)
        return LeafFinding(leaf, "failed", "CARD_ASSURANCE", f"this source supports only {expected}", found)
    return LeafFinding(leaf, "passed")


def _check_missing(leaf: Leaf) -> LeafFinding:
    """Check that a fact nobody gave says so, in the words fixed for its place, and nothing more."""
    demands = {f"/sections/people/{fact.key}": NOT_PROVIDED.format(fact.asked_by) for fact in HUMAN_FACTS}
    if leaf.source != "human:" or leaf.assurance != "not-provided" or demands.get(leaf.pointer) != leaf.value:
        return LeafFinding(leaf, "failed", "CARD_SOURCE", "a fact with no source", demands.get(leaf.pointer, ""))
    return LeafFinding(leaf, "not_provided")


def _cited(leaf: Leaf, evidence: CardEvidence) -> tuple[JsonValue, tuple[str, ...]]:
    """Return the value the source names and the assurances that source can support."""
    if match := _RECORDED.match(leaf.source):
        root = evidence.receipt if match[1] == "run" else evidence.receipt["evaluation"]
        return resolve_pointer(root, match[2]), ("computed",)
    if match := _CREDENTIAL.match(leaf.source):
        document = evidence.credentials.get(match[1])
        if document is None or document_digest(dict(document)) != match[1]:
            raise MalformedError("CARD_SOURCE", "no credential with this digest is at hand", found=match[1])
        return resolve_pointer(document, match[2]), (credential_assurance(document, match[2]),)
    if match := _FILE.match(leaf.source):
        data = evidence.files.get(match[1])
        if data is None or sha256_hex(data) != match[1]:
            raise MalformedError("CARD_SOURCE", "no file with this digest is at hand", found=match[1])
        return front_matter_value(data, match[2]), ("declared",)
    if leaf.source.startswith("human:"):
        return _said(leaf, evidence), ("declared",)
    raise MalformedError("CARD_SOURCE", "an unknown kind of source", found=leaf.source[:100])


def credential_assurance(document: Mapping[str, JsonValue], pointer: str) -> str:
    """Return the assurance of a value in a credential: what the nearest enclosing claim states, else that of the credential.

    What a third party audited is `attested`; any other claim that states no assurance is its issuer's word.
    """
    types = document.get("type")
    best = "attested" if isinstance(types, list) and "DatasetAuditCredential" in types else "declared"
    value: JsonValue = document
    for token in pointer.split("/")[1:]:
        if not isinstance(value, dict):
            break
        value = value.get(token.replace("~1", "/").replace("~0", "~"))
        if isinstance(value, dict) and value.get("assurance") in ASSURANCES:
            best = value["assurance"]
    return best


def _said(leaf: Leaf, evidence: CardEvidence) -> JsonValue:
    """Return what the named person said last about this fact."""
    provided = evidence.receipt.get("provided")
    said = [*([provided] if isinstance(provided, dict) else []), *evidence.statements]
    key = leaf.pointer.rsplit("/", 1)[-1]
    for one in reversed(said):
        if leaf.source == f"human:{one['by']}" and isinstance(one["facts"], dict) and key in one["facts"]:
            return one["facts"][key]
    raise MalformedError("CARD_SOURCE", "no such person is on record as having said this", found=leaf.source[:100])


def front_matter_value(data: bytes, key: str) -> str:
    """Return the scalar `key: value` in the YAML front matter of a Markdown file.

    Raises:
        MalformedError: FRONT_MATTER, when there is none, or the key is absent or occurs twice.
    """
    text = data.decode("utf-8", "replace")
    block = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", text, re.DOTALL)
    lines = block[1].splitlines() if block else []
    values = [line.partition(":")[2].strip() for line in lines if line.startswith(f"{key}:")]
    if len(values) != 1 or not values[0]:
        raise MalformedError("FRONT_MATTER", f"the front matter does not give one value for {key!r}")
    return values[0]


__all__ = [
    "ASSURANCES",
    "NOT_PROVIDED",
    "CardEvidence",
    "Leaf",
    "LeafFinding",
    "ModelCard",
    "card_bytes",
    "card_leaves",
    "check_card",
    "check_card_form",
    "credential_assurance",
    "front_matter_value",
    "parse_card",
]
