"""Bad input over HTTP, case by case: groups A, N, S and L of the threat list, and their neighbours J, M, C, P, K and T.

Here: one table. Each row is one request (or one document, re-signed after the change, so that only the named check can refuse it) with the
status, the reason code and the place that the answer must name. Every row also shows that the answer is a problem (RFC 9457) with a request id,
that nothing of what was sent comes back, that nothing was opened on the network, and that log and credentials are as before. Not here: what
every endpoint does alike with every body (`test_http_habits.py`), and resolved addresses (`test_did_web.py`, `test_notifications.py`).
"""

import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from simulator import NOW, signer_of
from sqlalchemy import func, select
from starlette.testclient import TestClient

from datasigil.credentials.status_list import new_status_list_credential
from datasigil.merkle import leaf_hash
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.checkpoint import EMPTY_ROOT, Checkpoint, sign_checkpoint
from datasigil.transparency.note import new_vkey
from datasigil.transparency.proofs import AddCheckpoint
from datasigil.transparency.tiles import MemoryTileStore, TileTree
from service.app import create_app
from service.settings import Settings
from service.tables import core_table
from service.witnessing.app import create_witness_app
from service.witnessing.witness import Witness

CANARY = "c4nary-7d1e"
JSON_TYPE = {"Content-Type": "application/json"}
CASES_MIN = 200
KEPT = ("credential", "status_change", "status_list", "publisher", "token", "webhook", "workload_identity")


@dataclass(frozen=True)
class Case:
    """One row: what is sent, and what must come back."""

    name: str
    send: Callable[[Any], Any]
    status: int
    code: str = ""
    place: str = ""


CASES: list[Case] = []


def case(name: str, status: int, code: str, send: Callable[[Any], Any], place: str = "") -> None:
    CASES.append(Case(name, send, status, code, place))


# A. Who may do what ---------------------------------------------------------------------------------------------------

PROTECTED = [
    ("POST", "/credentials"), ("GET", "/tokens"), ("DELETE", "/tokens/abc"), ("POST", "/status-lists"), ("POST", "/credentials/issue"),
    ("GET", "/webhooks"), ("POST", "/webhooks"), ("DELETE", "/webhooks/abc"), ("GET", "/webhooks/abc/dead-letters"),
    ("POST", "/webhooks/abc/dead-letters/1"), ("GET", "/audit-trail"), ("GET", "/audit-trail/anchors"), ("GET", "/workload-identities"),
    ("POST", "/workload-identities"), ("DELETE", "/workload-identities/abc"),
]  # fmt: skip
NO_AUTHORITY = {
    "A01 no token": lambda desk: {},
    "A02 a wrong token": lambda desk: {"Authorization": "Bearer dsr_" + "A" * 43},
    "A02 another scheme": lambda desk: {"Authorization": f"Basic {CANARY}"},
    "A03 a revoked token": lambda desk: {"Authorization": f"Bearer {desk.revoked_token}"},
    "A04 an expired token": lambda desk: {"Authorization": f"Bearer {desk.expired_token}"},
}
for method, path in PROTECTED:
    for name, headers in NO_AUTHORITY.items():
        case(
            f"{name}: {method} {path}",
            401,
            "UNAUTHENTICATED",
            lambda desk, method=method, path=path, headers=headers: desk.http.request(
                method, path, headers={**JSON_TYPE, **headers(desk)}, content=b"{}" if method == "POST" else None
            ),
        )

case(
    "another's token is not deleted",
    404,
    "NOT_FOUND",
    lambda desk: desk.other.call("DELETE", f"/tokens/{desk.publisher.reply['id']}"),
)
case(
    "another's webhook is not deleted",
    404,
    "NOT_FOUND",
    lambda desk: desk.other.call("DELETE", f"/webhooks/{desk.webhook}"),
)
case(
    "another's dead letters",
    404,
    "NOT_FOUND",
    lambda desk: desk.other.call("GET", f"/webhooks/{desk.webhook}/dead-letters"),
)
case(
    "another's dead letter revived",
    404,
    "NOT_FOUND",
    lambda desk: desk.other.call("POST", f"/webhooks/{desk.webhook}/dead-letters/1"),
)
case(
    "another's name as issuer",
    403,
    "NOT_YOURS",
    lambda desk: desk.other.post(desk.publisher.issue()),
    "/credential/issuer",
)
case("the trail is not for publishers", 403, "FORBIDDEN", lambda desk: desk.publisher.call("GET", "/audit-trail"))
case(
    "the hosted key is not for publishers",
    403,
    "SCOPE_MISSING",
    lambda desk: desk.publisher.call("POST", "/credentials/issue", {"credential": {}}),
)
case("a token for status does not publish", 403, "SCOPE_MISSING", lambda desk: desk.narrow.post(desk.publisher.issue()))
case(
    "a token for status makes no list",
    403,
    "SCOPE_MISSING",
    lambda desk: desk.narrow.call("POST", "/status-lists", {"statusPurpose": "revocation"}),
)

