"""One verdict over a folder with a model that some trainer made behind the gate: receipt, files, evidence, card and README.md hold together.

Here: `check_offered_model`, for folders whose `receipt.json` is an OfferedModelReceipt. Not here: runs of the worker (`model_folder`), forms
(`offered`), reading disks. VALID means: the files are those that the program left when it had ended, the offer was VALID over all
files, every leaf of the card says what its source says, and every cited credential is VALID under the reader's policy now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from datasigil.bundle import MANIFEST_SUFFIX, SUFFIX, parse_bundle
from datasigil.canonical import document_digest
from datasigil.datasets.entry import Manifest
from datasigil.errors import DatasigilError, MalformedError, VerificationError
from datasigil.models.card import CardEvidence, ModelCard, check_card, parse_card
from datasigil.models.document import inline, short_source
from datasigil.models.folder_checks import FolderChecks, Read
from datasigil.models.laws import facts_of
from datasigil.models.model_finding import ModelFinding
from datasigil.models.offered import TRAINER_README, OfferedReceipt, is_offered, parse_offered
from datasigil.models.statements import parse_statements
from datasigil.models.words import ordered, words

if TYPE_CHECKING:
    from datasigil.transparency.client_state import ClientState
    from datasigil.trust.policy import TrustPolicy

RECEIPT, CARD, README, STATEMENTS, EVIDENCE = "receipt.json", "card.json", "README.md", "statements.json", "evidence/"
_INTRO = (
    "Made by a program that `datasigil-verify exec` started on verified copies of the datasets below, once every one of them was VALID. "
    "**Offered, not observed:** what the program read of these bytes, and what else it read, nobody can know from outside. Each fact names its "
    "source: `run` points into `receipt.json`, `credential` into `evidence/`. `datasigil-verify card .` follows every one of them.\n\n"
    "**What this card does not say:** it makes no claim that any law, standard or contract is met, and none that the publishers' statements are true."
)  # fmt: skip
_HEADINGS = {"details": "Model", "offeredData": "Data that was offered", "gate": "Gate"}


def is_offered_folder(manifest: Manifest, read: Read) -> bool:
    """Return whether a folder's receipt claims to be about a program that was offered data."""
    return any(entry.path == RECEIPT for entry in manifest.entries) and is_offered(read(RECEIPT))


def check_offered_model(
    manifest: Manifest,
    read: Read,
    *,
    at: datetime,
    policy: TrustPolicy | None = None,
    offline: bool = True,
    state: ClientState | None = None,
) -> ModelFinding:
    """Check a folder whose files `manifest` lists (with both digests) and `read` returns; bad content is a finding, never an exception."""
    folder = FolderChecks(manifest, read, policy, at, state, offline=offline)
    receipt: OfferedReceipt | None = folder.check("receipt", lambda: parse_offered(folder.read(RECEIPT)))
    card: ModelCard | None = folder.check("card", lambda: parse_card(folder.read(CARD)))
    if receipt is None or card is None:
        return ModelFinding(tuple(folder.findings), (), folder.reports, None, card)
    folder.check("card is about this receipt", lambda: _same(card, receipt))
    folder.check("files are those that the program left", lambda: require_left(manifest, receipt.document))
    credentials = folder.check("evidence", lambda: _evidence(folder, receipt.document)) or {}
    folder.check("README.md is the card", lambda: _rendered(folder, card))
    said = folder.check("statements", lambda: parse_statements(folder.read(STATEMENTS))) if STATEMENTS in folder.digests else ()  # fmt: skip
    leaves = check_card(card, CardEvidence(receipt.document, credentials, {}, said or ()))
    if policy is not None:
        for one in receipt.document["evidence"]:
            folder.check_verified(one["path"], "DatasetCredential")
    return ModelFinding(tuple(folder.findings), leaves, folder.reports, None, card)


def left_by_program(manifest: Manifest) -> Manifest:
    """Return the manifest of what the program left: the folder without receipt, card, evidence and our README.md.

    A README.md of the program's own is kept under evidence/ and counts under its own name.
    """
    kept = [
        one
        for one in manifest.entries
        if one.path not in (RECEIPT, CARD, README, STATEMENTS) and not one.path.startswith(EVIDENCE)
    ]
    kept += [one._replace(path=README) for one in manifest.entries if one.path == TRAINER_README]
    return Manifest(tuple(sorted(kept, key=lambda one: one.path.encode("utf-8"))), manifest.digests)


