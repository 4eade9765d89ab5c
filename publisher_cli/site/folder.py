"""A static site's folder: credentials, status lists, log, bundles and pages, brought up to date together.

Here: what lies where, and the order in which it is written, such that a run that was cut short is finished by the next one. Not here:
the log's own files (`log`), HTML (`pages`), commands (`static`). Status bits are never stored by themselves: they are the replay of the
log's entries and the signed requests beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from datasigil.bundle import ISSUER_KEYS_MAX, SUFFIX, Bundle, parse_bundle, read_file, write_bundle
from datasigil.canonical import document_digest, jcs
from datasigil.credentials.did import DidDocument, did_document, parse_did_document
from datasigil.credentials.key_rotation import logged_rotation, parse_key_rotation
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.status_list import new_status_list_credential
from datasigil.credentials.status_request import StatusChangeRequest, parse_status_change_request
from datasigil.credentials.types import Credential, parse_credential
from datasigil.encoding import JsonObject, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import (
    BUNDLE_MAX_BYTES,
    CREDENTIAL_MAX_BYTES,
    MANIFEST_MAX_BYTES,
    STATUS_LIST_MIN_BITS,
)
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.durable import write_durably
from datasigil.transparency.entry import LogEntry, log_entry, parse_entry
from publisher_cli.site.address import PURPOSES, WELL_KNOWN, SiteAddress
from publisher_cli.site.log import SiteLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

STATE = "site.json"
STATE_MAX_BYTES = 4 * 1024 * 1024
REQUEST_MAX_BYTES = 64 * 1024
CREDENTIALS_MAX = 1000
LIST_VALID_DAYS = 8  # a day more than a check may accept offline: a list grows too old before it expires
# Log kind -> (status purpose, value).
CHANGES = {"revoke": ("revocation", True), "suspend": ("suspension", True), "resume": ("suspension", False)}


@dataclass(frozen=True, slots=True)
class Listed:
    """One credential of the site: the name of its files, and whether its list of files is public."""

    name: str
    digest: str
    public_manifest: bool


class Site:
    """A site's folder, opened by whoever holds the site's key; `update` writes everything that follows from the log."""

    def __init__(self, folder: Path, address: SiteAddress, signer: LocalSigner) -> None:
        self.folder, self.address, self.signer = folder, address, signer
        keys = address.log_keys(signer.public_key)
        self.listed = self._read_state([str(key) for key in keys])
        self.log = SiteLog.open(folder / "log", keys)
        self.credentials = {one.digest: self._read_credential(one.name) for one in self.listed}
        self.document = self._read_document()
        self.evidence = tuple(self._read_evidence())

    # Reading ---------------------------------------------------------------------------------------------------------

    @classmethod
    def base_of(cls, folder: Path) -> str:
        """Return the address for which a folder was made a site, or the empty string.

        Raises:
            DatasigilError: SITE_FILE.
        """
        state = _state(folder / STATE)
        return str(state["base"]) if state is not None else ""

    def _read_state(self, mine: list[str]) -> list[Listed]:
        state = _state(self.folder / STATE)
        if state is None:
            return []
        for name, expected, found in (
            ("address", self.address.base, state["base"]),
            ("key", mine, [state["logKey"], state["timeKey"]]),
        ):
            if expected != found:
                raise DatasigilError(
                    "SITE_DIFFERS", f"this folder is a site with another {name}", place=str(self.folder / STATE), expected=str(found)[:200],
                    found=str(expected)[:200], next_action="name the site's own key with --key, or another folder",
                )  # fmt: skip
        return [Listed(one["name"], one["digest"], one["publicManifest"]) for one in state["credentials"]]

    def _read_credential(self, name: str) -> Credential:
        path = self.folder / f"{name}.json"
        try:
            return parse_credential(parse_json(read_file(path, CREDENTIAL_MAX_BYTES)))
        except OSError as error:
            raise _damaged(path, f"a credential of the site cannot be read: {error.strerror}") from None
        except MalformedError as error:
            raise _damaged(path, f"a credential of the site is damaged: {error.message}") from None

    def _read_document(self) -> DidDocument | None:
        path = self.folder / self.address.document_path
        try:
            return parse_did_document(parse_json(read_file(path, STATE_MAX_BYTES)), expect_id=self.address.did)
        except FileNotFoundError:
            return None
        except (OSError, MalformedError) as error:
            raise _damaged(path, f"the site's DID document cannot be used: {error}") from None

    def _read_evidence(self) -> Iterator[Bundle]:
        folder = self.folder / "evidence"
        for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
            try:
                yield parse_bundle(read_file(path, BUNDLE_MAX_BYTES))
            except (OSError, MalformedError) as error:
                raise _damaged(path, f"a bundle of somebody else cannot be read: {error}") from None

    # What the log says ------------------------------------------------------------------------------------------------

    def entries(self) -> Iterator[tuple[int, LogEntry]]:
        """Yield every entry of the log with its index."""
        for index, data in enumerate(self.log.entries):
            yield index, parse_entry(data)

    def index_of(self, digest: str) -> int | None:
        """Return the index of a credential's own entry, or None when it is not logged."""
        found = (i for i, one in self.entries() if one.kind == "issue" and one.credential_digest == digest)
        return next(found, None)

    def status_bits(self) -> dict[str, bytearray]:
        """Return both lists' bits: the replay of the log's status entries.

        Raises:
            DatasigilError: SITE_FILE, when a signed request is missing.
        """
        bits = {purpose: bytearray(STATUS_LIST_MIN_BITS // 8) for purpose in PURPOSES}
        for _, entry in self.entries():
            credential = self.credentials.get(entry.credential_digest)
            if entry.kind not in CHANGES or credential is None:
                continue
            purpose, value = CHANGES[entry.kind]
            index = next(one.index for one in credential.status if one.purpose == purpose)
            mask = 0x80 >> index % 8
            byte = bits[purpose][index // 8]
            bits[purpose][index // 8] = byte | mask if value else byte & ~mask
        return bits

    def status_of(self, credential: Credential) -> str:
        """Return `active`, `suspended` or `revoked`."""
        bits = self.status_bits()
        held = {one.purpose: bits[one.purpose][one.index // 8] & 0x80 >> one.index % 8 for one in credential.status}
        return "revoked" if held["revocation"] else "suspended" if held["suspension"] else "active"

    def requests(self, digest: str) -> list[tuple[int, StatusChangeRequest]]:
        """Return the signed status requests about a credential, with their log index, oldest first."""
        found = []
        for index, entry in self.entries():
            if entry.kind in CHANGES and entry.credential_digest == digest and entry.request_digest:
                path = self._request_path(entry.request_digest)
                try:
                    found.append((index, parse_status_change_request(parse_json(read_file(path, REQUEST_MAX_BYTES)))))
                except (OSError, MalformedError) as error:
                    raise _damaged(path, f"a signed request of the site cannot be read: {error}") from None
        return found

    def rotations(self) -> list[JsonObject]:
        """Return the logged key rotations with their proofs, as bundles present them, the newest first as far as a bundle has room."""
        found = []
        for index, entry in self.entries():
            if entry.kind == "key" and entry.request_digest:
                path = self._request_path(entry.request_digest)
                try:
                    request = parse_json(read_file(path, REQUEST_MAX_BYTES))
                    parse_key_rotation(request)
                except (OSError, MalformedError) as error:
                    raise _damaged(path, f"a key rotation of the site cannot be read: {error}") from None
                found.append(logged_rotation(request, self.log.proof(index)))
        return found[::-1][: ISSUER_KEYS_MAX - 1]

    def _request_path(self, digest: str) -> Path:
        return self.folder / "status" / "requests" / f"{digest}.json"

    # Adding -----------------------------------------------------------------------------------------------------------

    def add_key(self, key: PublicKey) -> None:
        """List a key in the DID document; what is listed already stays."""
        known = [one.key for one in self.document.methods.values()] if self.document is not None else []
        if key not in known:
            self.document = parse_did_document(document_of(self.address.did, [*known, key], current=[key]))

    def add(self, credential: Credential, manifest: bytes | None) -> int:
        """Log a credential, once, and return its index; the caller has checked that it is this site's.

        Raises:
            DatasigilError: STATUS_INDEX_TAKEN, ID_TAKEN, LIMIT.
        """
        if credential.digest not in self.credentials:
            self._refuse_taken(credential)
            name = self._free_name(credential)
            self.folder.mkdir(parents=True, exist_ok=True)
            write_durably(self.folder / f"{name}.json", jcs(credential.document))
            self.listed.append(Listed(name, credential.digest, manifest is not None))
            self.credentials[credential.digest] = credential
        elif manifest is not None:
            self.listed = [
                Listed(one.name, one.digest, one.public_manifest or one.digest == credential.digest)
                for one in self.listed
            ]
        if manifest is not None:
            write_durably(self._manifest_path(self._name_of(credential.digest)), manifest)
        index = self.index_of(credential.digest)
        if index is not None:
            return index
        return self.log.append([log_entry("issue", credential.digest, credential.issuer, credential.type)])

    def change(self, kind: str, credential: Credential, request: JsonObject) -> int:
        """Log a signed status request and return the index of its entry."""
        digest = parse_status_change_request(request).digest
        path = self._request_path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, jcs(request))
        return self.log.append([log_entry(kind, credential.digest, credential.issuer, credential.type, digest)])

    def log_statement(self, kind: str, statement: JsonObject, digest: str, type_name: str) -> int:
        """Log a signed statement that is its own subject, such as a key rotation, keep it beside the log, and return its index."""
        path = self._request_path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, jcs(statement))
        return self.log.append([log_entry(kind, digest, self.address.did, type_name, digest)])

    def add_evidence(self, bundle: Bundle) -> None:
        """Keep somebody else's bundle, to be carried in the bundles of what it is about."""
        digest = parse_credential(bundle.credential).digest
        path = self.folder / "evidence" / f"{digest}{SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bundle(path, bundle)
        self.evidence = (*(one for one in self.evidence if document_digest(one.credential) != digest), bundle)

    def _refuse_taken(self, credential: Credential) -> None:
        if len(self.listed) >= CREDENTIALS_MAX:
            raise DatasigilError(
                "LIMIT", "a static site holds no more credentials than this", expected=f"at most {CREDENTIALS_MAX}", found=str(len(self.listed)),
                next_action="use a registry: `datasigil login`",
            )  # fmt: skip
        index = credential.status[0].index
        for one in self.credentials.values():
            if one.status[0].index == index or one.id == credential.id:
                code = "ID_TAKEN" if one.id == credential.id else "STATUS_INDEX_TAKEN"
                raise DatasigilError(
                    code, "another credential of this site has this id or status index", place=one.id, expected="an id and an index of its own",
                    found=f"{credential.id}, index {index}", next_action="run `datasigil issue` again: it draws another; then publish the new credential",
                )  # fmt: skip

    def _free_name(self, credential: Credential) -> str:
        subject = credential.subject
        words = [str(subject.get("name") or credential.type), str(subject.get("version") or "")]
        plain = re.sub(r"[^a-z0-9.]+", "-", "-".join(words).casefold()).strip("-.")[:60].rstrip("-.")
        plain = (
            plain
            if plain and plain not in ("site", "did", "index", "status", "log")
            else f"credential-{plain}".rstrip("-")
        )
        taken = {one.name for one in self.listed}
        return plain if plain not in taken else f"{plain}-{credential.digest[:8]}"

    def _name_of(self, digest: str) -> str:
        return next(one.name for one in self.listed if one.digest == digest)

    def name_of(self, digest: str) -> str:
        """Return the name that the files of a credential have."""
        return self._name_of(digest)

    def _manifest_path(self, name: str) -> Path:
        return self.folder / f"{name}.manifest.json"

    # Writing ----------------------------------------------------------------------------------------------------------

    def update(self, now: datetime) -> dict[str, Bundle]:
        """Sign log and lists as of now and write all that follows from them; return the bundles by the name of their files."""
        from publisher_cli.site.bundles import bundle_of
        from publisher_cli.site.histories import log_page, status_page
        from publisher_cli.site.pages import dataset_page, front_page

        now = now.replace(microsecond=0)
        self.log.sign(self.signer, now)
        self._write(STATE, jcs(self._state()))
        lists = {purpose: self._signed_list(purpose, bytes(bits), now) for purpose, bits in self.status_bits().items()}
        for purpose, document in lists.items():
            self._write(f"status/{purpose}.json", jcs(document))
        if self.document is not None:
            self._write(self.address.document_path, jcs(self.did_document()))
        bundles = {}
        for one in self.listed:
            bundle = bundle_of(self, self.credentials[one.digest], lists)

            path = self._manifest_path(one.name)
            body = read_file(path, MANIFEST_MAX_BYTES) if one.public_manifest and path.is_file() else None
            write_bundle(self.folder / f"{one.name}{SUFFIX}", bundle, body)
            bundles[one.name] = bundle
            self._write(f"{one.name}.html", dataset_page(self, one, bundle, now).encode())
        self._write("index.html", front_page(self, now).encode())
        self._write("status.html", status_page(self, now, LIST_VALID_DAYS).encode())
        self._write("log.html", log_page(self, now).encode())
        self._write(".nojekyll", b"")  # or GitHub Pages leaves out every name that starts with a dot
        if bundles:
            newest = next(
                reversed([one.name for one in self.listed if _is_dataset(self.credentials[one.digest])] or [*bundles])
            )
            self._write(f"{WELL_KNOWN}/datasigil.json", (self.folder / f"{newest}{SUFFIX}").read_bytes())
        return bundles

    def _write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data)

    def _state(self) -> JsonObject:
        return {
            "type": "StaticSite", "formatVersion": 1, "base": self.address.base, "did": self.address.did,
            "logOrigin": self.address.origin, "logKey": str(self.log.keys[0]), "timeKey": str(self.log.keys[1]),
            "credentials": [{"name": one.name, "digest": one.digest, "publicManifest": one.public_manifest} for one in self.listed],
        }  # fmt: skip

    def _signed_list(self, purpose: str, bits: bytes, now: datetime) -> JsonObject:
        signer = self.list_signer()
        unsigned = new_status_list_credential(
            list_id=self.address.list_url(purpose), issuer=signer.controller, purpose=purpose, bits=bits, valid_from=now,
            valid_until=now + timedelta(days=LIST_VALID_DAYS), replay=(self.address.origin, self.log.tree.size),
        )  # fmt: skip
        return add_proof(unsigned, signer, created=now)

    def list_signer(self) -> LocalSigner:
        """Return who signs the lists: the site's DID when its document lists the site's key, else the key as its own did:key."""
        own = self.document is not None and self.signer.public_key in [
            one.key for one in self.document.methods.values()
        ]
        return self.signer.as_method(self.address.method(self.signer.public_key)) if own else self.signer

    def did_document(self) -> JsonObject:
        """Return the DID document as it is written."""
        assert self.document is not None
        current = self.document.relationships.get("authentication", frozenset())
        keys = [one.key for one in self.document.methods.values()]
        return document_of(
            self.address.did, keys, current=[one.key for one in self.document.methods.values() if one.id in current]
        )


def document_of(did: str, keys: list[PublicKey], *, current: list[PublicKey]) -> dict[str, Any]:
    """Return a DID document that lists `keys`; earlier ones stay for reading what they signed, `current` alone log in and sign anew."""
    document = did_document(did, {key.multibase: key for key in keys})
    document["authentication"] = [f"{did}#{key.multibase}" for key in keys if key in current]
    return document


def _is_dataset(credential: Credential) -> bool:
    return credential.type == "DatasetCredential"


def _state(path: Path) -> JsonObject | None:
    """Return a site's state file, checked for form, or None when there is none."""
    try:
        state = parse_json(read_file(path, STATE_MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, MalformedError) as error:
        raise _damaged(path, f"it cannot be read: {error}") from None
    texts = ("base", "did", "logOrigin", "logKey", "timeKey")
    good = (
        isinstance(state, dict) and state.get("type") == "StaticSite" and state.get("formatVersion") == 1
        and all(isinstance(state.get(name), str) for name in texts) and isinstance(state.get("credentials"), list)
        and all(_is_listed(one) for one in state["credentials"])
    )  # fmt: skip
    if not good:
        raise _damaged(path, "it is not the state of a static site, version 1")
    return dict(state)


def _is_listed(one: object) -> bool:
    return (
        isinstance(one, dict) and isinstance(one.get("publicManifest"), bool)
        and re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,79}", str(one.get("name"))) is not None
        and re.fullmatch(r"[0-9a-f]{64}", str(one.get("digest"))) is not None
    )  # fmt: skip


def _damaged(path: Path, message: str) -> DatasigilError:
    return DatasigilError(
        "SITE_FILE", message, place=str(path), expected="a file as `datasigil publish --static` wrote it",
        next_action="restore the site's folder from its repository or backup",
    )  # fmt: skip