# A11: members that nobody may set
for member in ("issuer", "id", "statusListIndex", "proof", "is_admin", "approved"):
    case(
        f"A11 {member} beside the credential", 422, "UNKNOWN_PROPERTY",
        lambda desk, member=member: desk.publisher.post(desk.publisher.issue(), **{member: CANARY}), f"/{member}",
    )  # fmt: skip
for member in ("role", "did", "publisher_id", "secret_hash", "is_admin"):
    case(
        f"A11 {member} in a login", 422, "UNKNOWN_PROPERTY",
        lambda desk, member=member: desk.json("/tokens", {"verifiablePresentation": {}, member: CANARY}), f"/{member}",
    )  # fmt: skip
for member in ("publisher_id", "id", "state", "created_at"):
    case(
        f"A11 {member} in a webhook", 422, "UNKNOWN_PROPERTY",
        lambda desk, member=member: desk.publisher.call("POST", "/webhooks", {"url": "https://hook.example/", member: CANARY}), f"/{member}",
    )  # fmt: skip
for member in ("publisher_id", "role"):
    body = {"issuer": "https://ci.example", "subject": "repo:a", member: CANARY}
    case(
        f"A11 {member} in an identity", 422, "UNKNOWN_PROPERTY",
        lambda desk, body=body: desk.publisher.call("POST", "/workload-identities", body), f"/{member}",
    )  # fmt: skip
case("A11 is_admin where VCALM is spoken", 400, "UNKNOWN_PROPERTY",
     lambda desk: desk.json("/credentials/verify", {"verifiableCredential": {}, "is_admin": True}), "/is_admin")  # fmt: skip

# A15-A17, A40: sizes and media types
for path in ("/credentials", "/credentials/status", "/tokens", "/webhooks", "/credentials/verify"):
    for name, headers, status, code in (
        ("A40 a form", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "CONTENT_TYPE"),
        ("text", {"Content-Type": "text/plain"}, 415, "CONTENT_TYPE"),
        ("A17 gzip", {**JSON_TYPE, "Content-Encoding": "gzip"}, 415, "CONTENT_ENCODING"),
        ("utf-16", {"Content-Type": "application/json; charset=utf-16"}, 415, "CONTENT_TYPE"),
        ("A15 too large", JSON_TYPE, 413, "BODY_TOO_LARGE"),
    ):
        content = b" " * (1024 * 1024 + 1) if status == 413 else CANARY.encode()
        case(f"{name} for {path}", status, code,
             lambda desk, path=path, headers=headers, content=content: desk.publisher.raw(path, content, headers))  # fmt: skip

# A46: pages
for path in ("/credentials", "/models", "/publishers", "/credentials/{id}/impact"):
    for value in ("1000000000", "-1", "0", "abc", "1e3", "5.0", "", "9" * 400):
        case(f"A46 limit={value[:12]!r} of {path}", 400, "BAD_PARAMETER",
             lambda desk, path=path, value=value: desk.get(path, limit=value), "/query/limit")  # fmt: skip
    for name in ("junk", "tampered", "long", "of another query"):
        case(f"A46 a {name} cursor of {path}", 400, "BAD_PARAMETER" if name == "long" else "BAD_CURSOR",
             lambda desk, path=path, name=name: desk.get(path, cursor=desk.cursor(name)), "/query/cursor" if name == "long" else "/cursor")  # fmt: skip
for query in ("type=A&type=B", "limit=1&limit=2", "q=%00"):
    case(f"a query of {query}", 400, "BAD_PARAMETER", lambda desk, query=query: desk.http.get(f"/credentials?{query}"))
for name, query in {
    "status": "status=gone",
    "use": "use=%22",
    "regulation": "regulation=GDPR!",
    "issuedFrom": "issuedFrom=soon",
}.items():
    case(
        f"a search by a bad {name}",
        400,
        "",
        lambda desk, query=query: desk.http.get(f"/credentials?{query}"),
        f"/query/{name}",
    )
for value in ("", "abc", "g" * 64, "A" * 64, "0" * 63, "0" * 65, "sha256:" + "0" * 64):
    case(
        f"lookup of {value[:10]!r} in {len(value)}",
        400,
        "BAD_PARAMETER",
        lambda desk, value=value: desk.get("/lookup", sha256=value),
        "/query/sha256",
    )

# A33-A35, S: requests that change a status ----------------------------------------------------------------------------

