"""Every parser of the core as a fuzz target: a function of bytes, and the seeds from which inputs are grown.

Here: `TARGETS` by name. A target raises nothing but `DatasigilError` on any input whatever; several also compare two ways that must
agree (parse and write, fast and explaining, ours and the standard library's). Not here: the fuzzer (`run.py`) and running all of them
(`all.py`). Seeds come from the simulator and the frozen vectors, so that they stay true when formats grow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY)]

from simulator import Publisher, World, proving_self, signer_of, vkey_of  # noqa: E402 - the paths above make it importable

from datasigil import bundle, canonical, encoding, fetch, merkle, signing  # noqa: E402
from datasigil.credentials import (  # noqa: E402
    did,
    generic,
    handover,
    key_rotation,
    keys,
    nquads,
    presentation,
    proof,
    rdf,
    rdf_direct,
    rdfc,
    status_list,
    status_request,
    types,
)
from datasigil.datasets import lineage, manifest, manifest_parser, parts, paths  # noqa: E402
from datasigil.errors import DatasigilError, MalformedError  # noqa: E402
from datasigil.gate import gate_file  # noqa: E402
from datasigil.models import card, examples, offered, receipt, release, reviews, statements  # noqa: E402
from datasigil.transparency import checkpoint, entry, note, proofs, tile_paths  # noqa: E402
from datasigil.trust import approvals, licensing, policy_parser, policy_text, rules  # noqa: E402
from datasigil.verification import verify_bytes  # noqa: E402

VECTORS = REPOSITORY / "tests" / "vectors"
AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
INSTANT = encoding.Instant.from_datetime(AT)

Parse = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """One parser under fuzz. `json` inputs are grown by editing members of the seeds as well as bytes."""

    name: str
    parse: Parse
    seeds: Callable[[], Sequence[bytes]]
    json: bool = False

    def one(self, data: bytes) -> None:
        """Run the parser on one input; every refusal must be one of ours."""
        try:
            self.parse(data)
        except DatasigilError as error:
            refused(error)


def refused(error: DatasigilError, *codes: str) -> None:
    """Hold a refusal to what every one must have: a reason code (one of `codes`, if given), and a text that can be printed."""
    assert error.code, "a refusal without a reason code"
    assert not codes or error.code in codes, error.code
    str(error).encode()


@cache
def world() -> World:
    """A world with witnesses and one dataset derived from another."""
    return World(now=AT, witnesses=2)


@cache
def bundles() -> tuple[bytes, ...]:
    """Evidence bundles: the frozen one and one of today."""
    fresh = world().publish(world().issue())
    return (VECTORS / "transparency/bundle-v1.sigil.json").read_bytes(), canonical.jcs(fresh.document())


def credentials() -> Sequence[bytes]:
    """Credentials of every type, signed by another implementation, and ours."""
    signed = json.loads((VECTORS / "credentials/signed-eddsa-jcs-2022-ed25519.json").read_bytes())
    return [canonical.jcs(document) for document in signed.values()] + [canonical.jcs(world().issue())]


def members_of(name: str) -> Callable[[], Sequence[bytes]]:
    """One member of each bundle, as JSON."""
    return lambda: [canonical.jcs(json.loads(data)[name]) for data in bundles() if name in json.loads(data)]


def texts(*given: str) -> Callable[[], Sequence[bytes]]:
    """Seeds that are text."""
    return lambda: [one.encode() for one in given]


def vector(*names: str) -> Callable[[], Sequence[bytes]]:
    """Seeds that are files of tests/vectors or of the repository."""
    return lambda: [(REPOSITORY / name).read_bytes() for name in names]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _json(parse: Callable[[Any], object]) -> Parse:
    return lambda data: parse(encoding.parse_json(data))


def _each(*parsers: Callable[[str], object]) -> Parse:
    """Every parser on the same text; a refusal by one does not hide the others."""

    def parse(data: bytes) -> None:
        for parser in parsers:
            try:
                parser(_text(data))
            except DatasigilError as error:
                refused(error)

    return parse


def json_twice(data: bytes) -> None:
    """What the strict parser takes, the standard one reads to the same value, and its canonical form parses back."""
    encoding.parse_json(data, profile=encoding.GENERIC)
    value = encoding.parse_json(data)
    assert value == json.loads(data)
    canonical_form = canonical.jcs(value)
    assert encoding.parse_json(canonical_form) == value
    assert canonical.jcs(encoding.parse_json(canonical_form)) == canonical_form


def binary_texts(data: bytes) -> None:
    """Each decoder accepts one spelling for each value: what it takes, its encoder writes again."""
    text = _text(data)
    for decode, encode in (
        (encoding.base58_decode, encoding.base58_encode),
        (encoding.b64_decode, encoding.b64_encode),
        (encoding.b64url_decode, encoding.b64url_encode),
        (encoding.hex_digest, bytes.hex),
        (encoding.multibase_decode, encoding.multibase_encode),
        (
            lambda one: encoding.multibase_decode(one, prefix="u"),
            lambda one: encoding.multibase_encode(one, prefix="u"),
        ),
    ):
        try:
            assert encode(decode(text)) == text
        except DatasigilError as error:
            refused(error, "DIGEST" if decode is encoding.hex_digest else "ENCODING")


def times(data: bytes) -> None:
    """An instant that parses is written and read back unchanged."""
    text = _text(data)
    for parse in (
        encoding.parse_date,
        lambda one: encoding.Instant.parse(one, any_offset=True),
        encoding.Instant.parse,
    ):
        try:
            found = parse(text)
        except MalformedError:
            continue
        if isinstance(found, encoding.Instant) and found.seconds >= -62_135_596_800:
            assert encoding.Instant.parse(str(found)) == found


def credential(data: bytes) -> None:
    """The closed parser; the path that explains and the path that only says yes agree."""
    document = encoding.parse_json(data)
    types.is_profile(document)
    try:
        types.parse_credential(document)
    except MalformedError:
        return
    table = types.credential_type_table(document["type"][1])
    table.check(document, None)


def generic_documents(document: Any) -> None:
    """Open-world checks, with terms looked up in the tables alone."""

    def known(unsecured: Any) -> None:
        if not rdf_direct.knows_all_terms(unsecured):
            raise MalformedError("DATA_LOSS", "outside the tables")

    for check in (generic.check_generic_credential, generic.check_generic_presentation):
        try:
            check(document, check_terms=known)
        except DatasigilError as error:
            refused(error)


def _directly(document: Any, hash_name: str) -> bytes:
    found = rdf_direct.canonicalize_directly(document, hash_name)
    if found is None:
        raise MalformedError("LIMIT", "left to the subprocess")
    return found


def secured(document: Any) -> None:
    """Proofs in both modes, and as a presentation's."""
    for mode in (proof.PROFILE, proof.GENERIC):
        try:
            proof.verify_proofs(document, keys=did.did_key_resolver, mode=mode, at=INSTANT, canonicalize=_directly)
        except DatasigilError as error:
            refused(error)
    presentation.verify_presentation(
        document, keys=did.did_key_resolver, challenge="c-123", domain="registry.example", at=INSTANT
    )


