"""`datasigil-verify inspect`: show what a file says of itself, without checking any of it.

Here: recognising the kinds of file that datasigil writes, and their claims in words. Not here: any judgement; nothing is looked up,
no signature is tried, and the first line says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import is_bundle, parse_bundle
from datasigil.canonical import document_digest
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import BUNDLE_MAX_BYTES
from datasigil.report.terminal import OK, escape
from verifier_cli.evidence import naming, read_evidence

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from datasigil.bundle import Bundle
    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console

Said = dict[str, Any]
"""What a file says: label to text, number, list of texts, or the same of something inside it."""

TEXT_MAX_CHARACTERS = 200
NOTICE = "Nothing here has been checked. It is what the file says of itself."


def run(given: Namespace, console: Console) -> int:
    """Show what a file says; 0, or 1 for a file that is of none of the kinds, 2 for one that cannot be read."""
    data = read_evidence(Path(given.file))
    with naming(given.file):
        kind, said = look(data)
    document = {"type": "Inspection", "formatVersion": 1, "kind": kind, "checked": False, "says": said}
    console.result(document, "\n".join([NOTICE, "", kind, *_lines(said, "  ")]))
    return OK


def look(data: bytes) -> tuple[str, Said]:
    """Return the kind of a file and what it says.

    Raises:
        MalformedError: with the JSON parser's code, or UNKNOWN_KIND.
    """
    if data.lstrip()[:1] in (b"{", b"["):
        return _json(data)
    for kind, reader in (("log proof", _log_proof), ("checkpoint", _checkpoint)):
        try:
            return kind, reader(data)
        except (MalformedError, UnicodeDecodeError):
            continue
    raise MalformedError(
        "UNKNOWN_KIND", "this is no file of datasigil's", expected="a bundle, credential, manifest, status list, receipt, card, log proof or checkpoint",
        next_action="`policy explain` shows a trust file; a dataset's data is checked with `check`",
    )  # fmt: skip


def _json(data: bytes) -> tuple[str, Said]:
    document = parse_json(data, max_bytes=BUNDLE_MAX_BYTES, profile=GENERIC)
    if is_bundle(document):
        return "evidence bundle", _bundle(parse_bundle(data))
    if isinstance(document, dict):
        types = document.get("type")
        names = types if isinstance(types, list) else [types]
        for name in reversed([one for one in names if isinstance(one, str)]):
            if name in _KINDS:
                kind, reader = _KINDS[name]
                return kind, reader(document)
        if "@context" in document or "credentialSubject" in document:
            return "credential", _credential(document)
        return f"JSON object of type {_short(types)}", {"members": [_short(name) for name in document]}
    raise MalformedError(
        "UNKNOWN_KIND", "this is JSON, but no object", expected="a JSON object", found=type(document).__name__
    )


def _bundle(bundle: Bundle) -> Said:
    said: Said = {"credential": _credential(bundle.credential)}
    said["manifest"] = _manifest(bundle.manifest) if bundle.manifest is not None else "not in it"
    if bundle.log is None:
        said["log proof"] = "none"
    else:
        for name, text in (("log proof", bundle.log.proof), ("current log proof", bundle.log.current)):
            if text is not None:
                said[name] = _readable_log_proof(text)
        said["keys named beside it"] = [_short(key) for key in bundle.log.keys]
    rotations = [one["request"] for one in bundle.issuer_keys if isinstance(one.get("request"), dict)]
    if rotations:
        said["key rotations"] = [_rotation(one) for one in rotations]
    handovers = [one["handover"] for one in bundle.issuer_keys if isinstance(one.get("handover"), dict)]
    if handovers:
        said["handovers of the registry"] = [_handover(one) for one in handovers]
    said["status lists"] = [_status_list(one) for one in bundle.status_lists] or "none"
    said["parents"] = [_credential(parent.credential) for parent in bundle.parents] or "none"
    return said


def _readable_log_proof(text: str) -> Any:
    try:
        return _log_proof(text.encode("utf-8"))
    except MalformedError as error:
        return f"unreadable: {error}"


def _rotation(request: JsonObject) -> Said:
    keys = (request.get(name) for name in ("authorizedBy", "newKey"))
    old, new = (_short(key.get("id")) if isinstance(key, dict) else "unreadable" for key in keys)
    return {"from": old, "to": new, "issuer": _short(request.get("issuer")), "reason": _short(request.get("reason"))}


def _handover(document: JsonObject) -> Said:
    said: Said = {"digest": _digest(document)}
    for label, name in (("from", "from"), ("to", "to"), ("offers to go on", "registry")):
        side = _object(document.get(name))
        if side:
            said[label] = _kept({one: side.get(one) for one in ("url", "did", "origin", "logKey", "timeKey")})
    said |= {"after": f"{_short(document['treeSize'])} entries"} if "treeSize" in document else {}
    return said | _kept({"reason": document.get("reason"), "signed": document.get("created")})


def _credential(document: JsonObject) -> Said:
    subject = document.get("credentialSubject")
    claims = subject if isinstance(subject, dict) else {}
    issuer = document.get("issuer")
    publisher, license_, manifest = (_object(claims.get(name)) for name in ("publisher", "license", "manifest"))
    said = {
        "id": document.get("id"),
        "digest": _digest(document),
        "type": [one for one in _list(document.get("type")) if one != "VerifiableCredential"],
        "issuer": issuer.get("id") if isinstance(issuer, dict) else issuer,
        "issuer calls itself": issuer.get("name") if isinstance(issuer, dict) else None,
        "valid from": document.get("validFrom") or document.get("issuanceDate"),
        "valid until": document.get("validUntil") or document.get("expirationDate"),
        "about": claims.get("name"),
        "version": claims.get("version"),
        "publisher": publisher.get("name"),
        "role": claims.get("role"),
        "issued": claims.get("issued"),
        "licence": license_.get("expression"),
        "files": manifest.get("fileCount"),
        "bytes": manifest.get("byteSize"),
        "manifest": manifest.get("digest"),
        "root": manifest.get("root"),
        "log": _object(document.get("transparencyLog")).get("origin"),
        "status lists": [_object(one).get("statusListCredential") for one in _list(document.get("credentialStatus"))],
        "proofs": [
            f"{_object(one).get('cryptosuite')} by {_object(one).get('verificationMethod')}, dated {_object(one).get('created')}"
            for one in _list(document.get("proof"))
        ],
    }
    return _kept(said)


def _manifest(document: JsonObject) -> Said:
    entries = [_object(one) for one in _list(document.get("entries"))]
    sizes = [one["size"] for one in entries if isinstance(one.get("size"), int)]
    said = {
        "digest": _digest(document),
        "files": len(entries),
        "bytes": sum(sizes),
        "ignored": document.get("ignored"),
        "first files": [one.get("path") for one in entries[:10]],
    }
    return _kept(said)


def _status_list(document: JsonObject) -> Said:
    subject = _object(document.get("credentialSubject"))
    replay = _object(subject.get("replay") or document.get("replay"))
    said = {
        "id": document.get("id"),
        "issuer": document.get("issuer"),
        "purpose": subject.get("statusPurpose"),
        "valid from": document.get("validFrom"),
        "valid until": document.get("validUntil"),
        "replays": f"{replay.get('treeSize')} entries of {replay.get('origin')}" if replay else None,
    }
    return _kept(said)


def _plain(document: JsonObject) -> Said:
    """Return the members that are single values, and the names of the others."""
    said: Said = {"digest": _digest(document)}
    said |= {name: value for name, value in document.items() if isinstance(value, str | int) and name != "type"}
    return _kept(
        said | {"further members": [name for name, value in document.items() if isinstance(value, dict | list)]}
    )


def _log_proof(data: bytes) -> Said:
    from datasigil.transparency.proofs import parse_log_proof

    proof = parse_log_proof(data.decode("utf-8"))
    return {"entry": proof.index, "hashes": len(proof.hashes), "checkpoint": _checkpoint(proof.checkpoint)}


def _checkpoint(data: bytes) -> Said:
    from datasigil.transparency.checkpoint import unverified_checkpoint
    from datasigil.transparency.note import parse_note

    head = unverified_checkpoint(data)
    return {
        "log": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "signature lines by": [f"{line.name} {line.key_id.hex()}" for line in parse_note(data).signatures],
    }


_KINDS: dict[str, tuple[str, Callable[[JsonObject], Said]]] = {
    "BitstringStatusListCredential": ("status list", _status_list),
    "DatasetManifest": ("manifest", _manifest),
    "TrainingReceipt": ("training receipt", _plain),
    "OfferReceipt": ("receipt of the bytes that were offered", _plain),
    "ModelCard": ("model card", _plain),
    "VerifiableCredential": ("credential", _credential),
    "RegistryHandover": ("handover of a registry to another one", _handover),
    "RegistryHandoverOffer": ("offer of a registry to go on for another one", _handover),
    "RegistryKeyChange": ("change of a key of a registry", _plain),
    "VerificationReport": ("report of an earlier check", _plain),
    "GateReport": ("report of an earlier gate", _plain),
}


def _digest(document: JsonObject) -> str:
    try:
        return document_digest(document)
    except DatasigilError:
        return "none: not I-JSON"


def _kept(said: Said) -> Said:
    """Return what is there, cut to a length that people read."""
    kept = {}
    for name, found in said.items():
        value = [_short(one) for one in found if one is not None] if isinstance(found, list) else found
        if value not in (None, "", []):
            kept[name] = value if isinstance(value, int | list) else _short(value)
    return kept


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= TEXT_MAX_CHARACTERS else text[: TEXT_MAX_CHARACTERS - 1] + "…"


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _lines(said: Said, indent: str) -> list[str]:
    lines = []
    for name, value in said.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        elif isinstance(value, list):
            lines.append(f"{indent}{name}")
            for one in value:
                inside = [*_lines(one, indent + "  "), ""] if isinstance(one, dict) else None
                lines += inside or [f"{indent}  {escape(str(one))}"]
        else:
            lines.append(f"{indent}{name + ':':<18} {escape(str(value))}")
    return lines