def require_left(manifest: Manifest, receipt: Mapping[str, Any]) -> None:
    """Hold the folder against the root that `exec` recorded when the program had ended, and against the list in the receipt.

    Raises:
        VerificationError: FILE_DIGEST. DatasigilError: EXTRA_FILE.
    """
    left = left_by_program(manifest)
    listed: list[dict[str, Any]] = [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in left.entries]
    wanted = receipt["offer"]["result"]["root"]
    if not listed or left.root.hex() != wanted or listed != receipt["files"]:
        before = {one["path"]: one["sha256"] for one in receipt["files"]}
        now = {one["path"]: one["sha256"] for one in listed}
        other = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        raise VerificationError(
            "FILE_DIGEST", "the model's files are not those that the program left", place=other[0] if other else "", expected=f"root {wanted}",
            found=f"root {left.root.hex()}" if listed else "no file", next_action="get the folder as it was when the program had ended, or run it again",
        )  # fmt: skip
    known = {one["path"] for one in receipt["evidence"]} | {TRAINER_README}
    known |= {name.removesuffix(SUFFIX) + MANIFEST_SUFFIX for name in known}
    for entry in manifest.entries:
        if entry.path.startswith(EVIDENCE) and entry.path not in known:
            raise DatasigilError("EXTRA_FILE", "nothing vouches for a file among the evidence", place=entry.path)


def _evidence(folder: FolderChecks, receipt: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the cited credentials by digest, each being the one that the offer names."""
    found: dict[str, Mapping[str, Any]] = {}
    for one, dataset in zip(receipt["evidence"], receipt["offer"]["datasets"], strict=True):
        if folder.digests.get(one["path"]) != one["digest"]:
            raise DatasigilError("FILE_DIGEST", "the evidence is not the one in the receipt", place=one["path"])
        credential = parse_bundle(folder.read(one["path"])).credential
        require_offered(credential, dataset, one["path"])
        found[dataset["credentialDigest"]] = credential
    return found


def require_offered(credential: Mapping[str, Any], dataset: Mapping[str, Any], place: str) -> None:
    """Return when a credential is the one that an offer names.

    Raises:
        VerificationError: OTHER_CREDENTIAL.
    """
    subject = credential.get("credentialSubject")
    manifest = subject.get("manifest") if isinstance(subject, dict) else None
    root = manifest.get("root") if isinstance(manifest, dict) else None
    if document_digest(dict(credential)) != dataset["credentialDigest"] or root != dataset["manifestRoot"]:
        raise VerificationError(
            "OTHER_CREDENTIAL", "the evidence holds another credential than the one whose data was offered", place=place,
            expected=f"sha256 {dataset['credentialDigest']}", found=f"sha256 {document_digest(dict(credential))}", next_action="name the bundle that the gate file named",
        )  # fmt: skip


def _same(card: ModelCard, receipt: OfferedReceipt) -> None:
    if card.document["receiptDigest"] != receipt.digest:
        raise MalformedError("CARD_RECEIPT", "the card was made from another receipt", expected=receipt.digest, found=str(card.document["receiptDigest"]))  # fmt: skip


def _rendered(folder: FolderChecks, card: ModelCard) -> None:
    if folder.read(README) != render_offered(card):
        raise MalformedError(
            "README",
            "README.md says something else than the card",
            place=README,
            next_action="`datasigil-train card --render` writes it anew",
        )


def render_offered(card: ModelCard) -> bytes:
    """Return the bytes of `README.md` for a card over an offer, UTF-8 with line feeds."""
    sections: Any = card.document["sections"]
    missing = sum(leaf.assurance == "not-provided" for leaf in card.leaves())
    parts = [
        "---\ntags: [datasigil, dataset-credentials]\n---",
        f"# {inline(sections['details']['name']['value'])}",
        _INTRO,
    ]
    parts.append(f"Status: **{card.document['status']}** ({missing} facts that only people can give are missing). Card SHA-256 `{card.digest}`, receipt SHA-256 `{card.document['receiptDigest']}`.")  # fmt: skip
    for key, heading in _HEADINGS.items():
        groups = sections[key] if isinstance(sections[key], list) else [sections[key]]
        parts.append(f"## {heading}")
        parts += [_table(one) for one in groups]
    rows = ["| Fact | What was said | By |", "| --- | --- | --- |"]
    for fact in facts_of(""):
        leaf = sections["people"][fact.key]
        by = leaf["source"].removeprefix("human:") or "nobody yet"
        rows.append(f"| {inline(fact.heading)} | {inline(leaf['value'])} | {inline(by)} |")
    parts += ["## What only people can say", "\n".join(rows)]
    return ("\n\n".join(parts) + "\n").encode("utf-8")


def _table(facts: Mapping[str, Any]) -> str:
    rows = ["| Fact | Value | Source | Assurance |", "| --- | --- | --- | --- |"]
    rows += [
        f"| {inline(words(key))} | {inline(leaf['value'])} | {short_source(leaf['source'])} | {leaf['assurance']} |"
        for key, leaf in ordered(facts)
    ]
    return "\n".join(rows)
