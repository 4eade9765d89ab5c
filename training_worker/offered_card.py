"""`datasigil-train card MODEL_DIR --offered RECEIPT`: a card for a model that some trainer made behind `datasigil-verify exec`.

Here: receipt, evidence, card and README.md written beside the trainer's own files; what people say taken into the card later. Not here: what must agree and the verdict
(`datasigil.models.offered_folder`), cards of the worker's own runs (`card`). Nothing is written unless the folder is the one that the
receipt names, and nothing of the trainer's is changed: its README.md moves to evidence/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasigil.bundle import MANIFEST_SUFFIX, SUFFIX, parse_bundle, read_file, sidecar_path
from datasigil.canonical import document_digest, jcs, sha256_hex
from datasigil.datasets.files import build_manifest
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, VerificationError
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_MAX_BYTES
from datasigil.models.card import CARD_FORMAT_VERSION, CARD_MAX_BYTES, CARD_TYPE, card_bytes, parse_card
from datasigil.models.laws import facts_of
from datasigil.models.offered import (  # fmt: skip
    CLAIM,
    FORMAT_VERSION,
    OFFERED_MAX_BYTES,
    OFFERED_TYPE,
    TRAINER_README,
    check_offered_form,
    parse_offer,
    parse_offered,
)
from datasigil.models.offered_folder import (  # fmt: skip
    CARD,
    EVIDENCE,
    README,
    RECEIPT,
    STATEMENTS,
    left_by_program,
    render_offered,
    require_left,
    require_offered,
)
from datasigil.models.statements import STATEMENTS_MAX_BYTES, parse_statements, statements_bytes
from training_worker.card import credential_facts, people, run_leaf
from training_worker.finished import check_run
from training_worker.formats import PICKLE_SUFFIXES, suffix
from training_worker.run_folder import write_file

JsonObject = dict[str, Any]


def write_offered(folder: Path, receipt: Path, bundles: Sequence[Path], name: str) -> None:
    """Write receipt.json, evidence, card.json and README.md into a folder that holds exactly what the program left.

    Raises:
        VerificationError: OFFER, FILE_DIGEST, OTHER_CREDENTIAL. MalformedError: the parsers' codes.
        DatasigilError: NO_RUN, EXISTS, FORMAT, EVIDENCE_MISSING, UNREADABLE, UNWRITABLE, DISK_FULL.
    """
    if not folder.is_dir():
        raise DatasigilError("NO_RUN", "there is no such folder", place=str(folder), expected="the folder that the program wrote (exec --result)")  # fmt: skip
    offer = parse_offer(_read(receipt, OFFERED_MAX_BYTES, "the receipt"))
    evidence = _matched(offer, bundles)
    for taken in (RECEIPT, CARD, STATEMENTS, EVIDENCE.rstrip("/")):
        if (folder / taken).exists():
            raise DatasigilError("EXISTS", "the folder has a card, or files of the program's under its names", place=str(folder / taken), expected="the folder as the program left it", next_action="`datasigil-train card` without --offered checks an existing card")  # fmt: skip
    own_readme = (folder / README).read_bytes() if (folder / README).is_file() else None
    manifest = build_manifest(folder)
    _refuse_pickles([entry.path for entry in manifest.entries])
    files = {path: data for path, data, _ in evidence} | _sidecars(evidence)
    document = _receipt(offer, evidence, manifest, name)
    # The README.md of the trainer still lies under its own name: the folder is held against the root as it is.
    require_left(manifest if own_readme is None else _moved(manifest), {**document, "evidence": []})
    check_offered_form(document)
    body = jcs(document)
    credentials = [dict(parse_bundle(data).credential) for _, data, _ in evidence]
    card = card_bytes(_card(document, sha256_hex(body), credentials, ()))
    if own_readme is not None:
        files[TRAINER_README] = own_readme
    (folder / EVIDENCE).mkdir()
    for path, data in [*files.items(), (RECEIPT, body), (CARD, card), (README, render_offered(parse_card(card)))]:
        write_file(folder / path, data)


def _read(path: Path, limit: int, what: str) -> bytes:
    try:
        return read_file(path, limit)
    except OSError as error:
        raise DatasigilError("UNREADABLE", f"{what} cannot be read: {error.strerror}", place=str(path), next_action="check the path") from None  # fmt: skip


def _matched(offer: JsonObject, bundles: Sequence[Path]) -> list[tuple[str, bytes, Path]]:
    """Return (path in the folder, bytes, where it lay) for every offered dataset, in the offer's order."""
    given: dict[str, tuple[bytes, Path]] = {}
    for path in bundles:
        data = _read(path, BUNDLE_MAX_BYTES, "the evidence")
        given[document_digest(dict(parse_bundle(data).credential))] = (data, path)
    found = []
    for number, dataset in enumerate(offer["datasets"]):
        if dataset["credentialDigest"] not in given:
            raise DatasigilError(
                "EVIDENCE_MISSING", "the evidence of an offered dataset was not named", place=f"{dataset['name']} ({dataset['variable']})",
                expected=f"a bundle of {dataset['credential']}, SHA-256 {dataset['credentialDigest']}", found=", ".join(map(str, bundles)) or "no bundle",
                next_action="add --evidence BUNDLE: the bundle that the gate file named",
            )  # fmt: skip
        data, path = given[dataset["credentialDigest"]]
        require_offered(parse_bundle(data).credential, dataset, str(path))
        found.append((f"{EVIDENCE}{number}{SUFFIX}", data, path))
    return found


