"""Roles, the audit trail, workloads that bring OIDC tokens, and changes of the registry's own keys."""

import json
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from subjects import audit_subject

from datasigil.encoding import b64url_encode
from datasigil.fetch import Fetcher
from datasigil.transparency.entry import parse_entry
from service.__main__ import main
from service.audit_trail.repository import EventRow
from service.audit_trail.trail import FIRST, event_hash
from service.fsck import check_everything

ISSUER = "https://ci.example"
SUBJECT = "repo:example/clauses:ref:refs/heads/main"


def as_role(registry, role):
    """A publisher whom the operator gave a role, logged in again."""
    first = registry.login()
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql(f"UPDATE publisher SET role = '{role}' WHERE did = '{first.did}'")
    return registry.login(first.signer)


def get(publisher, path):
    return publisher.registry.http.get(path, headers=publisher.headers)


# Roles ----------------------------------------------------------------------------------------------------------------


def test_an_auditor_publishes_audits_and_nothing_else(registry, publisher):
    dataset = publisher.publish()
    auditor = as_role(registry, "auditor")
    auditor.publish(auditor.issue(audit_subject(dataset), "DatasetAuditCredential"))
    answer = auditor.post(auditor.issue())
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("path", ["/audit-trail", "/audit-trail/anchors"])
def test_the_trail_is_for_auditors_and_operators(registry, publisher, path):
    assert registry.http.get(path).status_code == 401
    assert get(publisher, path).status_code == 403
    for role in ("auditor", "operator"):
        assert get(as_role(registry, role), path).status_code == 200


# The audit trail ------------------------------------------------------------------------------------------------------


def test_the_trail_is_a_chain_that_the_log_anchors(registry, publisher):
    publisher.registry.http.delete(f"/tokens/{registry.login(publisher.signer).reply['id']}", headers=publisher.headers)
    auditor = as_role(registry, "auditor")
    registry.clock.turn(seconds=601)
    registry.settle()
    page = get(auditor, "/audit-trail?limit=100").json()
    assert page["complete"] is True
    previous = FIRST
    for number, one in enumerate(page["items"]):
        row = EventRow(**{name: one[name] for name in EventRow.__dataclass_fields__})
        assert (row.position, row.previous, row.hash) == (number, previous, event_hash(row))
        previous = row.hash
    actions = [one["action"] for one in page["items"]]
    assert actions[:4] == ["publisher.registered", "token.issued", "token.issued", "token.revoked"]
    last = get(auditor, "/audit-trail/anchors").json()["items"][-1]
    assert last["hash"] == previous
    bundle = registry.http.get(f"/log/tile/entries/000.p/{last['logIndex'] + 1}").content
    entry = parse_entry(bundle[bundle.rindex(b'{"credentialDigest"') :])
    assert (entry.kind, entry.credential_digest) == ("audit", previous)
    assert check_everything(registry.settings).clean


def test_the_trail_is_read_in_pages(registry, publisher):
    auditor = as_role(registry, "auditor")
    first = get(auditor, "/audit-trail?limit=2").json()
    assert first["complete"] is False
    rest = get(auditor, f"/audit-trail?after={first['items'][-1]['position']}&limit=100").json()
    assert [one["position"] for one in first["items"] + rest["items"]] == list(range(2 + len(rest["items"])))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET actor = 'somebody else' WHERE position = 0",
        "DELETE FROM audit_event WHERE position = 1",
        f"UPDATE audit_anchor SET hash = '{'0' * 64}'",
        "UPDATE audit_anchor SET log_index = log_index + 1000",
    ],
)
def test_fsck_finds_a_trail_that_was_altered(registry, publisher, statement):
    registry.clock.turn(seconds=601)
    registry.settle()
    with registry.state.database.writer.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount > 0
    assert not check_everything(registry.settings).clean


def test_what_is_refused_leaves_no_trace_in_the_trail(registry, publisher):
    auditor = as_role(registry, "auditor")
    before = len(get(auditor, "/audit-trail?limit=100").json()["items"])
    assert registry.http.delete("/tokens/nothing", headers=publisher.headers).status_code == 404
    assert len(get(auditor, "/audit-trail?limit=100").json()["items"]) == before


# Tokens ---------------------------------------------------------------------------------------------------------------


def test_a_token_revoked_by_another_process_stops_within_five_seconds(registry, publisher):
    """The cache of this process may believe in it for two seconds, not longer."""
    assert get(publisher, "/tokens").status_code == 200
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE token SET revoked_at = 1")
    deadline = time.monotonic() + 5
    while get(publisher, "/tokens").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


# Workloads ------------------------------------------------------------------------------------------------------------