def json_ld(document: Any) -> None:
    """The short way and pyld, on documents whose contexts are all pinned (others are for the killable subprocess)."""
    if not isinstance(document, dict) or '"@context":{' in json.dumps(document, separators=(",", ":")):
        return
    found = rdf_direct.canonicalize_directly(document, "sha256")
    try:
        slow = rdf.canonicalize(document, "sha256")
    except MalformedError:
        assert found is None
        raise
    assert found in (None, slow)


def quads(data: bytes) -> None:
    """N-Quads that parse, canonicalise to a form that parses to itself."""
    parsed = nquads.parse_nquads(_text(data))
    form = rdfc.canonical_nquads(parsed, budget=20_000)
    assert rdfc.canonical_nquads(nquads.parse_nquads(form), budget=100_000) == form


def public_keys(data: bytes) -> None:
    """Points, Multikeys and JWKs, and a signature under whatever is a key."""
    found = []
    for make in (
        lambda: keys.PublicKey.from_multibase(_text(data)),
        lambda: keys.PublicKey.from_jwk(encoding.parse_json(data)),
        lambda: keys.PublicKey.from_raw(keys.ED25519, data[:32]),
        lambda: keys.PublicKey.from_raw(keys.P256, data[:33]),
        lambda: keys.PublicKey.from_raw(keys.P384, data[:49]),
    ):
        try:
            found.append(make())
        except DatasigilError as error:
            refused(error)
    for key in found:
        assert keys.PublicKey.from_multibase(key.multibase) == key
        assert keys.PublicKey.from_jwk(key.jwk) == key
        try:
            key.verify((data * 100)[32:128][: 96 if key.kind == keys.P384 else 64], data)
        except DatasigilError as error:
            refused(error, "SIGNATURE")


