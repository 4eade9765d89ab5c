"""P: proofs. Every proof present verifies, by the issuer, for this purpose, in the one spelling."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from adversarial.stage import Build, Case, Given, Stage, after, case, text
from simulator import REMOVED, mutate, resign, signer_of, with_credential

from datasigil.credentials.keys import P256
from datasigil.credentials.presentation import new_presentation
from datasigil.encoding import base58_decode, multibase_encode
from datasigil.signing import LocalSigner, add_proof


def respelled(change: object) -> Build:
    """Write the same signature in another way."""

    def build(stage: Stage) -> Given:
        assert callable(change)
        value = stage.document["proof"]["proofValue"]
        return stage.given(stage.tampered("/proof/proofValue", change(value)))

    return build


def raw_signature(change: object) -> Build:
    """Change the 64 bytes of the signature."""

    def build(stage: Stage) -> Given:
        assert callable(change)
        value = base58_decode(stage.document["proof"]["proofValue"][1:])
        return stage.given(stage.tampered("/proof/proofValue", multibase_encode(change(value))))

    return build


ORDER = 2**252 + 27742317777372353535851937790883648493


def plus_order(value: bytes) -> bytes:
    """S + L: the same signature to a verifier that reduces S."""
    return value[:32] + (int.from_bytes(value[32:], "little") + ORDER).to_bytes(32, "little")


def options(**given: Any) -> Build:
    """Sign and log the baseline with other proof options."""
    return lambda stage: stage.given(stage.publish(stage.signed(stage.unsigned(), **given)))


DOMAIN = "https://registry.example"


def presentation(add: dict[str, Any] | None = None, holder: str = "", **options: Any) -> Build:
    """A presentation by the publisher, made with other options than the verifier asks for, or changed afterwards."""

    def build(stage: Stage) -> Given:
        signer = stage.world.publisher.signer
        document = new_presentation(holder or signer.controller, [stage.document])
        asked = {"purpose": "authentication", "challenge": "abc", "domain": DOMAIN, **options}
        signed_ = add_proof(document, signer, created=stage.now, **asked)
        return stage.given({**signed_, **(add or {})}, presented=("abc", DOMAIN))

    return build


def rdfc_as_jcs(stage: Stage) -> Given:
    """A proof over the RDF form, labelled as one over the JSON form."""
    from adversarial.group_c import rdfc

    return stage.given(stage.publish(mutate(rdfc(stage), "/proof/cryptosuite", "eddsa-jcs-2022")))


def by_other_key(stage: Stage) -> Given:
    """Right issuer, proof by another key under its own name."""
    mallory = stage.world.new_publisher("mallory")
    return stage.given(stage.publish(stage.signed(stage.unsigned(), mallory.signer)))


def under_trusted_name(stage: Stage) -> Given:
    """Right issuer, another key's signature under the trusted key's name."""
    mallory = signer_of("mallory").as_method(stage.world.publisher.signer.verification_method)
    return stage.given(stage.publish(stage.signed(stage.unsigned(), mallory)))


def self_consistent(stage: Stage) -> Given:
    """The attacker's own credential, right in every other way."""
    mallory = stage.world.new_publisher("mallory")
    return stage.given(stage.world.publish(stage.world.issue(publisher=mallory)))


def attacker_set(stage: Stage) -> Given:
    """A proof set: the attacker's valid proof, plus a trusted one over another document."""
    mallory = stage.world.new_publisher("mallory")
    document = stage.world.unsigned(stage.world.subject(), publisher=mallory)
    document = {**document, "issuer": stage.world.publisher.did}
    other = stage.document["proof"]
    forged = add_proof(document, mallory.signer, created=stage.now)
    return stage.given(stage.publish({**document, "proof": [forged["proof"], other]}))


def trusted_and_stranger(stage: Stage) -> Given:
    """A trusted proof over this document, with a stranger's valid proof beside it."""
    mallory = stage.world.new_publisher("mallory")
    document = stage.signed(stage.unsigned())
    return stage.given(stage.publish(add_proof(document, mallory.signer, created=stage.now)))


