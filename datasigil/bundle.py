"""The evidence bundle (`NAME.sigil.json`): everything an offline check needs, in one closed document.

Here: parsing, writing, finding and renewing bundles and their manifest sidecars. Not here: any verdict; nothing in a bundle
is believed for being in it (`verification` decides). Format: DESIGN.md section 4, "Evidence bundle", formatVersion 1.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from datasigil.canonical import document_digest, jcs
from datasigil.encoding import JsonObject, JsonValue, hex_digest, parse_json, pointer_token
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import (
    BUNDLE_MAX_BYTES,
    CREDENTIAL_MAX_BYTES,
    MANIFEST_EMBED_MAX_BYTES,
    MANIFEST_MAX_BYTES,
    PARENT_DEPTH_MAX,
    PARENTS_MAX,
)
from datasigil.record import dataclass, field, replace
from datasigil.transparency.durable import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SUFFIX: Final = ".sigil.json"
MANIFEST_SUFFIX: Final = ".manifest.json"
DATASET_BUNDLE: Final = Path(".datasigil") / "bundle.sigil.json"
"""Where a dataset's own folder holds its bundle; never a place to find trust in."""

STATUS_LISTS_MAX: Final = 16
ISSUER_KEYS_MAX: Final = 32
LOG_KEYS_MAX: Final = 64
_FIELDS: Final = frozenset(
    {
        "type",
        "formatVersion",
        "credential",
        "manifest",
        "log",
        "statusLists",
        "parents",
        "issuerKeys",
        "contexts",
        "schemas",
    }
)
_SHA384_CHARACTERS: Final = len("sha384-") + 64


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """The tlog-proof text with its checkpoint, and the keys the presenter names; the keys prove nothing alone.

    `proof` shows by when the log held the entry and is kept for ever; `current`, where there is one, is the same under a newer
    checkpoint and shows that the log was seen lately.
    """

    proof: str
    keys: tuple[str, ...] = ()  # vkeys: log, time, witnesses
    url: str | None = None
    current: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A parsed bundle; only its frame is checked, not the documents inside."""

    credential: JsonObject
    manifest: JsonObject | None = None
    log: LogEvidence | None = None
    status_lists: tuple[JsonObject, ...] = ()
    parents: tuple[Bundle, ...] = ()
    issuer_keys: tuple[JsonObject, ...] = ()  # Multikey verification methods, with their logged history where known
    contexts: Mapping[str, str] = field(default_factory=dict)  # URL -> SHA-256 in hex
    schemas: Mapping[str, str] = field(default_factory=dict)  # id -> digestSRI

    def document(self) -> JsonObject:
        """Return the JSON document; `parse_bundle(bundle_bytes(b)) == b`."""
        document: JsonObject = {"type": "EvidenceBundle", "formatVersion": 1, "credential": self.credential}
        if self.manifest is not None:
            document["manifest"] = self.manifest
        if self.log is not None:
            document["log"] = {"proof": str(self.log.proof), "keys": list(self.log.keys)}
            optional = {"url": self.log.url, "current": self.log.current}
            document["log"] |= {name: str(text) for name, text in optional.items() if text is not None}
        document["statusLists"] = list(self.status_lists)
        document["parents"] = [parent.document() for parent in self.parents]
        document["issuerKeys"] = list(self.issuer_keys)
        document["contexts"] = dict(self.contexts)
        document["schemas"] = dict(self.schemas)
        return document

    def walk(self) -> Iterator[Bundle]:
        """Yield this bundle and every ancestor in it."""
        yield self
        for parent in self.parents:
            yield from parent.walk()

    def find(self, credential_digest: str) -> Bundle | None:
        """Return the bundle in here whose credential has this digest (SHA-256 over its JCS form, hex)."""
        for one in self.walk():
            if document_digest(one.credential) == credential_digest:
                return one
        return None


def parse_bundle(data: bytes) -> Bundle:
    """Parse a bundle of at most 64 MiB strictly: closed members, I-JSON, bounded parents, credential at most 1 MiB.

    Raises:
        MalformedError: SCHEMA, UNKNOWN_PROPERTY, LIMIT, DIGEST or a code of `parse_json`, with a JSON pointer.
    """
    return bundle_of(parse_json(data, max_bytes=BUNDLE_MAX_BYTES), len(data))


def bundle_of(document: JsonValue, size: int) -> Bundle:
    """Return the bundle that a document parsed from `size` bytes is.

    Raises:
        MalformedError: as `parse_bundle`, but for the codes of `parse_json`.
    """
    bundle = _bundle(document, "", 0, size)
    if sum(1 for _ in bundle.walk()) - 1 > PARENTS_MAX:
        raise MalformedError(
            "LIMIT", "the bundle holds too many parents", place="/parents", expected=f"at most {PARENTS_MAX}"
        )
    return bundle


def bundle_bytes(bundle: Bundle) -> bytes:
    """Return the canonical bytes of a bundle, checked by the parser before they are handed out.

    Raises:
        MalformedError: as `parse_bundle`, when the values do not form a bundle.
    """
    data = jcs(bundle.document())
    parse_bundle(data)
    return data


def is_bundle(document: JsonValue) -> bool:
    """Say whether a parsed document claims to be a bundle, as opposed to a bare credential."""
    return isinstance(document, dict) and document.get("type") == "EvidenceBundle"


def with_evidence(
    bundle: Bundle,
    *,
    log: LogEvidence | None = None,
    status_lists: Sequence[JsonObject] | None = None,
    parents: Sequence[Bundle] | None = None,
    issuer_keys: Sequence[JsonObject] | None = None,
) -> Bundle:
    """Return the bundle with newer evidence in place of the old; what is None stays. The credential never changes."""
    return replace(
        bundle,
        log=bundle.log if log is None else log,
        status_lists=bundle.status_lists if status_lists is None else tuple(status_lists),
        parents=bundle.parents if parents is None else tuple(parents),
        issuer_keys=bundle.issuer_keys if issuer_keys is None else tuple(issuer_keys),
    )


def _bundle(document: JsonValue, place: str, depth: int, total: int) -> Bundle:
    if depth > PARENT_DEPTH_MAX:
        raise MalformedError(
            "LIMIT", "parents are nested too deeply", place=place, expected=f"at most {PARENT_DEPTH_MAX} levels"
        )
    members = _object(document, place)
    if members.get("type") != "EvidenceBundle":
        raise MalformedError(
            "SCHEMA",
            "not an evidence bundle",
            place=f"{place}/type",
            expected="EvidenceBundle",
            found=str(members.get("type"))[:60],
        )
    version = members.get("formatVersion")
    if type(version) is not int or version != 1:
        raise MalformedError(
            "VERSION",
            "unknown version of evidence bundle",
            place=f"{place}/formatVersion",
            expected="1",
            found=str(version)[:20],
            next_action="update datasigil",
        )
    for name in members:
        if name not in _FIELDS:
            raise MalformedError(
                "UNKNOWN_PROPERTY",
                "a bundle has no such member",
                place=f"{place}/{pointer_token(name)}",
                expected=", ".join(sorted(_FIELDS)),
            )
    if "credential" not in members:
        raise MalformedError("SCHEMA", "the bundle holds no credential", place=f"{place}/credential")
    credential = _sized(members["credential"], f"{place}/credential", CREDENTIAL_MAX_BYTES, total)
    manifest = members.get("manifest")
    return Bundle(
        credential=credential,
        manifest=None if manifest is None else _sized(manifest, f"{place}/manifest", MANIFEST_EMBED_MAX_BYTES, total),
        log=_log(members["log"], f"{place}/log") if "log" in members else None,
        status_lists=tuple(_objects(members.get("statusLists", []), f"{place}/statusLists", STATUS_LISTS_MAX)),
        parents=tuple(
            _bundle(parent, f"{place}/parents/{number}", depth + 1, total)
            for number, parent in enumerate(_objects(members.get("parents", []), f"{place}/parents", PARENTS_MAX))
        ),
        issuer_keys=tuple(_objects(members.get("issuerKeys", []), f"{place}/issuerKeys", ISSUER_KEYS_MAX)),
        contexts=_contexts(members.get("contexts", {}), f"{place}/contexts"),
        schemas=_schemas(members.get("schemas", {}), f"{place}/schemas"),
    )


def _log(value: JsonValue, place: str) -> LogEvidence:
    members = _object(value, place)
    for name in members:
        if name not in ("proof", "keys", "url", "current"):
            raise MalformedError(
                "UNKNOWN_PROPERTY",
                "log evidence has no such member",
                place=f"{place}/{pointer_token(name)}",
                expected="current, keys, proof, url",
            )
    if "proof" not in members:
        raise MalformedError("SCHEMA", "log evidence without a proof", place=f"{place}/proof")
    keys = members.get("keys", [])
    if not isinstance(keys, list) or len(keys) > LOG_KEYS_MAX:
        raise MalformedError(
            "SCHEMA", "not a list of verifier keys", place=f"{place}/keys", expected=f"at most {LOG_KEYS_MAX} strings"
        )
    return LogEvidence(
        proof=_text(members["proof"], f"{place}/proof"),
        keys=tuple(_text(key, f"{place}/keys/{number}") for number, key in enumerate(keys)),
        url=_text(members["url"], f"{place}/url") if "url" in members else None,
        current=_text(members["current"], f"{place}/current") if "current" in members else None,
    )


def _contexts(value: JsonValue, place: str) -> dict[str, str]:
    digests = _object(value, place)
    for url, digest in digests.items():
        hex_digest(digest, place=f"{place}/{pointer_token(url)}")
    return dict(digests)


def _schemas(value: JsonValue, place: str) -> dict[str, str]:
    digests = _object(value, place)
    for identifier, digest in digests.items():
        at = f"{place}/{pointer_token(identifier)}"
        if not _text(digest, at).startswith("sha384-") or len(digest) != _SHA384_CHARACTERS:
            raise MalformedError(
                "DIGEST", "not a SHA-384 integrity digest", place=at, expected="sha384-<base64>", found=str(digest)[:80]
            )
    return dict(digests)


def _sized(value: JsonValue, place: str, max_bytes: int, total: int) -> JsonObject:
    members = _object(value, place)
    if total > max_bytes:  # a smaller whole has no larger part, and measuring means serialising again
        size = len(jcs(members))
        if size > max_bytes:
            raise MalformedError(
                "LIMIT",
                "a document inside the bundle is too large",
                place=place,
                expected=f"at most {max_bytes} bytes",
                found=f"{size} bytes",
            )
    return members


def _object(value: JsonValue, place: str) -> JsonObject:
    if not isinstance(value, dict):
        raise MalformedError("SCHEMA", "not an object", place=place or "/", found=type(value).__name__)
    return value


def _objects(value: JsonValue, place: str, maximum: int) -> list[JsonObject]:
    if not isinstance(value, list):
        raise MalformedError("SCHEMA", "not a list", place=place, found=type(value).__name__)
    if len(value) > maximum:
        raise MalformedError(
            "LIMIT", "the list is too long", place=place, expected=f"at most {maximum}", found=str(len(value))
        )
    return [_object(item, f"{place}/{number}") for number, item in enumerate(value)]


def _text(value: JsonValue, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedError("SCHEMA", "not a text", place=place, found=type(value).__name__)
    return value


# On disk ------------------------------------------------------------------------------------------------------------


def sidecar_path(bundle_path: Path) -> Path:
    """Return where the manifest of a bundle lies when it is too large to embed: NAME.manifest.json beside it."""
    return bundle_path.with_name(bundle_path.name.removesuffix(SUFFIX).removesuffix(".json") + MANIFEST_SUFFIX)


def find_bundle(path: Path) -> Path:
    """Return the bundle file for a path: itself, or `.datasigil/bundle.sigil.json` below a dataset's root.

    Raises:
        DatasigilError: NO_BUNDLE, when there is none.
    """
    candidate = path / DATASET_BUNDLE if path.is_dir() else path
    if not candidate.is_file():
        raise DatasigilError(
            "NO_BUNDLE",
            "no evidence bundle found",
            place=str(candidate),
            expected=f"a *{SUFFIX} file",
            next_action="run `datasigil-verify fetch`, or ask the publisher for the bundle",
        )
    return candidate


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return a file's bytes, reading no more than one past the limit; a named pipe that nobody writes to is empty.

    Raises:
        MalformedError: LIMIT, when the file is larger.
        OSError: when it cannot be read.
    """
    with open(path, "rb", opener=open_without_waiting) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise MalformedError("LIMIT", "the file is too large", place=str(path), expected=f"at most {max_bytes} bytes")
    return data