def _sidecars(evidence: Sequence[tuple[str, bytes, Path]]) -> dict[str, bytes]:
    """Return the manifests that lie beside bundles, under the names they need beside the copies."""
    return {
        path.removesuffix(SUFFIX) + MANIFEST_SUFFIX: read_file(sidecar_path(lay), MANIFEST_MAX_BYTES)
        for path, _, lay in evidence
        if sidecar_path(lay).is_file()
    }


def _refuse_pickles(paths: Sequence[str]) -> None:
    for path in paths:
        if suffix(path) in PICKLE_SUFFIXES:
            raise DatasigilError(
                "FORMAT", "the model's folder holds a file that can run when it is loaded", place=path, expected="safetensors, and data only", found=suffix(path),
                next_action="let the program write the model without it (save_strategy no, safe_serialization), and run it again",
            )  # fmt: skip


def _moved(manifest: Any) -> Any:
    from datasigil.datasets.entry import Manifest

    entries = (one._replace(path=TRAINER_README) if one.path == README else one for one in manifest.entries)
    return Manifest(tuple(entries), manifest.digests)


def _receipt(offer: JsonObject, evidence: Sequence[tuple[str, bytes, Path]], manifest: Any, name: str) -> JsonObject:
    left = left_by_program(_moved(manifest))
    return {
        "type": OFFERED_TYPE,
        "formatVersion": FORMAT_VERSION,
        "claim": CLAIM,
        "name": name,
        "recordedAt": str(Instant.from_datetime(datetime.now(UTC).replace(microsecond=0))),
        "offer": offer,
        "offerDigest": document_digest(offer),
        "evidence": [{"path": path, "digest": sha256_hex(data)} for path, data, _ in evidence],
        "files": [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in left.entries],
    }


def take_facts(folder: Path, statement: Mapping[str, Any]) -> tuple[str, str]:
    """Add what a person said to a card over an offer: statements first, then card, then README.md; returns both cards' digests.

    Raises:
        VerificationError: RUN_CHANGED, for a folder that does not hold together to begin with.
        DatasigilError: UNKNOWN_FACT.
    """
    finding = check_run(folder)
    if finding.decision != "VALID" or finding.card is None:
        raise VerificationError("RUN_CHANGED", "the folder does not hold together", place=str(folder), expected="VALID", found=finding.headline, next_action="`datasigil-train card` shows what does not hold")  # fmt: skip
    asked = {fact.key for fact in facts_of("")}
    foreign = set(statement["facts"]) - asked
    if foreign:
        raise DatasigilError("UNKNOWN_FACT", "nobody asks for this fact about this model", place=f"facts.{min(foreign)}", expected=f"one of {', '.join(sorted(asked))}")  # fmt: skip
    old = folder / STATEMENTS
    known = list(parse_statements(read_file(old, STATEMENTS_MAX_BYTES))) if old.is_file() else []
    time = str(Instant.from_datetime(datetime.now(UTC).replace(microsecond=0)))
    statements = [*known, {"by": statement["by"], "time": time, "facts": dict(statement["facts"])}]
    write_file(old, statements_bytes(statements))
    receipt = parse_offered(read_file(folder / RECEIPT, OFFERED_MAX_BYTES))
    document = dict(receipt.document)
    credentials = [
        dict(parse_bundle(read_file(folder / one["path"], BUNDLE_MAX_BYTES)).credential) for one in document["evidence"]
    ]
    data = card_bytes(_card(document, receipt.digest, credentials, statements))
    write_file(folder / CARD, data)
    write_readme(folder)
    return finding.card.digest, sha256_hex(data)


def write_readme(folder: Path) -> None:
    """Write README.md from card.json, which is never rewritten by this."""
    write_file(folder / README, render_offered(parse_card(read_file(folder / CARD, CARD_MAX_BYTES))))


def _card(
    receipt: JsonObject,
    digest: str,
    credentials: Sequence[Mapping[str, Any]],
    statements: Sequence[Mapping[str, Any]],
) -> JsonObject:
    """Return the card: every fact looked up through the source that it cites, and nothing that nobody knows."""
    details = {"name": "/name", "program": "/offer/program", "started": "/offer/startedAt", "ended": "/offer/endedAt", "artefactsRoot": "/offer/result/root", "fileCount": "/offer/result/files", "byteSize": "/offer/result/bytes"}  # fmt: skip
    said = people({}, statements)
    missing = any(leaf["assurance"] == "not-provided" for leaf in said.values())
    gate = ("decision", "scope", "mode", "time", "offline", "policyDigest")
    return {
        "type": CARD_TYPE,
        "formatVersion": CARD_FORMAT_VERSION,
        "status": "draft" if missing else "complete",
        "receiptDigest": digest,
        "sections": {
            "details": {key: run_leaf(receipt, pointer) for key, pointer in details.items()},
            "offeredData": [_dataset(receipt, number, one) for number, one in enumerate(credentials)],
            "gate": {key: run_leaf(receipt, f"/offer/gate/{key}") for key in gate}
            | {"claim": run_leaf(receipt, "/claim")},
            "people": said,
        },
    }


def _dataset(receipt: JsonObject, number: int, credential: Mapping[str, Any]) -> JsonObject:
    offered = {"credentialDigest": "credentialDigest", "manifestDigest": "manifestDigest", "byteSize": "bytes"}
    cited = {key: run_leaf(receipt, f"/offer/datasets/{number}/{name}") for key, name in offered.items()}
    return credential_facts(credential) | cited


__all__ = ["take_facts", "write_offered", "write_readme"]
