"""An in-memory world for tests: publishers, a registry with its log and status lists, witnesses, bundles, a trust file.

Everything is real but the sockets and the disk: real keys (from seeds, so that runs repeat), real proofs, RFC 9162 tiles,
signed checkpoints with the time key's cosignature, signed status lists, bundles that parse. The clock stands still until
`tick`. Nothing in here refuses bad input: tests bend the world, and the code under test has to notice.

    world = World()
    document = world.issue()                      # a signed DatasetCredential about world.files
    bundle = world.publish(document)              # logged, with checkpoint and fresh status lists
    world.revoke(document)                        # logged on a signed request; the bit is set
    later = world.bundle(document)                # the same credential with the evidence of now
    world.policy_toml()                           # a trust file that trusts world.publisher and this registry

    bad = mutate(document, "/credentialSubject/name", "x")            # signature no longer fits
    bad = resign(mutate(...), world.publisher.signer, world.now)      # only the named check can notice
    poor = without(bundle, "log")                                     # evidence removed
    mallory = world.new_publisher("mallory")                          # self-consistent, and trusted by nobody
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import blake3
from subjects import lineage_subject, reference

from datasigil.bundle import Bundle, LogEvidence
from datasigil.canonical import document_digest
from datasigil.credentials.contexts import PROFILE_CONTEXTS, context_digests
from datasigil.credentials.key_rotation import logged_rotation, new_key_rotation
from datasigil.credentials.status_list import new_status_list_credential
from datasigil.credentials.status_request import new_status_change_request
from datasigil.credentials.types import CREDENTIAL_TYPES, credential_schema
from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.datasets.manifest import ManifestClaim, manifest_bytes
from datasigil.encoding import Instant, parse_json
from datasigil.merkle import leaf_hash
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.checkpoint import Checkpoint, add_signatures, cosign_checkpoint, sign_checkpoint
from datasigil.transparency.entry import log_entry
from datasigil.transparency.note import COSIGNATURE_V1, VerifierKey, new_vkey
from datasigil.transparency.proofs import LogProof
from datasigil.transparency.tiles import MemoryTileStore, TileTree
from datasigil.trust.owner import owner_statement, self_proof_of
from datasigil.trust.policy import TrustPolicy, parse_policy
from datasigil.trust.policy_text import add_self_proof, with_self
from datasigil.trust.rules import SelfProof

NOW: Final = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
REMOVED: Final = object()
"""Pass as value to `mutate` to take a member away."""

STATUS_BITS: Final = 131_072
FILES: Final = {
    "LICENSE": b"Creative Commons Attribution 4.0 International\n",
    "clauses/train.jsonl": b'{"text":"The tenant pays the rent monthly.","label":"payment"}\n' * 3,
    "clauses/test.jsonl": b'{"text":"Either party may end this lease.","label":"termination"}\n',
}
_NAMES: Final = UUID("6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51")
_PURPOSES: Final = ("revocation", "suspension")


def signer_of(name: str) -> LocalSigner:
    """Return the Ed25519 key that `name` always gets."""
    return LocalSigner.from_seed(sha256(b"datasigil simulator " + name.encode()).digest())


def vkey_of(name: str, signer: LocalSigner, algorithm: int = 1) -> VerifierKey:
    """Return the note verifier key of a signer under `name`; algorithm 4 for cosigners."""
    return new_vkey(name, signer.public_key.raw, algorithm)


def manifest_of(files: dict[str, bytes], **changes: Any) -> Manifest:
    """Return the manifest of files held in memory, each below the size that needs chunks."""
    entries = (
        ManifestEntry(path, len(data), sha256(data).hexdigest(), blake3.blake3(data).hexdigest())
        for path, data in sorted(files.items(), key=lambda item: item[0].encode())
    )
    return replace(Manifest(tuple(entries)), **changes)


@dataclass
class Publisher:
    """Someone who signs credentials, with a status list pair at the registry."""

    name: str
    signer: LocalSigner
    status_url: str
    bits: dict[str, bytearray] = field(default_factory=lambda: {p: bytearray(STATUS_BITS // 8) for p in _PURPOSES})
    next_index: int = 4711

    @property
    def did(self) -> str:
        """The publisher's did:key."""
        return self.signer.controller

    def list_id(self, purpose: str) -> str:
        """The URL of one of the pair."""
        return f"{self.status_url}/{purpose}"