case(
    "A34 a revocation is taken back",
    409,
    "ALREADY_REVOKED",
    lambda desk: desk.change(desk.gone, value=False, unchecked=True),
    "/value",
)
case(
    "A35 an unknown credential",
    404,
    "NOT_FOUND",
    lambda desk: desk.change({**desk.good, "id": f"urn:uuid:{CANARY}"}),
    "/credentialId",
)
case("a request by another publisher", 403, "NOT_YOURS", lambda desk: desk.change(desk.good, by=desk.other), "/issuer")
case(
    "a request about another version",
    422,
    "OTHER_CREDENTIAL",
    lambda desk: desk.change(desk.good, credentialDigest="0" * 64),
    "/credentialDigest",
)
case(
    "a request of last month",
    422,
    "REQUEST_TIME",
    lambda desk: desk.change(desk.good, created="2026-01-01T00:00:00Z"),
    "/created",
)
case(
    "a request of tomorrow",
    422,
    "REQUEST_TIME",
    lambda desk: desk.change(desk.good, created="2027-01-01T00:00:00Z"),
    "/created",
)
for member, value, code in (
    ("type", "Other", "TYPE"), ("formatVersion", 2, "SCHEMA"), ("formatVersion", True, "SCHEMA"), ("statusPurpose", "message", "SCHEMA"),
    ("value", "true", "SCHEMA"), ("value", 1, "SCHEMA"), ("reason", "", "SCHEMA"), ("reason", "a\u001bb", "SCHEMA"), ("reason", "x" * 30_000, "SCHEMA"),
    ("created", "soon", "SCHEMA"), ("created", "2026-02-30T00:00:00Z", "SCHEMA"), ("nonce", "x", "SCHEMA"), ("credentialDigest", "abc", "SCHEMA"),
    ("issuer", "not a did", "SCHEMA"), ("credentialId", "no uri", "SCHEMA"), ("@context", [], "CONTEXT"), ("is_admin", CANARY, "UNKNOWN_PROPERTY"),
):  # fmt: skip
    case(f"S a request with {member} {str(value)[:8]!r}", 422, code,
         lambda desk, member=member, value=value: desk.change(desk.good, unchecked=True, **{member: value}), f"/{member}")  # fmt: skip
for name, proof, code in (
    ("no proof", None, "PROOF_MISSING"), ("proof []", [], "PROOF_MISSING"), ("proof of text", CANARY, ""), ("nine proofs", [{}] * 9, ""),
):  # fmt: skip
    case(f"S a request with {name}", 422, code, lambda desk, proof=proof: desk.change_with_proof(proof), "/proof")
case(
    "S a request signed with another key",
    422,
    "",
    lambda desk: desk.change(desk.good, signer=signer_of("mallory")),
    "/proof",
)
case("S a request whose reason was changed", 422, "SIGNATURE", lambda desk: desk.altered_request())

# S10 and its neighbours: status entries of credentials, re-signed ------------------------------------------------------

for value in ("-1", "007", "1e3", " 5", "٣", "5.0", "18446744073709551621", 5, "", "0x10"):
    case(
        f"S10 index {value!r}",
        422,
        "",
        lambda desk, value=value: desk.status_entry(statusListIndex=value),
        "/credential/credentialStatus/0/statusListIndex",
    )
case(
    "S an index past the list",
    422,
    "",
    lambda desk: desk.status_entry(statusListIndex="131072"),
    "/credential/credentialStatus/0/statusListIndex",
)
case(
    "S an index that is taken",
    409,
    "STATUS_INDEX_TAKEN",
    lambda desk: desk.status_entry(statusListIndex=desk.good["credentialStatus"][0]["statusListIndex"]),
)
case(
    "S another publisher's list",
    422,
    "",
    lambda desk: desk.status_entry(statusListCredential=desk.other.reply["statusLists"]["revocation"]),
    "/credential/credentialStatus/0",
)
case(
    "S the list of the other purpose",
    422,
    "",
    lambda desk: desk.status_entry(statusListCredential=desk.publisher.reply["statusLists"]["suspension"]),
    "/credential/credentialStatus/0",
)
case(
    "S a signer that is not the registry",
    422,
    "",
    lambda desk: desk.status_entry(statusIssuer=desk.publisher.did),
    "/credential/credentialStatus/0",
)
case(
    "S an unknown purpose",
    422,
    "",
    lambda desk: desk.status_entry(statusPurpose="message"),
    "/credential/credentialStatus/0/statusPurpose",
)
case(
    "S another entry type",
    422,
    "",
    lambda desk: desk.status_entry(type="StatusList2021Entry"),
    "/credential/credentialStatus/0/type",
)
case(
    "S one purpose twice",
    422,
    "",
    lambda desk: desk.status_entry(statusPurpose="suspension"),
    "/credential/credentialStatus",
)
case("S no status", 422, "", lambda desk: desk.signed(drop="credentialStatus"), "/credential/credentialStatus")
case("S an empty status", 422, "", lambda desk: desk.signed(credentialStatus=[]), "/credential/credentialStatus")
case(
    "S39 a status list with a status of its own",
    400,
    "",
    lambda desk: desk.verify(desk.status_list(credentialStatus={"id": "urn:x:1", "type": "BitstringStatusListEntry"})),
)
case(
    "S a status list as a dataset's credential",
    422,
    "",
    lambda desk: desk.publisher.post(desk.status_list()),
    "/credential/type",
)
for slug, purpose in (
    ("none", "revocation"),
    ("..%2f..%2fetc", "passwd"),
    ("none", "message"),
    ("%27%20OR%201=1", "revocation"),
):
    case(
        f"S a list that is not here: {slug}/{purpose}",
        404,
        "NOT_FOUND",
        lambda desk, slug=slug, purpose=purpose: desk.http.get(f"/status-lists/{slug}/{purpose}"),
    )