def dids(data: bytes) -> None:
    """Identifiers, and documents."""
    _each(
        did.check_did,
        did.split_did_url,
        did.resolve_did_key,
        did.parse_did_web,
        lambda one: did.parse_did_web(one, allow_loopback=True),
    )(data)
    did.parse_did_document(encoding.parse_json(data))


def status_lists(data: bytes) -> None:
    """Encoded lists, and list credentials with every entry read."""
    try:
        status_list.decode_list(_text(data))
    except DatasigilError as error:
        refused(error)
    status_list.parse_status_list(encoding.parse_json(data))


def tree_proofs(data: bytes) -> None:
    """A wrong inclusion or consistency proof never verifies: leaf, roots and hashes all come from the input."""
    hashes = [data[start : start + 32] for start in range(8, len(data), 32)]
    index, size = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
    root = sha256(data).digest()
    for verify in (
        lambda: merkle.verify_inclusion(merkle.leaf_hash(data), index, size, hashes, root),
        lambda: merkle.verify_consistency(index, size, sha256(b"old").digest(), root, hashes),
    ):
        try:
            verify()
        except DatasigilError:
            continue
        raise AssertionError("a made-up proof verified")


def manifests(data: bytes) -> None:
    """A manifest that parses is written in its one form."""
    found = manifest_parser.parse_manifest(data)
    assert manifest.manifest_bytes(found) == data


def dataset_parts(value: Any) -> None:
    """What else of a dataset is read from JSON."""
    for parse in (
        manifest_parser.read_manifest,
        lambda one: manifest_parser.read_entry(one, "/entries/0"),
        parts.parse_file_proof,
        parts.parse_part_proof,
        lambda one: parts.verify_file_proof(
            parts.parse_file_proof(one),
            manifest.ManifestClaim.from_subject(json.loads(credentials()[-1])["credentialSubject"]),
        ),
        lambda one: paths.check_paths(
            [item for item in one if isinstance(item, str)] if isinstance(one, list) else [str(one)]
        ),
    ):
        try:
            parse(value)
        except DatasigilError as error:
            refused(error)


def lineages(data: bytes) -> None:
    """A lineage credential that parses has a lineage, whose counts balance or not."""
    found = types.parse_credential(encoding.parse_json(data))
    if found.type == "DatasetLineageCredential":
        lineage.check_balance(lineage.parse_lineage(found.subject))


def notes(data: bytes) -> None:
    """Signed notes, their checkpoint and cosignatures under a key that signed none of them."""
    found = note.parse_note(data)
    checkpoint.parse_checkpoint(found.text)
    key = vkey_of("registry.example/log", signer_of("log"))
    for signature in found.signatures:
        note.verify_signature(found, signature, key)