class Ci:
    """An OIDC issuer with one key of each kind, whose documents a stand-in for the network serves."""

    def __init__(self, registry):
        self.registry = registry
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.ed = ed25519.Ed25519PrivateKey.generate()
        self.asked = []
        number = self.rsa.public_key().public_numbers()
        point = self.ec.public_key().public_numbers()
        encode = lambda value, size: b64url_encode(value.to_bytes(size, "big"))  # noqa: E731
        self.documents = {
            f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
            f"{ISSUER}/keys": {
                "keys": [
                    {"kty": "RSA", "kid": "r", "n": encode(number.n, 256), "e": "AQAB", "use": "sig"},
                    {"kty": "EC", "kid": "e", "crv": "P-256", "x": encode(point.x, 32), "y": encode(point.y, 32)},
                    {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": b64url_encode(self.ed.public_key().public_bytes_raw())},
                    {"kty": "oct", "kid": "h", "k": "AAAA"}, {"kty": "RSA", "kid": "x"}, 7,
                ]
            },
        }  # fmt: skip

    def get(self, url, **_):
        self.asked.append(url)
        found = self.documents.get(url)
        from datasigil.fetch import Response

        return Response(url, 200 if found else 404, {}, json.dumps(found or {}).encode())

    def token(self, algorithm="RS256", key_id=None, header=None, **claims):
        now = int(self.registry.clock().timestamp())
        head = {
            "alg": algorithm,
            "typ": "JWT",
            "kid": key_id or {"RS256": "r", "ES256": "e", "EdDSA": "o"}.get(algorithm, "r"),
            **(header or {}),
        }
        body = {"iss": ISSUER, "sub": SUBJECT, "aud": "http://localhost:8800", "iat": now, "exp": now + 300, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        signed = ".".join(b64url_encode(json.dumps(part).encode()) for part in (head, body)).encode()
        if algorithm == "ES256":
            halves = decode_dss_signature(self.ec.sign(signed, ec.ECDSA(hashes.SHA256())))
            signature = b"".join(one.to_bytes(32, "big") for one in halves)
        elif algorithm == "EdDSA":
            signature = self.ed.sign(signed)
        else:
            signature = self.rsa.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return f"{signed.decode()}.{b64url_encode(signature)}"


@pytest.fixture
def ci(open_registry, request):
    """A CI service that the operator trusts, and a publisher who mapped its job."""
    registry = open_registry(oidc_issuers=(ISSUER,))
    made = Ci(registry)
    vars(registry.state.workload_keys)["fetcher"] = made
    made.publisher = registry.login()
    answer = registry.http.post(
        "/workload-identities", json={"issuer": ISSUER, "subject": SUBJECT}, headers=made.publisher.headers
    )
    assert answer.status_code == 201, answer.text
    made.identity = answer.json()
    return made


def publish_as(ci, token):
    publisher = ci.publisher
    body = {"credential": publisher.issue()}
    return ci.registry.http.post("/credentials", json=body, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_mapped_job_publishes_for_its_publisher(ci, algorithm):
    assert publish_as(ci, ci.token(algorithm)).status_code == 201
    assert publish_as(ci, ci.token(algorithm, aud=["other", "http://localhost:8800"])).status_code == 201
    assert len(ci.asked) == 2, "keys are remembered"


def bad_tokens(ci):
    now = int(ci.registry.clock().timestamp())
    good = ci.token()
    head, body, tail = good.split(".")
    none = b64url_encode(json.dumps({"alg": "none", "kid": "r"}).encode())
    return {
        "another subject": ci.token(sub="repo:attacker/fork:ref:refs/heads/main"),
        "a subject in other case": ci.token(sub=SUBJECT.upper()),
        "no subject": ci.token(sub=None),
        "another issuer": ci.token(iss="https://attacker.example"),
        "the issuer with a slash": ci.token(iss=ISSUER + "/"),
        "another audience": ci.token(aud="https://other.example"),
        "no audience": ci.token(aud=None),
        "expired": ci.token(iat=now - 600, exp=now),
        "no end": ci.token(exp=None),
        "an end in words": ci.token(exp="tomorrow"),
        "an end that is true": ci.token(exp=True),
        "not yet": ci.token(nbf=now + 120),
        "made later": ci.token(iat=now + 120),
        "a year long": ci.token(exp=now + 365 * 86400),
        "algorithm none": f"{none}.{body}.",
        "algorithm none with signature": f"{none}.{body}.{tail}",
        "algorithm HS256": ci.token("HS256"),
        "key of another kind": ci.token("ES256", key_id="r"),
        "unknown key": ci.token(key_id="unknown"),
        "key id that is a number": ci.token(header={"kid": 7}),
        "critical header": ci.token(header={"crit": ["exp"]}),
        "key in the header": ci.token(key_id="unknown", header={"jwk": {}, "jku": "https://attacker.example"}),
        "changed body": f"{head}.{b64url_encode(b'{}')}.{tail}",
        "cut signature": f"{head}.{body}.{tail[:-4]}",
        "no signature": f"{head}.{body}.",
        "padded": good + "==",
        "four parts": good + ".x",
        "empty parts": "..",
        "too long": ci.token(pad="x" * 9000),
        "no JSON": f"{b64url_encode(b'x')}.{body}.{tail}",
    }  # fmt: skip


def test_no_other_token_works_and_all_are_answered_alike(ci):
    seen = set()
    for name, token in bad_tokens(ci).items():
        answer = publish_as(ci, token)
        assert answer.status_code == 401, name
        problem = answer.json()
        problem.pop("requestId")
        seen.add(json.dumps(problem))
        assert "www-authenticate" in answer.headers
    assert len(seen) == 1
    assert not [url for url in ci.asked if "attacker" in url]


@pytest.mark.parametrize(
    "keys", ["http://169.254.169.254/keys", "https://127.0.0.1:1/keys", "https://localhost/keys", "https://[::1]/keys", "file:///etc/passwd"]
)  # fmt: skip
def test_an_issuer_cannot_send_the_registry_inside_for_its_keys(ci, monkeypatch, keys):
    ci.documents[f"{ISSUER}/.well-known/openid-configuration"]["jwks_uri"] = keys
    real, sent = Fetcher.naming((ISSUER,)), []
    monkeypatch.setattr("socket.socket.connect", lambda _self, where: sent.append(where))

    class Network:
        def get(self, url, **options):
            return ci.get(url) if url.startswith(ISSUER) else real.get(url, **options)

    vars(ci.registry.state.workload_keys)["fetcher"] = Network()
    assert publish_as(ci, ci.token()).status_code == 401
    assert sent == []


def test_a_removed_identity_and_a_locked_publisher_stop_at_once(ci):
    publisher, token = ci.publisher, ci.token()
    with ci.registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE publisher SET active = :no".replace(":no", "0" if ci.registry.state.database.is_sqlite else "false")
        )
    assert publish_as(ci, token).status_code == 401
    with ci.registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE publisher SET active = :yes".replace(
                ":yes", "1" if ci.registry.state.database.is_sqlite else "true"
            )
        )
    assert publish_as(ci, token).status_code == 201
    ci.registry.http.delete(f"/workload-identities/{ci.identity['id']}", headers=publisher.headers)
    assert publish_as(ci, token).status_code == 401