for body in (
    {},
    {"statusPurpose": "message"},
    {"statusPurpose": ["revocation"]},
    {"statusPurpose": "revocation", "id": CANARY},
):
    case(
        f"S a list made with {json.dumps(body)[:30]}",
        400,
        "",
        lambda desk, body=body: desk.publisher.call("POST", "/status-lists", body),
    )

# N: addresses inside ------------------------------------------------------------------------------------------------------

INSIDE = [
    "http://127.0.0.1/", "http://169.254.169.254/", "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/",
    "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://localhost/", "http://10.0.0.1/", "ftp://example.com/",
]  # fmt: skip
for url in INSIDE:
    case(
        f"N a webhook to {url}",
        422,
        "WEBHOOK_URL",
        lambda desk, url=url: desk.publisher.call("POST", "/webhooks", {"url": url}),
        "/url",
    )
    case(
        f"N a schema at {url}",
        422,
        "",
        lambda desk, url=url: desk.signed(credentialSchema={"id": url, "type": "JsonSchema"}),
        "/credential/credentialSchema",
    )
    case(f"N28 a forged credential with a list at {url}", 400, "", lambda desk, url=url: desk.verify(desk.forged(url)))
for url in (
    "https://user:secret@hook.example/",
    "https://hook.example/#x",
    "//hook.example/",
    "javascript:alert(1)",
    "https://",
    "https://a b/",
    "",
    5,
):
    case(
        f"N a webhook to {url!r}",
        422,
        "",
        lambda desk, url=url: desk.publisher.call("POST", "/webhooks", {"url": url}),
        "/url",
    )
for did in (
    "did:web:127.0.0.1",
    "did:web:localhost",
    "did:web:user%40a.example",
    "did:web:a.example:%2e%2e",
    "did:web:a.example%3A22",
    "did:ion:abc",
    "did:key:zzz",
):
    case(f"N a login as {did}", 422, "", lambda desk, did=did: desk.login_as(did), "/verifiablePresentation/holder")

# L: the log's addresses -----------------------------------------------------------------------------------------------------

for tile in (
    "0/0", "0/00", "0/0000", "64/000", "-1/000", "0/x000/000", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "entries/", "entries/abc",
    "0/000.p/1/2", "0/٠٠٠", "a/000",
):  # fmt: skip
    case(f"L tile {tile}", 400, "BAD_PARAMETER", lambda desk, tile=tile: desk.http.get(f"/log/tile/{tile}"), "/tile")
for tile in ("0/000", "entries/000", "0/999", "63/000", "0/x999/999", "0/000.p/255"):
    case(
        f"L a tile that the log has not reached: {tile}",
        404,
        "NOT_FOUND",
        lambda desk, tile=tile: desk.http.get(f"/log/tile/{tile}"),
    )
for value in ("-1", "1.5", "abc", "", "007x", str(2**53), "9" * 100):
    case(
        f"L a proof of {value[:8]!r}",
        400,
        "BAD_PARAMETER",
        lambda desk, value=value: desk.get("/log/proof", index=value),
        "/query/index",
    )
    case(
        f"L consistency with {value[:8]!r}",
        400,
        "BAD_PARAMETER",
        lambda desk, value=value: desk.get("/log/consistency", old=value),
        "/query/old",
    )
case(
    "L consistency with nothing", 400, "BAD_PARAMETER", lambda desk: desk.get("/log/consistency", old="0"), "/query/old"
)
case("L a proof past the log", 404, "NOT_FOUND", lambda desk: desk.get("/log/proof", index="1000000"))
case("L consistency past the log", 404, "NOT_FOUND", lambda desk: desk.get("/log/consistency", old="1000000"))
for name, changes in {
    "L41 another log": {"origin": "elsewhere.example/log"},
    "L no type": {"type": None},
    "L one member more": {"root": CANARY},
}.items():
    case(
        f"{name} in a credential",
        422,
        "",
        lambda desk, changes=changes: desk.log_of(changes),
        "/credential/transparencyLog",
    )