def log_texts(data: bytes) -> None:
    """The other formats of the log, whole."""
    _each(
        proofs.parse_log_proof,
        note.parse_vkey,
        note.parse_signature_lines,
        checkpoint.parse_checkpoint,
        checkpoint.parse_size,
        checkpoint.parse_hash,
        tile_paths.parse_tile_path,
    )(data)
    for parse in (proofs.parse_add_checkpoint, entry.parse_entry, lambda one: entry.parse_entry_bundle(one, 3)):
        try:
            parse(data)
        except DatasigilError as error:
            refused(error)


def policies(data: bytes) -> None:
    """Trust files with the proof of their `self`, gate files and approval expressions."""
    for parse in (
        lambda one: policy_text.explain_policy(policy_parser.parse_policy(one)),
        lambda one: gate_file.parse_gate_file(one, Path("/")),
    ):
        try:
            parse(data)
        except DatasigilError as error:
            refused(error)
    approvals.parse_approvals(_text(data))


def licences(data: bytes) -> None:
    """Licence expressions: always a finding, never an exception."""
    found = licensing.judge_license(
        _text(data)[:500], text_digest=None, rules=rules.LicenseRules(), use="fine-tuning", commercial=True
    )
    assert found.outcome in ("allowed", "denied", "unknown")


def models(data: bytes) -> None:
    """Receipts, cards, lists of examples, releases, reviews and statements."""
    for parse in (
        receipt.parse_receipt,
        card.parse_card,
        examples.parse_example_list,
        release.parse_release,
        lambda one: reviews.parse_review(one, "review.json"),
        statements.parse_statements,
        offered.parse_offer,
        offered.parse_offered,
    ):
        try:
            parse(data)
        except DatasigilError as error:
            refused(error)


def whole_check(data: bytes) -> None:
    """The whole plan offline: a report that renders, and VALID for nothing but the seeds' own content."""
    report = verify_bytes(data, policy=_policy(), at=AT, offline=True).report
    report.render()
    json.dumps(report.to_json())
    if report.decision == "VALID":
        signed = {canonical.document_digest(json.loads(one)["credential"]) for one in bundles()}
        assert canonical.document_digest(json.loads(data)["credential"]) in signed


@cache
def _policy() -> Any:
    return policy_parser.parse_policy(world().policy_toml().encode())


def _key_file() -> Sequence[bytes]:
    return [signer_of("publisher").pem(b"x", cost=2)]


def _log_seeds() -> Sequence[bytes]:
    folder = VECTORS / "transparency"
    issued = bundle.parse_bundle(bundles()[1])
    assert issued.log is not None
    return [
        (folder / "log.tlog-proof").read_bytes(),
        (folder / "checkpoint.note").read_bytes(),
        (folder / "entry-v1.json").read_bytes(),
        issued.log.proof.encode(),
        str(vkey_of("registry.example/log", signer_of("log"))).encode(),
        b"tile/entries/x001/x234/067.p/8",
        b"old 0\n\n" + (folder / "checkpoint.note").read_bytes(),
    ]