@dataclass
class Log:
    """A log with its tiles in memory; `origin` names it, `key` signs it, `time_key` says when."""

    origin: str
    signer: LocalSigner
    time_signer: LocalSigner
    store: MemoryTileStore = field(default_factory=MemoryTileStore)
    entries: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tree = TileTree(self.store)
        self.key = vkey_of(self.origin, self.signer)
        self.time_key = vkey_of(f"{self.origin}/time", self.time_signer, COSIGNATURE_V1)

    def append(self, entry: bytes) -> int:
        """Add an entry and return its index."""
        self.entries.append(entry)
        return self.tree.append([leaf_hash(entry)]).first_index

    def checkpoint(self, at: datetime, witnesses: tuple[Witnessing, ...] = (), size: int | None = None) -> bytes:
        """Return the signed checkpoint of the first `size` entries, with the time key's and the witnesses' cosignatures."""
        size = self.tree.size if size is None else size
        note = sign_checkpoint(Checkpoint(self.origin, size, self.tree.root_at(size)), self.key, self.signer.sign)
        lines = [cosign_checkpoint(note, self.time_key, self.time_signer.sign, at)]
        lines += [cosign_checkpoint(note, one.key, one.signer.sign, at) for one in witnesses]
        return add_signatures(note, lines)

    def proof(self, index: int, note: bytes, size: int | None = None) -> str:
        """Return the tlog-proof text of an entry under a checkpoint."""
        return LogProof(index, tuple(self.tree.inclusion(index, size)), note).text()


@dataclass(frozen=True)
class Witnessing:
    """An independently run witness: its principal's name and key."""

    principal: str
    signer: LocalSigner
    key: VerifierKey