# J, M, C, P, K, T: what a credential must be ----------------------------------------------------------------------------------

for name, text, code in (
    ("J01 a member twice", '{"credential":{"issuer":"a","issuer":"' + CANARY + '"}}', "DUP_KEY"), ("J04 NaN", '{"credential":{"size":NaN}}', "PARSE"),
    ("J07 5,000 digits", '{"credential":{"size":' + "9" * 5000 + "}}", "NUMBER"), ("J13 depth", '{"credential":' + "[" * 100_000, "DEPTH"),
    ("J19 a trailing comma", '{"credential":{},}', "PARSE"), ("J19 a comment", '{"credential":{}//' + CANARY + "\n}", "PARSE"),
    ("J19 single quotes", "{'credential':{}}", "PARSE"), ("a lone surrogate", '{"credential":"\\ud800"}', ""), ("null", '{"credential":null}', "NULL"),
    ("a fraction", '{"credential":0.5}', "NUMBER"), ("an exponent", '{"credential":1e3}', "NUMBER"), ("2^53", '{"credential":9007199254740993}', "NUMBER"),
    ("nothing", "", ""), ("two documents", "{}{}", "PARSE"), ("NUL", '{"credential":"\\u0000"}', ""), ("unterminated", '{"credential":"' + CANARY, "PARSE"),
):  # fmt: skip
    case(f"J {name}", 400, code, lambda desk, text=text: desk.publisher.raw("/credentials", text.encode(), JSON_TYPE))
case(
    "J16 UTF-16",
    400,
    "ENCODING",
    lambda desk: desk.publisher.raw("/credentials", '{"credential":{}}'.encode("utf-16le"), JSON_TYPE),
)
for body, place in (
    ({}, "/credential"), ({"credential": []}, "/credential"), ({"credential": CANARY}, "/credential"), ({"credential": {}, "manifest": []}, "/manifest"),
    ({"credential": {}, "publicManifest": "yes"}, "/publicManifest"), ({"credential": {}, "publicManifest": 1}, "/publicManifest"),
):  # fmt: skip
    case(
        f"a body of {json.dumps(body)[:40]}",
        422,
        "SCHEMA",
        lambda desk, body=body: desk.publisher.call("POST", "/credentials", body),
        place,
    )