def test_a_workload_cannot_widen_its_own_rights(ci):
    headers = {"Authorization": f"Bearer {ci.token()}"}
    asked = {"issuer": ISSUER, "subject": "another"}
    assert ci.registry.http.post("/workload-identities", json=asked, headers=headers).status_code == 403
    assert ci.registry.http.delete(f"/workload-identities/{ci.identity['id']}", headers=headers).status_code == 403
    assert ci.registry.http.delete(f"/tokens/{ci.publisher.reply['id']}", headers=headers).status_code == 403


def test_a_subject_is_mapped_once_and_only_of_named_issuers(ci):
    other = ci.registry.login()
    asked = {"issuer": ISSUER, "subject": SUBJECT}
    assert (
        ci.registry.http.post("/workload-identities", json=asked, headers=other.headers).json()["code"]
        == "IDENTITY_TAKEN"
    )
    asked = {"issuer": "https://attacker.example", "subject": SUBJECT}
    assert (
        ci.registry.http.post("/workload-identities", json=asked, headers=other.headers).json()["code"] == "OIDC_ISSUER"
    )
    assert get(other, "/workload-identities").json()["items"] == []
    assert (
        ci.registry.http.delete(f"/workload-identities/{ci.identity['id']}", headers=other.headers).status_code == 404
    )


# The registry's own keys ----------------------------------------------------------------------------------------------


def test_keys_that_are_not_changed_so_are_refused_with_what_to_do(data_dir, capsys, monkeypatch):
    monkeypatch.setenv("DATASIGIL_PASSPHRASE_FILE", str(data_dir / "passphrase"))
    before = sorted((path.name, path.read_bytes()) for path in (data_dir / "keys").iterdir())
    for wrong in (
        ["rotate", "status"],
        ["compromised", "status"],
        ["rotate", "nothing"],
        ["new", "hosted"],
        ["new", "checkpoint"],
        ["retire", "time"],
        ["retire", "hosted"],
        ["rotate", ""],
        ["rotate", "../passphrase"],
        ["new", "retired/time"],
    ):
        assert main(["keys", *wrong, "--data-dir", str(data_dir)]) == 2, wrong
        assert capsys.readouterr().err.startswith("error: ")
    assert sorted((path.name, path.read_bytes()) for path in (data_dir / "keys").iterdir()) == before


def test_a_key_is_not_changed_under_a_running_registry(registry, capsys, monkeypatch):
    monkeypatch.setenv("DATASIGIL_PASSPHRASE_FILE", str(registry.settings.passphrase_file))
    keys = registry.settings.keys_dir
    before = {path.name: path.read_bytes() for path in keys.glob("*.pem")}
    for action in ("rotate", "compromised"):
        for name in ("checkpoint", "hosted"):
            assert main(["keys", action, name, "--data-dir", str(registry.settings.data_dir)]) == 2
            assert "[DATA_DIR_IN_USE]" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in keys.glob("*.pem")} == before