def second_is_bad(stage: Stage) -> Given:
    """Two proofs of the issuer, the second over something else."""
    document = stage.signed(stage.unsigned())
    other = {**stage.document["proof"], "id": "urn:x:2"}
    return stage.given(stage.publish({**document, "proof": [document["proof"], other]}))


def count(number: int) -> Build:
    """Many valid proofs."""

    def build(stage: Stage) -> Given:
        document = stage.signed(stage.unsigned())
        return stage.given(stage.publish({**document, "proof": [document["proof"]] * number}))

    return build


def only_authentication(stage: Stage) -> Given:
    """The key is listed under `authentication` alone in the DID document that the bundle presents."""
    from adversarial.group_k import web_policy, web_publisher

    publisher = web_publisher(stage)
    document = stage.world.issue(publisher=publisher)
    bundle = stage.world.publish(document)
    method = bundle.issuer_keys[0]
    described = {"id": publisher.did, "verificationMethod": [method], "authentication": [method["id"]]}
    from dataclasses import replace

    return stage.given(replace(bundle, issuer_keys=(described,)), policy=web_policy(stage, publisher))


def previous(named: str, change: str = "") -> Build:
    """A chain of two proofs of the issuer; the second builds on `named`, and the first may be changed afterwards."""

    def build(stage: Stage) -> Given:
        first = stage.signed(stage.unsigned(), proof_id="urn:x:1")
        second = add_proof(first, stage.world.publisher.signer, created=stage.now, previous_proof="urn:x:1")
        second = mutate(second, "/proof/1/previousProof", named)
        if change:
            second = mutate(second, "/proof/0/proofValue", change)
        return stage.given(stage.publish(second))

    return build


def ecdsa_label(stage: Stage) -> Given:
    """An Ed25519 proof labelled as ECDSA."""
    return stage.given(stage.tampered("/proof/cryptosuite", "ecdsa-jcs-2019"))


def wrong_kind(stage: Stage) -> Given:
    """An issuer whose did:key is P-256, with a proof labelled eddsa."""
    from simulator import Publisher

    signer = LocalSigner.generate(P256)
    publisher = Publisher("p256", signer, f"{stage.world.url}/status-lists/p256")
    stage.world.publishers[publisher.did] = publisher
    document = mutate(stage.world.issue(publisher=publisher), "/proof/cryptosuite", "eddsa-jcs-2022")
    return stage.given(stage.publish(document), policy=stage.world.policy_toml(publishers=(publisher,)))


def expired_proof(stage: Stage) -> Given:
    """A proof that said itself until when it stands."""
    return options(expires=stage.now - timedelta(seconds=1))(stage)


def swapped_proof(stage: Stage) -> Given:
    """The proof of one good credential on another."""
    other = stage.world.issue()
    return stage.given(with_credential(stage.bundle, {**stage.document, "proof": other["proof"]}))


def unsigned(stage: Stage) -> Given:
    """Logged without any proof."""
    return stage.given(stage.publish(stage.unsigned()))


def forged_status_list(stage: Stage) -> Given:
    """The issuer signs the list that it consented the registry to sign."""
    from dataclasses import replace

    lists = list(stage.bundle.status_lists)
    lists[0] = resign(lists[0], stage.world.publisher.signer, stage.now)
    return stage.given(replace(stage.bundle, status_lists=tuple(lists)))


JWS = {"jws": "eyJhbGciOiJFZERTQSIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0IiwieCJdfQ..AAAA", "type": "Ed25519Signature2018"}