CREDENTIAL = [
    ("M01 no VerifiableCredential", {"type": ["DatasetCredential"]}, "/type"), ("M another type", {"type": ["VerifiableCredential", "Other"]}, "/type"),
    ("M types of text", {"type": "DatasetCredential"}, "/type"), ("M07 a relative id", {"id": "dataset/1"}, "/id"), ("M an id of a number", {"id": 7}, "/id"),
    ("M04 two subjects", {"credentialSubject": [{}, {}]}, "/credentialSubject"), ("M no subject", {"credentialSubject": {}}, "/credentialSubject"),
    ("M13 validUntil soon", {"validUntil": "soon"}, "/validUntil"), ("M10 validFrom of a number", {"validFrom": 1}, "/validFrom"),
    ("T a period that ends before it begins", {"validUntil": "2020-01-01T00:00:00Z"}, "/validUntil"),
    ("M an unknown member", {"approved": True}, "/approved"), ("P35 a proof inside", {"credentialSubject": {"proof": {}}}, "/credentialSubject"),
    ("C01 an inline context", {"@context": ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/datasigil/v1", {"licence": "https://evil/x"}]}, "/@context"),
    ("C04 v2 not first", {"@context": ["https://w3id.org/datasigil/v1", "https://www.w3.org/ns/credentials/v2"]}, "/@context"),
    ("C16 @base", {"@context": ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/datasigil/v1", {"@base": "https://evil/"}]}, "/@context"),
    ("C a context of text", {"@context": "https://www.w3.org/ns/credentials/v2"}, "/@context"), ("C a context from elsewhere", {"@context": ["https://evil.example/"]}, "/@context"),
    ("C13 a keyword", {"@id": "urn:x:1"}, "/@id"), ("M evidence of text", {"evidence": CANARY}, "/evidence"), ("M terms of use", {"termsOfUse": [{}]}, "/termsOfUse"),
]  # fmt: skip
for name, changes, place in CREDENTIAL:
    case(name, 422, "", lambda desk, changes=changes: desk.signed(**changes), f"/credential{place}")
PROOFS = [
    ("P01 no proof", None), ("P02 proof []", []), ("P a proof of text", CANARY), ("P27 100 proofs", [{}] * 100), ("P an empty proof", {}),
    ("P38 a JWS", {"type": "JsonWebSignature2020", "jws": CANARY}), ("P another purpose", {"proofPurpose": "authentication"}),
    ("P15 another suite", {"cryptosuite": "eddsa-rdfc-2022"}), ("P an unknown suite", {"cryptosuite": "none"}), ("P08 no prefix", {"proofValue": "3" * 88}),
    ("P08 base64url", {"proofValue": "u" + "A" * 86}), ("P08 spaces", {"proofValue": " z" + "3" * 87}), ("P08 a character that base58 has not", {"proofValue": "z0" + "3" * 86}),
    ("K another's method", {"verificationMethod": signer_of("mallory").verification_method}), ("K01 a method without key", {"verificationMethod": "did:key:z6LSbad#z6LSbad"}),
    ("P a proof that expired", {"expires": "2020-01-01T00:00:00Z"}), ("P created soon", {"created": "soon"}), ("P30 a domain", {"domain": CANARY}),
]  # fmt: skip
for name, proof in PROOFS:
    case(name, 422, "", lambda desk, proof=proof: desk.proven(proof), "/credential/proof")
case(
    "M19 a presentation where a credential belongs",
    400,
    "",
    lambda desk: desk.verify({"@context": ["https://www.w3.org/ns/credentials/v2"], "type": "VerifiablePresentation"}),
)
case("M22 a JWT", 400, "", lambda desk: desk.verify({"proof": {"jwt": CANARY}}))
case(
    "A51 another manifest",
    422,
    "",
    lambda desk: desk.publisher.post(desk.publisher.issue(), manifest={"type": "Manifest", "files": []}),
    "/manifest",
)
case("an id that is taken", 409, "ID_TAKEN", lambda desk: desk.signed(id=desk.good["id"]), "/credential/id")
for key in ("", "a" * 300, "ü", "a b\x7f"):
    case(f"an Idempotency-Key of {key[:5]!r}", 400, "", lambda desk, key=key: desk.with_key(key))
for path in ("/credentials/none", "/credentials/none/bundle", "/credentials/none/lineage", "/credentials/none/impact", "/credentials/none/attestations", "/credentials/none/versions",
             "/manifests/" + "0" * 64, "/schemas/none", "/contexts/" + "0" * 64, "/publishers/none", "/publishers/none/did.json", "/nothing"):  # fmt: skip
    case(f"what is not here: {path[:40]}", 404, "NOT_FOUND", lambda desk, path=path: desk.http.get(path))
for method, path in (
    ("PUT", "/credentials"),
    ("DELETE", "/credentials/x"),
    ("PATCH", "/tokens"),
    ("POST", "/log/checkpoint"),
    ("DELETE", "/audit-trail"),
):
    case(
        f"{method} {path}",
        405,
        "METHOD_NOT_ALLOWED",
        lambda desk, method=method, path=path: desk.http.request(method, path),
    )


# The desk that sends them -----------------------------------------------------------------------------------------------------


class Desk:
    """One registry with two publishers, and how each kind of case is sent to it."""

    def __init__(self, registry: Any) -> None:
        self.registry, self.http = registry, registry.http
        self.publisher, self.other, self.narrow = (
            self.with_calls(registry.login(**one)) for one in ({}, {}, {"scopes": ["status"]})
        )
        spent = registry.login(self.publisher.signer, days=1)
        registry.clock.turn(days=2)
        self.expired_token = spent.reply["token"]
        dropped = registry.login(self.publisher.signer)
        registry.http.delete(f"/tokens/{dropped.reply['id']}", headers=dropped.headers)
        self.revoked_token = dropped.reply["token"]
        self.good, self.gone = self.publisher.publish(), self.publisher.publish()
        self.publisher.change(self.gone)
        made = self.publisher.call("POST", "/webhooks", {"url": "https://hook.example/"})
        self.webhook = made.json()["id"]

    @staticmethod
    def with_calls(publisher: Any) -> Any:
        http = publisher.registry.http
        publisher.call = lambda method, path, body=None: http.request(
            method, path, json=body, headers=publisher.headers
        )
        publisher.raw = lambda path, content, headers: http.post(
            path, content=content, headers={**publisher.headers, **headers}
        )
        return publisher

    def json(self, path: str, body: Any) -> Any:
        return self.http.post(path, json=body)

    def get(self, path: str, **query: str) -> Any:
        return self.http.get(path.replace("{id}", self.good["id"]), params=query)

    def cursor(self, name: str) -> str:
        first = self.http.get("/credentials?limit=1&q=").json()["next"]
        return {
            "junk": CANARY,
            "tampered": first[:-2] + ("AA" if first[-2:] != "AA" else "BB"),
            "long": "A" * 5000,
            "of another query": self.elsewhere(),
        }[name]

    def elsewhere(self) -> str:
        return str(
            self.http.get("/credentials?limit=1&status=active").json().get("next")
            or self.http.get("/credentials?limit=1&type=DatasetCredential").json()["next"]
        )

    def verify(self, document: Any) -> Any:
        return self.json("/credentials/verify", {"verifiableCredential": document})

    def signed(self, drop: str = "", **changes: Any) -> Any:
        unsigned = {**self.publisher.unsigned(), **changes}
        unsigned.pop(drop, None)
        return self.publisher.post(self.publisher.sign(unsigned))

    def status_entry(self, **changes: Any) -> Any:
        unsigned = self.publisher.unsigned()
        unsigned["credentialStatus"][0] |= changes
        return self.publisher.post(self.publisher.sign(unsigned))

    def log_of(self, changes: dict[str, Any]) -> Any:
        log = {**self.publisher.unsigned()["transparencyLog"], **changes}
        return self.signed(transparencyLog={name: value for name, value in log.items() if value is not None})

    def proven(self, proof: Any) -> Any:
        document = self.publisher.issue()
        whole = isinstance(proof, dict) and proof and "type" not in proof
        document["proof"] = {**document["proof"], **proof} if whole else proof
        return self.publisher.post({name: value for name, value in document.items() if value is not None})

    def change(
        self,
        document: Any,
        *,
        by: Any = None,
        signer: Any = None,
        value: bool = True,
        unchecked: bool = False,
        **changes: Any,
    ) -> Any:
        publisher = by or self.publisher
        request = publisher.status_request(document)
        unsigned = {**{name: one for name, one in request.items() if name != "proof"}, "value": value, **changes}
        return self.json(
            "/credentials/status", add_proof(unsigned, signer or publisher.signer, created=self.registry.clock())
        )

    def change_with_proof(self, proof: Any) -> Any:
        request = {**self.publisher.status_request(self.good), "proof": proof}
        return self.json("/credentials/status", {name: value for name, value in request.items() if value is not None})

    def altered_request(self) -> Any:
        return self.json("/credentials/status", {**self.publisher.status_request(self.good), "reason": CANARY})

    def status_list(self, **changes: Any) -> Any:
        unsigned = new_status_list_credential(
            list_id="https://list.example/1", issuer=self.publisher.did, purpose="revocation", bits=bytes(16384),
            valid_from=NOW, valid_until=NOW + timedelta(days=1),
        )  # fmt: skip
        return self.publisher.sign({**unsigned, **changes})

    def forged(self, url: str) -> Any:
        unsigned = self.publisher.unsigned()
        for entry in unsigned["credentialStatus"]:
            entry |= {"statusListCredential": url, "statusIssuer": self.publisher.did}
        signed = self.publisher.sign({**unsigned, "credentialSchema": {"id": url, "type": "JsonSchema"}})
        return {**signed, "name": CANARY}

    def login_as(self, did: str) -> Any:
        signer = LocalSigner.generate("ed25519").as_method(f"{did}#key-1")
        presentation = self.registry.presentation(signer, self.registry.challenge())
        return self.json("/tokens", {"verifiablePresentation": presentation})

    def with_key(self, key: str) -> Any:
        headers = {"Idempotency-Key": key.encode()}
        body = json.dumps({"credential": self.publisher.issue()}).encode()
        return self.publisher.raw("/credentials", body, {**JSON_TYPE, **headers})

    def state(self) -> tuple[Any, ...]:
        """What must be as before: the log, the good credential as it is served, and how much is stored."""
        with self.registry.state.database.reading() as connection:
            rows = [
                connection.execute(select(func.count()).select_from(core_table(name))).scalar_one() for name in KEPT
            ]
        released = self.registry.state.released
        return released.size, released.root, self.http.get(f"/credentials/{self.good['id']}").content, *rows


@pytest.fixture(scope="module")
def desk(template, opened_keys, tmp_path_factory, registry_parts):
    folder = tmp_path_factory.mktemp("bad-input") / "registry"
    shutil.copytree(template, folder)
    settings = Settings(
        data_dir=folder,
        public_url="http://localhost:8800",
        passphrase_file=folder / "passphrase",
        rate_per_second=1e6,
        rate_burst=10**6,
    )
    clock = registry_parts.Clock(NOW)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("service.app.load_keys", lambda *_arguments, **_options: opened_keys)
        with TestClient(create_app(settings, clock=clock), base_url="http://localhost:8800") as client:
            yield Desk(registry_parts.Registry(settings, clock, client))


@contextmanager
def no_network():
    """Nothing may be resolved or connected to while a case runs."""
    asked: list[Any] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("socket.getaddrinfo", lambda *where, **_: asked.append(where) or [])
        patched.setattr("socket.socket.connect", lambda _self, where: asked.append(where))
        yield asked


@pytest.mark.parametrize("one", CASES, ids=[one.name for one in CASES])
def test_it_is_refused_at_its_place_and_nothing_is_lost(desk, one):
    before = desk.state()
    with no_network() as asked:
        answer = one.send(desk)
    assert answer.status_code == one.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert len(problem["requestId"]) == 16
    assert problem["status"] == one.status
    assert problem["code"] == one.code or (not one.code and problem["code"]), answer.text
    assert problem.get("pointer", "").startswith(one.place), answer.text
    assert CANARY not in answer.text
    assert asked == []
    assert desk.state() == before


def test_there_are_as_many_cases_as_promised_and_no_two_alike():
    names = [one.name for one in CASES]
    assert len(set(names)) == len(names) >= CASES_MIN


# L: checkpoints that a witness is asked to cosign -----------------------------------------------------------------------------


def grown(size: int, salt: bytes = b"") -> TileTree:
    store = MemoryTileStore()
    tree = TileTree.open(store, 0, EMPTY_ROOT)
    append = tree.prepare([leaf_hash(salt + str(number).encode()) for number in range(size)])
    store.write_tiles(append.tiles)
    tree.commit(append)
    return tree


@pytest.fixture
def witness(tmp_path):
    signer = signer_of("log")
    key = new_vkey("log.example/one", signer.public_key.raw)
    client = TestClient(
        create_witness_app(Witness(tmp_path, "witness.example", signer_of("witness"), [key], lambda: NOW))
    )

    def note(tree: TileTree, size: int, by: Any = signer, origin: str = "log.example/one") -> bytes:
        head = Checkpoint(origin, size, tree.root_at(size))
        return sign_checkpoint(head, new_vkey(origin, by.public_key.raw), by.sign)

    tree = grown(9)
    assert (
        client.post("/add-checkpoint", content=AddCheckpoint(0, (), note(tree, 5)).text().encode()).status_code == 200
    )
    proof = tuple(tree.consistency(5, 9))
    return SimpleNamespace(client=client, note=note, tree=tree, proof=proof)


def asked(witness, *, old=5, proof=None, note=None) -> bytes:
    return (
        AddCheckpoint(old, witness.proof if proof is None else proof, note or witness.note(witness.tree, 9))
        .text()
        .encode()
    )


CHECKPOINTS: dict[str, tuple[Callable[[Any], bytes], int]] = {
    "L01 one bit of a hash": (
        lambda w: asked(w, proof=(bytes([w.proof[0][0] ^ 1]) + w.proof[0][1:], *w.proof[1:])),
        422,
    ),
    "L05 a hash more": (lambda w: asked(w, proof=(*w.proof, bytes(32))), 422),
    "L06 a hash fewer": (lambda w: asked(w, proof=w.proof[:-1]), 422),
    "L no hashes": (lambda w: asked(w, proof=()), 422),
    "L17 another root": (lambda w: asked(w, note=w.note(grown(9, b"fork"), 9)), 422),
    "L38 a fork of the same size": (lambda w: asked(w, old=5, proof=(), note=w.note(grown(5, b"fork"), 5)), 409),
    "L37 a smaller tree": (lambda w: asked(w, old=5, proof=(), note=w.note(w.tree, 4)), 400),
    "L another known size": (lambda w: asked(w, old=3), 409),
    "L41 an unknown log": (lambda w: asked(w, note=w.note(w.tree, 9, origin="elsewhere.example")), 404),
    "L signed with another key": (lambda w: asked(w, note=w.note(w.tree, 9, by=signer_of("mallory"))), 403),
    "L18 a root of 31 bytes": (lambda w: asked(w).replace(w.tree.root_at(9)[:0] or b"\n9\n", b"\n9\nAAAA"), 400),
    "L19 no size": (lambda w: asked(w).replace(b"\n9\n", b"\n"), 400),
    "L20 an extension line": (lambda w: asked(w).replace(b"\n\n\xe2\x80\x94", b"\next\n\n\xe2\x80\x94"), 400),
    "L07 65 hashes": (
        lambda w: b"old 5\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 65 + b"\n" + w.note(w.tree, 9),
        400,
    ),
    "L a size of -1": (lambda w: asked(w).replace(b"old 5", b"old -1"), 400),
    "L a size of 05": (lambda w: asked(w).replace(b"old 5", b"old 05"), 400),
    "L no body": (lambda w: b"", 400),
    "L not text": (lambda w: b"\xff\xfe", 400),
    "L too large": (lambda w: b"old 5\n" + b"A" * 300_000, 413),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_bad_checkpoint_is_never_cosigned(witness, name):
    make, status = CHECKPOINTS[name]
    answer = witness.client.post("/add-checkpoint", content=make(witness))
    assert answer.status_code == status, answer.text
    assert "\u2014" not in answer.text  # the sign before every signature
    assert witness.client.post("/add-checkpoint", content=asked(witness)).status_code == 200