def open_without_waiting(path: str, flags: int) -> int:
    """Open for reading (an `opener` of `open`); a named pipe without a writer is not waited for, one with a writer is read.

    Raises:
        OSError: when it cannot be opened.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(descriptor, True)  # pipes of `<(command)` have a writer, and are read to their end
    return descriptor


def read_bundle(path: Path) -> tuple[Bundle, bytes | None]:
    """Read a bundle and, when it embeds no manifest, the bytes of the sidecar beside it (None without one).

    The manifest is matched with the signed digest by `datasets`, not here.

    Raises:
        MalformedError: as `parse_bundle`; LIMIT for a sidecar above 1 GiB.
        OSError: when a file cannot be read.
    """
    bundle = parse_bundle(read_file(path, BUNDLE_MAX_BYTES))
    sidecar = sidecar_path(path)
    if bundle.manifest is None and sidecar.is_file():
        return bundle, read_file(sidecar, MANIFEST_MAX_BYTES)
    return bundle, None


def write_bundle(path: Path, bundle: Bundle, manifest: bytes | None = None) -> None:
    """Write a bundle in one durable step; `manifest` (canonical bytes) is embedded up to 8 MiB, else written beside it.

    The sidecar is written first, so that a bundle is never found without its manifest.

    Raises:
        MalformedError: when the values do not form a bundle.
        OSError: when the disk is full or the folder cannot be written; earlier files are then untouched.
    """
    if manifest is not None and len(manifest) <= MANIFEST_EMBED_MAX_BYTES:
        bundle = replace(bundle, manifest=parse_json(manifest, max_bytes=MANIFEST_EMBED_MAX_BYTES))
    data = bundle_bytes(bundle)
    path.parent.mkdir(parents=True, exist_ok=True)
    if manifest is not None and len(manifest) > MANIFEST_EMBED_MAX_BYTES:
        write_durably(sidecar_path(path), manifest)
    write_durably(path, data)


__all__ = [
    "DATASET_BUNDLE", "MANIFEST_SUFFIX", "SUFFIX", "Bundle", "LogEvidence", "bundle_bytes", "bundle_of", "find_bundle", "is_bundle",
    "parse_bundle", "read_bundle", "read_file", "sidecar_path", "with_evidence", "write_bundle",
]  # fmt: skip