CASES: list[Case] = [
    case("P01", "/proof absent", "INVALID:PROOF_MISSING", after("/proof", REMOVED)),
    case("P01", "/proof never made", "INVALID:PROOF_MISSING", unsigned),
    case("P02", "/proof []", "INVALID:PROOF_MISSING", after("/proof", [])),
    case("P02", "/proof {}", "INVALID:UNSUPPORTED", after("/proof", {})),
    case("P02", "/proof as text", "INVALID:SCHEMA", after("/proof", "z123")),
    case("P02", "/proof with text in it", "INVALID:PROOF", after("/proof", ["z123"])),
    case("P02", "/proof with an array in it", "INVALID:PROOF", after("/proof", [[]])),
    case("P03", "/proof null", "INVALID:NULL", after("/proof", None)),
    case("P08", "/proof/proofValue in base64url (u)", "INVALID:ENCODING", respelled(lambda value: "u" + base64.urlsafe_b64encode(base58_decode(value[1:])).decode().rstrip("="))),
    case("P08", "/proof/proofValue without prefix", "INVALID:ENCODING", respelled(lambda value: value[1:] if not value[1:].startswith("z") else "!" + value[1:])),
    case("P08", "/proof/proofValue with spaces around", "INVALID:ENCODING", respelled(lambda value: f" {value} ")),
    case("P08", "/proof/proofValue with a space at its end", "INVALID:ENCODING", respelled(lambda value: f"{value} ")),
    case("P08", "/proof/proofValue with a newline inside", "INVALID:ENCODING", respelled(lambda value: f"{value[:20]}\n{value[20:]}")),
    case("P08", "/proof/proofValue with the character 0", "INVALID:ENCODING", respelled(lambda value: value[:5] + "0" + value[6:])),
    case("P08", "/proof/proofValue with the character l", "INVALID:ENCODING", respelled(lambda value: value[:5] + "l" + value[6:])),
    case("P08", "/proof/proofValue in full-width letters", "INVALID:ENCODING", respelled(lambda value: value[:5] + "\uff21" + value[6:])),
    case("P08", "/proof/proofValue in upper-case Z", "INVALID:ENCODING", respelled(lambda value: "Z" + value[1:])),
    case("P08", "/proof/proofValue of 2,000 characters", "INVALID:ENCODING", respelled(lambda value: value + "1" * 2000)),
    case("P08", "/proof/proofValue empty", "INVALID:ENCODING", respelled(lambda _: "")),
    case("P08", "/proof/proofValue as a number", "INVALID:PROOF", respelled(lambda _: 7)),
    case("P08", "/proof/proofValue with a leading zero byte", "INVALID:SIGNATURE", respelled(lambda value: "z1" + value[1:])),
    case("P09", "signature of 63 bytes", "INVALID:SIGNATURE", raw_signature(lambda value: value[:63])),
    case("P09", "signature of 65 bytes", "INVALID:SIGNATURE", raw_signature(lambda value: value + b"\0")),
    case("P09", "signature of no bytes", "INVALID:SIGNATURE", raw_signature(lambda _: b"")),
    case("P09", "signature with S + L", "INVALID:SIGNATURE", raw_signature(plus_order)),
    case("P09", "signature with S = 0", "INVALID:SIGNATURE", raw_signature(lambda value: value[:32] + bytes(32))),
    case("P09", "signature with R of small order", "INVALID:SIGNATURE", raw_signature(lambda value: b"\x01" + bytes(31) + value[32:])),
    case("P09", "signature with R not canonical", "INVALID:SIGNATURE", raw_signature(lambda value: b"\xff" * 32 + value[32:])),
    case("P09", "signature of zeros", "INVALID:SIGNATURE", raw_signature(lambda _: bytes(64))),
    case("P09", "signature with one bit of R flipped", "INVALID:SIGNATURE", raw_signature(lambda value: bytes([value[0] ^ 1]) + value[1:])),
    case("P09", "signature with one bit of S flipped", "INVALID:SIGNATURE", raw_signature(lambda value: value[:32] + bytes([value[32] ^ 1]) + value[33:])),
    case("P11", "key listed under authentication alone", "INVALID:RELATIONSHIP", only_authentication),
    case("P11", "/proof/proofPurpose authentication", "INVALID:PURPOSE", options(purpose="authentication")),
    case("P11", "/proof/proofPurpose capabilityInvocation", "INVALID:PURPOSE", options(purpose="capabilityInvocation")),
    case("P11", "/proof/proofPurpose of nobody", "INVALID:PURPOSE", options(purpose="assertion")),
    case("P11", "/proof/proofPurpose as an IRI", "INVALID:PURPOSE", options(purpose="https://w3id.org/security#assertionMethod")),
    case("P11", "/proof/proofPurpose changed after signing", "INVALID:PURPOSE", after("/proof/proofPurpose", "authentication")),
    case("P11", "/proof/proofPurpose absent", "INVALID:PROOF", after("/proof/proofPurpose", REMOVED)),
    case("P11", "/proof/proofPurpose as an array", "INVALID:PROOF", after("/proof/proofPurpose", ["assertionMethod"])),
    case("P15", "/proof/cryptosuite jcs to rdfc", "INVALID:SIGNATURE", after("/proof/cryptosuite", "eddsa-rdfc-2022")),
    case("P15", "/proof/cryptosuite rdfc to jcs", "INVALID:SIGNATURE", rdfc_as_jcs),
    case("P15", "/proof/cryptosuite to ecdsa", "INVALID:KEY_TYPE", ecdsa_label),
    case("P15", "/proof/cryptosuite that nobody knows", "INVALID:UNSUPPORTED", after("/proof/cryptosuite", "eddsa-jcs-2025")),
    case("P15", "/proof/cryptosuite none", "INVALID:UNSUPPORTED", after("/proof/cryptosuite", "none")),
    case("P15", "/proof/cryptosuite with another case", "INVALID:UNSUPPORTED", after("/proof/cryptosuite", "EdDSA-JCS-2022")),
    case("P15", "/proof/cryptosuite absent", "INVALID:PROOF", after("/proof/cryptosuite", REMOVED)),
    case("P15", "/proof/type of the past", "INVALID:UNSUPPORTED", after("/proof/type", "Ed25519Signature2020")),
    case("P15", "/proof/type absent", "INVALID:UNSUPPORTED", after("/proof/type", REMOVED)),
    case("P15", "/proof/type as an array", "INVALID:UNSUPPORTED", after("/proof/type", ["DataIntegrityProof"])),
    case("P19", "/issuer and key of an attacker", "INVALID:UNTRUSTED_ISSUER", self_consistent),
    case("P19", "/proof by another key, under its own name", "INVALID:ISSUER_MISMATCH", by_other_key),
    case("P19", "/proof by another key, under the trusted name", "INVALID:SIGNATURE", under_trusted_name),
    case("P19", "/proof of another credential", "INVALID:SIGNATURE", swapped_proof),
    case("P22", "/proof set of attacker and of another document", "INVALID:ISSUER_MISMATCH", attacker_set),
    case("P22", "/proof set of issuer and of a stranger", "INVALID:ISSUER_MISMATCH", trusted_and_stranger),
    case("P22", "/proof set whose second is of another document", "INVALID:SIGNATURE", second_is_bad),
    case("P27", "/proof x 100", "INVALID:LIMIT", count(100)),
    case("P27", "/proof x 9", "INVALID:LIMIT", count(9)),
    case("P30", "/proof/domain that nobody expected", "INVALID:DOMAIN", options(domain="https://verifier.example")),
    case("P30", "/proof/challenge that nobody expected", "INVALID:DOMAIN", options(challenge="abc")),
    case("P30", "/proof/domain as a number", "INVALID:PROOF", after("/proof/domain", 7)),
    case("P30", "/proof/domain empty", "INVALID:PROOF", after("/proof/domain", [])),
    case("P30", "/proof/challenge as a number", "INVALID:PROOF", after("/proof/challenge", 7)),
    case("P31", "presentation for another domain", "INVALID:DOMAIN", presentation(domain="https://other.example")),
    case("P31", "presentation for no domain", "INVALID:DOMAIN", presentation(domain=None)),
    case("P31", "presentation that answers another challenge", "INVALID:CHALLENGE", presentation(challenge="xyz")),
    case("P31", "presentation that answers none", "INVALID:CHALLENGE", presentation(challenge=None)),
    case("P31", "presentation signed as an assertion", "INVALID:PURPOSE", presentation(purpose="assertionMethod")),
    case("P31", "presentation of another holder", "INVALID:ISSUER_MISMATCH", presentation(holder="did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")),
    case("P31", "presentation changed after signing", "INVALID:SIGNATURE", presentation(add={"id": "urn:example:1"})),
    case("P35", "/credentialSubject/proof", "INVALID:UNKNOWN_PROPERTY", lambda stage: stage.given(stage.reissued("/credentialSubject/proof", stage.document["proof"]))),
    case("P35", "/proof/trusted", "INVALID:UNKNOWN_PROPERTY", after("/proof/trusted", True)),
    case("P35", "/proof/proof", "INVALID:UNKNOWN_PROPERTY", lambda stage: after("/proof/proof", stage.document["proof"])(stage)),
    case("P35", "/proof/verificationMethod embedded", "INVALID:PROOF", lambda stage: after("/proof/verificationMethod", stage.bundle.issuer_keys[0])(stage)),
    case("P35", "/proof/verificationMethod without fragment", "INVALID:DID", lambda stage: after("/proof/verificationMethod", stage.world.publisher.did)(stage)),
    case("P35", "/proof/verificationMethod of another fragment", "INVALID:KEY_UNKNOWN", lambda stage: after("/proof/verificationMethod", stage.world.publisher.did + "#key-1")(stage)),
    case("P35", "/proof/verificationMethod with a query", "INVALID:DID", lambda stage: after("/proof/verificationMethod", stage.world.publisher.did + "?versionId=1#z")(stage)),
    case("P35", "/proof/verificationMethod on the web", "INVALID:DID", after("/proof/verificationMethod", "https://evil.example/key#1")),
    case("P35", "/proof/verificationMethod absent", "INVALID:PROOF", after("/proof/verificationMethod", REMOVED)),
    case("P38", "/proof with a detached JWS and unknown crit", "INVALID:UNSUPPORTED", after("/proof", JWS)),
    case("P38", "/proof/jws beside proofValue", "INVALID:UNSUPPORTED", after("/proof/jws", "a..b")),
    case("P38", "/proof/jwt alg none", "INVALID:UNSUPPORTED", after("/proof", {"type": "JwtProof2020", "jwt": "eyJhbGciOiJub25lIn0.e30."})),
    case("P41", "/proof/created absent", "INVALID:PROOF", after("/proof/created", REMOVED)),
    case("P41", "/proof/created changed", "INVALID:SIGNATURE", after("/proof/created", "2020-01-01T00:00:00Z")),
    case("P41", "/proof/created soon", "INVALID:TIMESTAMP", after("/proof/created", "soon")),
    case("P41", "/proof/created with an offset", "INVALID:TIMESTAMP", after("/proof/created", "2026-11-02T10:30:00+01:00")),
    case("P41", "/proof/created as a number", "INVALID:TIMESTAMP", after("/proof/created", 1793611800)),
    case("P41", "/proof/expires a second ago", "INVALID:PROOF_EXPIRED", expired_proof),
    case("P41", "/proof/expires added later", "INVALID:SIGNATURE", after("/proof/expires", "2036-01-01T00:00:00Z")),
    case("P41", "/proof/nonce as an object", "INVALID:PROOF", after("/proof/nonce", {})),
    case("P44", "/proof/1/previousProof that is not there", "INVALID:PREVIOUS_PROOF", previous("urn:x:9")),
    case("P44", "/proof/1/previousProof as a number", "INVALID:PROOF", previous(7)),  # type: ignore[arg-type]  # the case is that it is none
    case("P44", "/proof/0/proofValue, on which the second builds, respelled", "INVALID:SIGNATURE", previous("urn:x:1", "z" + "2" * 86)),
    case("P44", "/proof with one id twice", "INVALID:PROOF", lambda stage: stage.given(stage.tampered("/proof", [{**stage.document["proof"], "id": "urn:x:1"}] * 2))),
    case("K02", "eddsa proof by an issuer whose key is P-256", "INVALID:KEY_TYPE", wrong_kind),
    case("P50", "status list signed by the issuer instead of the registry", "INVALID:ISSUER_MISMATCH", forged_status_list),
    case("P50", "status list without proof", "INVALID:PROOF_MISSING", lambda stage: stage.given(mutate(stage.bundle.document(), "/statusLists/0/proof", REMOVED))),
    case("P50", "status list changed after signing", "INVALID:SIGNATURE", lambda stage: stage.given(mutate(stage.bundle.document(), "/statusLists/0/validUntil", "2036-01-01T00:00:00Z"))),
    case("P53", "a byte order mark inside the issuer", "INVALID:SCHEMA", text('"issuer":"did:key', '"issuer":"\\ufeffdid:key')),
]  # fmt: skip
