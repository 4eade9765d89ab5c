"""C: contexts and canonicalisation. Nothing is decided on an RDF proof before the closed schema has been met."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adversarial.stage import REMOVED, Build, Case, Given, Stage, case, signed
from simulator import mutate

from datasigil.bundle import Bundle
from datasigil.credentials import contexts
from datasigil.credentials.rdf import canonicalize

V2 = "https://www.w3.org/ns/credentials/v2"
OURS = "https://w3id.org/datasigil/v1"
RDFC = "eddsa-rdfc-2022"


def in_process(document: Any, hash_name: str) -> bytes:
    """Canonicalise without a subprocess: the document is our own."""
    return canonicalize(document, hash_name)


def rdfc(stage: Stage) -> dict[str, Any]:
    """The baseline signed with eddsa-rdfc-2022."""
    return stage.signed(stage.unsigned(), cryptosuite=RDFC, canonicalize=in_process)


def after_rdfc(pointer: str, value: Any) -> Build:
    """Change the RDF-signed baseline after signing: what the canonical form drops, the proof does not cover."""
    return lambda stage: stage.given(stage.publish(mutate(rdfc(stage), pointer, value)))


def keywords(stage: Stage) -> Given:
    """`@id` and `@type` in the place of `id` and `type`: the same canonical form, and so the same proof."""
    document = rdfc(stage)
    document = {{"id": "@id", "type": "@type"}.get(name, name): value for name, value in document.items()}
    return stage.given(stage.publish(document))


def keyword_in_subject(stage: Stage) -> Given:
    """The same trick one level down."""
    document = rdfc(stage)
    subject = {("@id" if name == "id" else name): value for name, value in document["credentialSubject"].items()}
    return stage.given(stage.publish({**document, "credentialSubject": subject}))


def foreign(subject: dict[str, Any], **changes: Any) -> Build:
    """A credential of no profile of ours, with an RDF proof of somebody."""

    def build(stage: Stage) -> Given:
        document = {
            "@context": [V2],
            "type": ["VerifiableCredential"],
            "issuer": stage.world.publisher.did,
            "credentialSubject": subject,
            **changes,
        }
        return stage.given(Bundle(stage.signed(document)))

    return build


def ring(stage: Stage) -> Given:
    """200 blank nodes in a ring, signed by somebody: canonicalising it would take for ever."""
    nodes = [{"id": f"_:b{n}", "relatedResource": {"id": f"_:b{(n + 1) % 200}"}} for n in range(200)]
    document = {
        "@context": [V2, "https://www.w3.org/ns/credentials/undefined-terms/v2"],
        "type": ["VerifiableCredential"],
        "issuer": stage.world.publisher.did,
        "credentialSubject": nodes,
    }
    proof = {**rdfc(stage)["proof"]}
    return stage.given({**document, "proof": proof})


@contextmanager
def altered(name: str, change: bytes | None) -> Iterator[None]:
    """An installation in which one context file was changed (or is gone)."""
    with TemporaryDirectory(prefix="datasigil-contexts-") as folder:
        target = Path(folder) / "contexts"
        target.mkdir()
        for file in (contexts.SCHEMAS_FOLDER / "contexts").iterdir():
            if file.name != name:
                (target / file.name).write_bytes(file.read_bytes())
            elif change is not None:
                (target / file.name).write_bytes(file.read_bytes() + change)
        original, contexts.SCHEMAS_FOLDER = contexts.SCHEMAS_FOLDER, Path(folder)
        contexts.context_bytes.cache_clear()
        try:
            yield
        finally:
            contexts.SCHEMAS_FOLDER = original
            contexts.context_bytes.cache_clear()


def installation(name: str, change: bytes | None) -> Build:
    """The baseline, checked by a damaged installation."""
    return lambda stage: stage.given(around=lambda: altered(name, change))


def extended_after(stage: Stage) -> Given:
    """The document's contexts extended after signing, the proof's context being a prefix."""
    return stage.given(
        stage.publish(mutate(stage.document, "/@context/-", "https://w3id.org/security/data-integrity/v2"))
    )


def proof_context(value: Any) -> Build:
    """The proof says that it was made under other contexts."""
    return lambda stage: stage.given(stage.publish(mutate(stage.document, "/proof/@context", value)))


CASES: list[Case] = [
    case("C01", "/@context with an inline term", "INVALID:CONTEXT", signed("/@context/-", {"licence": "https://evil.example/x"})),
    case("C01", "/@context with an inline term in the first place", "INVALID:CONTEXT", signed("/@context", [{"issuer": "https://evil.example/x"}, V2, OURS])),
    case("C01", "/@context that redefines a protected term", "INVALID:CONTEXT", signed("/@context/-", {"@protected": True, "issuer": {"@id": "https://evil.example/x"}})),
    case("C04", "/@context with v2 in the second place", "INVALID:CONTEXT", signed("/@context", [OURS, V2])),
    case("C04", "/@context with v2 twice", "INVALID:CONTEXT", signed("/@context", [V2, V2, OURS])),
    case("C04", "/@context with ours missing", "INVALID:CONTEXT", signed("/@context", [V2])),
    case("C04", "/@context with v2 missing", "INVALID:CONTEXT", signed("/@context", [OURS])),
    case("C04", "/@context as text", "INVALID:CONTEXT", signed("/@context", OURS)),
    case("C04", "/@context empty", "INVALID:CONTEXT", signed("/@context", [])),
    case("C04", "/@context absent", "INVALID:CONTEXT", signed("/@context", REMOVED)),
    case("C04", "/@context of VC 1.1", "INVALID:CONTEXT", signed("/@context/0", "https://www.w3.org/2018/credentials/v1")),
    case("C04", "/@context with a slash at its end", "INVALID:CONTEXT", signed("/@context/1", OURS + "/")),
    case("C04", "/@context with a fragment", "INVALID:CONTEXT", signed("/@context/1", OURS + "#")),
    case("C04", "/@context over http", "INVALID:CONTEXT", signed("/@context/1", OURS.replace("https", "http"))),
    case("C04", "/@context in capitals", "INVALID:CONTEXT", signed("/@context/1", OURS.replace("w3id", "W3ID"))),
    case("C04", "/@context nested in an array", "INVALID:CONTEXT", signed("/@context", [[V2, OURS]])),
    case("C04", "/@context of a stranger besides", "INVALID:CONTEXT", signed("/@context/-", "https://evil.example/context")),
    case("C04", "/@context of this machine besides", "INVALID:CONTEXT", signed("/@context/-", "file:///etc/passwd")),
    case("C07", "/credentialSubject/@context null", "INVALID:NULL", lambda stage: stage.given(stage.text().replace('"credentialSubject":{', '"credentialSubject":{"@context":null,', 1))),
    case("C07", "/credentialSubject/@context of its own", "INVALID:CONTEXT", signed("/credentialSubject/@context", {"name": "https://evil.example/x"})),
    case("C07", "/credentialSubject/license/@context of its own", "INVALID:CONTEXT", signed("/credentialSubject/license/@context", {"expression": "https://evil.example/x"})),
    case("C10", "/credentialSubject with an undefined term when signed (rdfc)", "INVALID:DATA_LOSS", after_rdfc("/credentialSubject/warranty", "none")),
    case("C10", "/warranty, an undefined term (rdfc)", "INVALID:DATA_LOSS", after_rdfc("/warranty", "none")),
    case("C10", "foreign credential with an undefined term (jcs)", "INDET:NOT_DATASET_PROFILE", foreign({"warranty": "none"})),
    case("C13", "@id and @type for id and type (rdfc)", "INVALID:KEYWORD", keywords),
    case("C13", "@id in the subject (rdfc)", "INVALID:KEYWORD", keyword_in_subject),
    case("C13", "/@type beside type", "INVALID:KEYWORD", signed("/@type", ["VerifiableCredential"])),
    case("C13", "/@graph", "INVALID:KEYWORD", signed("/@graph", [])),
    case("C13", "/@reverse", "INVALID:KEYWORD", signed("/@reverse", {})),
    case("C13", "/credentialSubject/@index", "INVALID:KEYWORD", signed("/credentialSubject/@index", "x")),
    case("C13", "/credentialSubject/name/@value", "INVALID:SCHEMA", signed("/credentialSubject/name", {"@value": "Contract clauses"})),
    case("C13", "/credentialSubject/name with a language", "INVALID:SCHEMA", signed("/credentialSubject/name", {"@value": "x", "@language": "en"})),
    case("C16", "/@context with an inline @base", "INVALID:CONTEXT", signed("/@context/-", {"@base": "https://evil.example/"})),
    case("C16", "/@context with an inline @vocab", "INVALID:CONTEXT", signed("/@context/-", {"@vocab": "https://evil.example/"})),
    case("C16", "/@context with an inline @import", "INVALID:CONTEXT", signed("/@context/-", {"@import": "https://evil.example/"})),
    case("C16", "/@context with @propagate", "INVALID:CONTEXT", signed("/@context/-", {"@propagate": False})),
    case("C19", "installed context of W3C with one space more", "exit 2:CONTEXT_ALTERED", installation("credentials-v2.jsonld", b" ")),
    case("C19", "installed context of ours with one space more", "exit 2:CONTEXT_ALTERED", installation("datasigil-v1.jsonld", b" ")),
    case("C19", "installed context of ours gone", "exit 2:CONTEXT_ALTERED", installation("datasigil-v1.jsonld", None)),
    case("C22", "/credentialSubject/qualityMeasurement/0/value as a number (rdfc)", "INVALID:NUMBER", after_rdfc("/credentialSubject/qualityMeasurement", [{"metric": "completeness", "value": 0.30000000000000004, "method": "counted", "assurance": "computed"}])),
    case("C22", "/credentialSubject/manifest/byteSize as 302.0 (rdfc)", "INVALID:NUMBER", after_rdfc("/credentialSubject/manifest/byteSize", 302.0)),
    case("C25", "blank nodes in a ring", "INVALID:LIMIT", ring),
    case("C28", "/@context extended after signing (jcs)", "INVALID:CONTEXT", extended_after),
    case("C28", "/proof/@context a prefix of the document's", "INVALID:CONTEXT", proof_context([V2])),
    case("C28", "/proof/@context in the other order", "INVALID:CONTEXT", proof_context([OURS, V2])),
    case("C28", "/proof/@context longer than the document's", "INVALID:CONTEXT", proof_context([V2, OURS, V2])),
    case("C28", "/proof/@context absent", "INVALID:SIGNATURE", proof_context(REMOVED)),
    case("C31", "/credentialSubject/name changed after signing (rdfc)", "INVALID:SIGNATURE", after_rdfc("/credentialSubject/name", "Other")),
    case("C31", "/credentialSubject/manifest/ignored added after signing (rdfc)", "INVALID:SIGNATURE", after_rdfc("/credentialSubject/manifest/ignored", [".datasigil/", "secret/"])),
]  # fmt: skip