class World:
    """One registry, one publisher, and whoever else a test invites."""

    def __init__(self, *, now: datetime = NOW, witnesses: int = 0, host: str = "registry.example") -> None:
        self.now = now
        self.url = f"https://{host}"
        self.registry = signer_of(f"{host} registry")
        self.log = Log(f"{host}/log", signer_of(f"{host} log"), signer_of(f"{host} time"))
        self.witnesses = tuple(self._witness(number) for number in range(1, witnesses + 1))
        self.publishers: dict[str, Publisher] = {}
        self.publisher = self.new_publisher("publisher")
        self.files = dict(FILES)
        self._manifests: dict[str, bytes] = {}
        self._index: dict[str, int] = {}  # credential digest -> log index of its issue entry
        self._serial = 0

    # Time and people ------------------------------------------------------------------------------------------------

    def tick(self, **duration: float) -> datetime:
        """Let time pass, e.g. `tick(hours=25)`; what was signed before stays as old as it is."""
        self.now += timedelta(**duration)
        return self.now

    def new_publisher(self, name: str) -> Publisher:
        """Invite another publisher; the trust file of `policy_toml` does not name it."""
        publisher = Publisher(name, signer_of(name), f"{self.url}/status-lists/{name}")
        self.publishers[publisher.did] = publisher
        return publisher

    def _witness(self, number: int) -> Witnessing:
        name = f"witness{number}.example"
        signer = signer_of(name)
        return Witnessing(name, signer, vkey_of(name, signer, COSIGNATURE_V1))

    # Documents ------------------------------------------------------------------------------------------------------

    def subject(self, manifest: Manifest | None = None, **overrides: Any) -> dict[str, Any]:
        """Return the subject of a minimal DatasetCredential; `overrides` replace members, `REMOVED` takes one away."""
        manifest = manifest or manifest_of(self.files)
        self._manifests[manifest.digest] = manifest_bytes(manifest)
        subject: dict[str, Any] = {
            "id": self._urn(),
            "type": "Dataset",
            "name": "Contract clauses",
            "version": "1.0.0",
            "publisher": {"name": "Example Law Data"},
            "issued": self.now.strftime("%Y-%m-%d"),
            "role": "publisher",
            "profile": "minimal",
            "manifest": ManifestClaim.of(manifest).to_subject(),
            "license": {"expression": "CC-BY-4.0", "assurance": "declared"},
        }
        subject.update(overrides)
        return {name: value for name, value in subject.items() if value is not REMOVED}

    def unsigned(
        self,
        subject: dict[str, Any],
        type_: str = "DatasetCredential",
        publisher: Publisher | None = None,
        **overrides: Any,
    ) -> dict[str, Any]:
        """Return a credential of any type without proof, with an unused status index of `publisher`."""
        publisher = publisher or self.publisher
        index, publisher.next_index = publisher.next_index, publisher.next_index + 1
        document: dict[str, Any] = {
            "@context": list(PROFILE_CONTEXTS),
            "id": self._urn(),
            "type": ["VerifiableCredential", type_],
            "issuer": publisher.did,
            "validFrom": str(Instant.from_datetime(self.now)),
            "credentialSchema": credential_schema(type_),
            "credentialStatus": [
                {
                    "type": "BitstringStatusListEntry",
                    "statusPurpose": purpose,
                    "statusListIndex": str(index),
                    "statusListCredential": publisher.list_id(purpose),
                    "statusIssuer": self.registry.controller,
                }
                for purpose in _PURPOSES
            ],
            "transparencyLog": {"type": "TransparencyLog", "origin": self.log.origin, "url": f"{self.url}/log"},
            "credentialSubject": subject,
        }
        document.update(overrides)
        return {name: value for name, value in document.items() if value is not REMOVED}

    def issue(
        self,
        manifest: Manifest | None = None,
        *,
        publisher: Publisher | None = None,
        subject: dict[str, Any] | None = None,
        **overrides: Any,
    ) -> dict[str, Any]:
        """Return a signed DatasetCredential; `subject` replaces subject members, `overrides` those of the credential."""
        publisher = publisher or self.publisher
        document = self.unsigned(self.subject(manifest, **(subject or {})), publisher=publisher, **overrides)
        return self.sign(document, publisher.signer)

    def issue_as(
        self, type_: str, subject: dict[str, Any], *, publisher: Publisher | None = None, **overrides: Any
    ) -> dict[str, Any]:
        """Return a signed credential of any type about `subject`, which the caller writes in full."""
        publisher = publisher or self.publisher
        return self.sign(self.unsigned(subject, type_, publisher, **overrides), publisher.signer)

    def derive(
        self,
        parents: list[dict[str, Any]],
        files: dict[str, bytes] | None = None,
        *,
        publisher: Publisher | None = None,
        **lineage: Any,
    ) -> tuple[Bundle, dict[str, Any]]:
        """Publish a dataset made from published `parents` and its lineage; return its bundle and the lineage credential.

        The bundle's `parents` hold the lineage credential's bundle, and that one's the bundles of the datasets used.
        `lineage` replaces members of the lineage subject, e.g. to unbalance it.
        """
        manifest = manifest_of(files or {"clauses/clean.jsonl": FILES["clauses/train.jsonl"]})
        derived = {"derivedFrom": [reference(parent) for parent in parents]}
        document = self.issue(manifest, publisher=publisher, subject=derived)
        activity = lineage_subject(parents, manifest, **lineage)
        made = self.issue_as("DatasetLineageCredential", activity, publisher=publisher)
        used = tuple(self.bundle(parent) for parent in parents)
        self.publish(made)
        self.publish(document)
        return self.bundle(document, parents=(self.bundle(made, parents=used),)), made

    def sign(self, document: dict[str, Any], signer: LocalSigner | None = None, **options: Any) -> dict[str, Any]:
        """Return a document with one more proof, by default the publisher's eddsa-jcs-2022 assertion made now."""
        return add_proof(document, signer or self.publisher.signer, created=self.now, **options)

    def _urn(self) -> str:
        self._serial += 1
        return f"urn:uuid:{uuid5(_NAMES, f'{self.url} {self._serial}')}"

    # Registry -------------------------------------------------------------------------------------------------------

    def publish(self, document: dict[str, Any], **evidence: Any) -> Bundle:
        """Log a credential, whatever it says, and return its bundle with the evidence of now."""
        self._index[document_digest(document)] = self.log.append(entry_of("issue", document))
        return self.bundle(document, **evidence)

    def bundle(self, document: dict[str, Any], *, parents: tuple[Bundle, ...] = (), manifest: bool = True) -> Bundle:
        """Return the bundle of a published credential with a checkpoint and status lists signed now."""
        claim = document["credentialSubject"].get("manifest", {})
        stored = self._manifests.get(claim.get("digest", "")) if manifest else None
        return Bundle(
            credential=document,
            manifest=None if stored is None else parse_json(stored, max_bytes=len(stored)),
            log=self.log_evidence(document),
            status_lists=tuple(self.status_list(entry) for entry in document.get("credentialStatus", ())),
            parents=parents,
            issuer_keys=(self.issuer_key(document),),
            contexts={url: digest for url, digest in context_digests().items() if url in document["@context"]},
            schemas={document["credentialSchema"]["id"]: document["credentialSchema"]["digestSRI"]},
        )

    def log_evidence(self, document: dict[str, Any], *, size: int | None = None) -> LogEvidence:
        """Return proof and checkpoint of a published credential, of the whole log or of its first `size` entries."""
        index = self._index[document_digest(document)]
        note = self.log.checkpoint(self.now, self.witnesses, size)
        keys = (self.log.key, self.log.time_key, *(one.key for one in self.witnesses))
        return LogEvidence(self.log.proof(index, note, size), tuple(map(str, keys)), f"{self.url}/log")

    def log_index(self, document: dict[str, Any]) -> int:
        """Return the log index of a published credential's issue entry."""
        return self._index[document_digest(document)]

    def issuer_key(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the Multikey method that a credential's issuer signs with."""
        issuer = document["issuer"] if isinstance(document["issuer"], str) else document["issuer"]["id"]
        signer = self.publishers[issuer].signer if issuer in self.publishers else self.publisher.signer
        return {
            "id": signer.verification_method,
            "type": "Multikey",
            "controller": signer.controller,
            "publicKeyMultibase": signer.public_key.multibase,
        }

    def status_list(
        self,
        entry: dict[str, Any],
        *,
        signer: LocalSigner | None = None,
        valid_for: timedelta = timedelta(days=7),
        bits: bytes | None = None,
        **overrides: Any,
    ) -> dict[str, Any]:
        """Return the status list that a status entry names, replayed from the whole log and signed now by the registry."""
        signer = signer or self.registry
        owner = next(
            one for one in self.publishers.values() if entry["statusListCredential"].startswith(one.status_url + "/")
        )
        arguments: dict[str, Any] = {
            "list_id": entry["statusListCredential"],
            "issuer": signer.controller,
            "purpose": entry["statusPurpose"],
            "bits": bytes(owner.bits[entry["statusPurpose"]]) if bits is None else bits,
            "valid_from": self.now,
            "valid_until": self.now + valid_for,
            "replay": (self.log.origin, self.log.tree.size),
        }
        return self.sign(new_status_list_credential(**{**arguments, **overrides}), signer)

    def revoke(self, document: dict[str, Any], reason: str = "withdrawn") -> dict[str, Any]:
        """Revoke a published credential and return the signed request that was logged."""
        return self.change_status(document, "revocation", value=True, reason=reason)

    def suspend(self, document: dict[str, Any], reason: str = "under review") -> dict[str, Any]:
        """Suspend a published credential and return the signed request that was logged."""
        return self.change_status(document, "suspension", value=True, reason=reason)

    def resume(self, document: dict[str, Any], reason: str = "review passed") -> dict[str, Any]:
        """Lift a suspension and return the signed request that was logged."""
        return self.change_status(document, "suspension", value=False, reason=reason)

    def change_status(self, document: dict[str, Any], purpose: str, *, value: bool, reason: str) -> dict[str, Any]:
        """Log a status change on a request signed by the issuer, and set or clear the bit."""
        request = self.status_request(document, purpose, value=value, reason=reason)
        kind = "revoke" if purpose == "revocation" else "suspend" if value else "resume"
        self.log.append(entry_of(kind, document, document_digest(request)))
        entry = next(one for one in document["credentialStatus"] if one["statusPurpose"] == purpose)
        set_bit(self.publishers[issuer_of(document)].bits[purpose], int(entry["statusListIndex"]), value=value)
        return request

    def status_request(
        self, document: dict[str, Any], purpose: str = "revocation", *, value: bool = True, reason: str = "withdrawn"
    ) -> dict[str, Any]:
        """Return a StatusChangeRequest signed by the credential's issuer, without acting on it."""
        self._serial += 1
        request = new_status_change_request(
            credential_id=document["id"],
            credential_digest=document_digest(document),
            purpose=purpose,
            value=value,
            reason=reason,
            created=self.now,
            nonce=sha256(f"nonce {self._serial}".encode()).hexdigest()[:32],
            issuer=issuer_of(document),
        )
        return self.sign(request, self.publishers[issuer_of(document)].signer)

    def rotate(
        self, publisher: Publisher, new: LocalSigner, *, by: LocalSigner | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Log a publisher's rotation to `new`, signed by `by` (its present key) and by `new`; return the signed request."""
        request = self.rotation_request(publisher, new, by=by, **changes)
        digest = document_digest(request)
        self._index[digest] = self.log.append(log_entry("key", digest, request["issuer"], request["type"], digest))
        return request

    def rotation_request(
        self, publisher: Publisher, new: LocalSigner, *, by: LocalSigner | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Return a KeyRotationRequest with its two proofs, without logging it; `changes` replace members before signing."""
        by = by or publisher.signer
        self._serial += 1
        request = new_key_rotation(
            issuer=publisher.did,
            new_id=new.verification_method,
            new_key=new.public_key,
            authorizing_id=by.verification_method,
            authorizing_key=by.public_key,
            reason="yearly rotation",
            created=self.now,
            nonce=sha256(f"nonce {self._serial}".encode()).hexdigest()[:32],
        )
        return self.sign(self.sign({**request, **changes}, by), new)

    def rotation_evidence(self, request: dict[str, Any], *, size: int | None = None) -> dict[str, Any]:
        """Return a logged rotation as a bundle's `issuerKeys` hold it, under a checkpoint of now."""
        return logged_rotation(request, self.log_evidence(request, size=size).proof)

    # Trust ----------------------------------------------------------------------------------------------------------

    def policy_toml(
        self,
        *,
        publishers: tuple[Publisher, ...] | None = None,
        quorum: int = 0,
        extra: str = "",
        log: bool = True,
        types: tuple[str, ...] = CREDENTIAL_TYPES,
        roles: tuple[str, ...] = ("publisher",),
    ) -> str:
        """Return a `datasigil.toml` that trusts `publishers` (by default the first), this log and its witnesses.

        `extra` is appended: `[requirements]`, `[freshness]` and so on.
        """
        lines = ["formatVersion = 1", ""]
        for one in (self.publisher,) if publishers is None else publishers:
            lines += [
                "[[issuers]]",
                f'did = "{one.did}"',
                f'name = "{one.name}"',
                f"types = {_toml_list(types)}",
                f"roles = {_toml_list(roles)}",
                "",
            ]
        if log:
            lines += [
                "[[logs]]",
                f'origin = "{self.log.origin}"',
                f'key = "{self.log.key}"',
                f'timeKey = "{self.log.time_key}"',
                f'url = "{self.url}/log"',
                "",
            ]
        for witness in self.witnesses:
            lines += ["[[witnesses]]", f'principal = "{witness.principal}"', f'key = "{witness.key}"', ""]
        if quorum:
            lines += ["[witness]", f"quorum = {quorum}", ""]
        return "\n".join(lines) + extra

    def write_files(self, folder: Path) -> Path:
        """Write the dataset's files below `folder` and return it, for checks that hash real files."""
        for path, data in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return folder


def issuer_of(document: dict[str, Any]) -> str:
    """Return the issuer's DID, whichever way it is spelled."""
    issuer = document["issuer"]
    return issuer if isinstance(issuer, str) else str(issuer["id"])


def entry_of(kind: str, document: dict[str, Any], request_digest: str | None = None) -> bytes:
    """Return the log entry about a secured document, as registry and verifier both build it."""
    return log_entry(kind, document_digest(document), issuer_of(document), document["type"][1], request_digest)


def set_bit(bits: bytearray, index: int, *, value: bool) -> None:
    """Set or clear a status bit; index 0 is the high bit of the first byte (Bitstring Status List section 2.2)."""
    mask = 0x80 >> (index % 8)
    bits[index // 8] = bits[index // 8] | mask if value else bits[index // 8] & ~mask


# Mutations ----------------------------------------------------------------------------------------------------------


def mutate(document: Any, pointer: str, value: Any) -> Any:
    """Return a copy of a JSON document with the value at a JSON pointer replaced, added (`/-` appends) or `REMOVED`."""
    changed = copy.deepcopy(document)
    *parents, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    target = changed
    for step in parents:
        target = target[int(step)] if isinstance(target, list) else target[step]
    if isinstance(target, list):
        if last == "-":
            target.append(value)
        elif value is REMOVED:
            del target[int(last)]
        else:
            target[int(last)] = value
    elif value is REMOVED:
        del target[last]
    else:
        target[last] = value
    return changed


def resign(document: dict[str, Any], signer: LocalSigner, at: datetime = NOW, **options: Any) -> dict[str, Any]:
    """Return the document with all its proofs replaced by one new proof of `signer`."""
    return add_proof(
        {name: value for name, value in document.items() if name != "proof"}, signer, created=at, **options
    )


def without(bundle: Bundle, *evidence: str) -> Bundle:
    """Return the bundle with evidence removed: `log`, `manifest`, `status_lists`, `parents`, `issuer_keys`."""
    empty: dict[str, Any] = {"log": None, "manifest": None, "status_lists": (), "parents": (), "issuer_keys": ()}
    return replace(bundle, **{name: empty[name] for name in evidence})


def with_credential(bundle: Bundle, document: dict[str, Any]) -> Bundle:
    """Return the bundle with another credential in it and all other evidence as it was."""
    return replace(bundle, credential=document)


def with_proof_text(bundle: Bundle, old: str, new: str) -> Bundle:
    """Return the bundle with one passage of its log proof or checkpoint replaced; the passage must be there."""
    assert bundle.log is not None
    assert old in bundle.log.proof
    return replace(bundle, log=replace(bundle.log, proof=bundle.log.proof.replace(old, new, 1)))


def flip_bit(data: bytes, bit: int) -> bytes:
    """Return bytes with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 0x80 >> (bit % 8)
    return bytes(changed)


def proving_self(text: str, signer: LocalSigner, now: datetime = NOW) -> str:
    """Return a trust file's text with `self` and its proof by a key of that DID, as `datasigil key prove-self` writes them."""
    base = with_self(text, signer.controller)
    return add_self_proof(base, _self_proof(parse_policy(base.encode()), signer, now))


def owned_by(signer: LocalSigner, policy: TrustPolicy, now: datetime = NOW) -> TrustPolicy:
    """Return a policy that a key has signed as its own."""
    policy = replace(policy, self_did=signer.controller)
    return replace(policy, self_proof=_self_proof(policy, signer, now))


def _self_proof(policy: TrustPolicy, signer: LocalSigner, now: datetime) -> SelfProof:
    statement = owner_statement(policy.self_did, policy.digest, Instant.from_datetime(now))
    return self_proof_of(add_proof(statement, signer, created=now))


def _toml_list(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