TARGETS: dict[str, Target] = {
    one.name: one
    for one in (
        Target("json", json_twice, lambda: [*credentials()[:2], b'{"a":[1,"\\u00e9",true,{}],"b":-0}', b'[[[["\\\\\\""]]]]'], json=True),
        Target("binary-text", binary_texts, texts("z6Mkkb8KMnB7JVu5iapRE1xmTyPhVnf9ukMT8Q7QdrJCxZQx", "uAQID", "AQIDBA==", "ab" * 32)),
        Target("times", times, texts("2026-11-02T09:30:00Z", "2024-02-29T23:59:59.123456789+14:00", "2026-11-02", "0001-01-01T00:00:00Z")),
        Target("credential", credential, credentials, json=True),
        Target("generic", _json(generic_documents), credentials, json=True),
        Target("proof", _json(secured), lambda: [*credentials()[-2:], *_presentations()], json=True),
        Target("json-ld", _json(json_ld), credentials, json=True),
        Target("n-quads", quads, lambda: [_directly(_unsecured(json.loads(one)), "sha256") for one in credentials()[:3]]),
        Target("key", public_keys, lambda: [signer_of("a").public_key.multibase.encode(), json.dumps(_p384().public_key.jwk).encode(), signer_of("a").public_key.raw]),
        Target("did", dids, lambda: [b"did:web:example.com%3A8443:a:b", signer_of("a").controller.encode(), json.dumps(did.did_document("did:web:example.com", {"k": signer_of("a").public_key})).encode()], json=True),
        Target("key-file", lambda data: signing.LocalSigner.from_pem(data, b"x"), _key_file),
        Target("status-list", status_lists, lambda: [*_lists(), json.loads(_lists()[0])["credentialSubject"]["encodedList"].encode()], json=True),
        Target("status-request", _json(status_request.parse_status_change_request), lambda: [canonical.jcs(world().status_request(world().issue()))], json=True),
        Target("handover", _json(handover.parse_handover), lambda: _handovers(), json=True),
        Target("key-rotation", _json(key_rotation.parse_key_rotation), lambda: _rotations(), json=True),
        Target("bundle", bundle.parse_bundle, bundles, json=True),
        Target("note", notes, lambda: _log_seeds()[1:2]),
        Target("log", log_texts, _log_seeds),
        Target("tree-proof", tree_proofs, lambda: [bytes(8) + bytes(range(64)), (3).to_bytes(4, "big") + (9).to_bytes(4, "big") + bytes(128)]),
        Target("manifest", manifests, members_of("manifest"), json=True),
        Target("dataset-part", _json(dataset_parts), members_of("manifest"), json=True),
        Target("lineage", lineages, credentials, json=True),
        Target("policy", policies, lambda: [world().policy_toml().encode(), proving_self(world().policy_toml(), signer_of("me")).encode(), b"publisher AND (auditor OR regulator)", b'formatVersion = 1\n[[dataset]]\nbundle = "a.sigil.json"\ndata = "a"\n']),
        Target("licence", licences, texts("MIT", "MIT OR (Apache-2.0 AND CC-BY-4.0)", "GPL-2.0-or-later WITH Classpath-exception-2.0", "LicenseRef-x")),
        Target("model", models, lambda: [b'{"type":"TrainingReceipt","formatVersion":1}', b'{"type":"ModelCard","formatVersion":1}'], json=True),
        Target("url", _each(fetch.checked_url), texts("https://registry.example/a?b", "http://[::1]/", "https://u:p@h:22/%2e%2e")),
        Target("check", whole_check, bundles, json=True),
    )
}  # fmt: skip


@cache
def _p384() -> signing.LocalSigner:
    return signing.LocalSigner.generate("p384")


def _unsecured(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


def _presentations() -> Sequence[bytes]:
    given = json.loads((VECTORS / "credentials/presentations.json").read_bytes())
    return [canonical.jcs(document) for document in given.values()]


def _lists() -> Sequence[bytes]:
    return [canonical.jcs(one) for one in json.loads(bundles()[1])["statusLists"]]


def _handovers() -> Sequence[bytes]:
    before, after = (
        handover.RegistryName(
            signer_of(name).controller,
            f"https://{name}.example",
            f"{name}.example/log",
            str(vkey_of(f"{name}.example/log", signer_of(name))),
            str(vkey_of(f"{name}.example/log", signer_of(name), note.COSIGNATURE_V1)),
        )
        for name in ("old", "new")
    )
    return [
        canonical.jcs(
            handover.new_handover(
                before=before, after=after, tree_size=5, root="ab" * 32, reason="we close", created=AT
            )
        )
    ]


def _rotations() -> Sequence[bytes]:
    site = "did:web:web.example"
    publisher = Publisher("webco", signer_of("webco").as_method(f"{site}#key-1"), "https://web.example")
    return [canonical.jcs(world().rotation_request(publisher, signer_of("new").as_method(f"{site}#key-2")))]
