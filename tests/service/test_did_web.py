"""Publishers under a did:web: logging in, publishing and revoking with keys of the document at their address.

Here: a site on loopback, which a registry in development may reach, and what is never reached. Not here: the form of DID documents
(`tests/datasigil/credentials/test_did.py`) and addresses in general (`tests/datasigil/client/test_fetch.py`).
"""

import pytest
from simulator import signer_of
from web_site import serving

from datasigil.signing import LocalSigner, add_proof


@pytest.fixture(params=[None], ids=["sqlite"])
def database_url(request):
    """What is fetched does not depend on the database."""
    return request.param


@pytest.fixture
def inside():
    """A server on an address inside, which nobody named to the registry."""
    with serving() as held:
        yield held


@pytest.fixture
def signer(site):
    signer = LocalSigner.generate("ed25519")
    site.publish(signer)
    return signer.as_method(f"{site.did}#key-1")


def login(registry, signer, **changes):
    presentation = registry.presentation(signer, {**registry.challenge(), **changes})
    return registry.http.post("/tokens", json={"verifiablePresentation": presentation})


def test_a_publisher_logs_in_publishes_and_revokes_under_a_web_address(web, site, signer):
    publisher = web.login(signer)
    assert publisher.reply["did"] == site.did
    document = publisher.publish()
    assert document["issuer"] == site.did
    assert publisher.change(document).json()["status"] == "revoked"
    assert site.asked == ["/maker/did.json"]  # remembered for a minute


def test_a_key_that_is_not_in_the_document_proves_nothing(web, site, signer):
    site.publish(signer_of("somebody else"))
    answer = login(web, signer)
    assert (answer.status_code, answer.json()["code"]) == (401, "PRESENTATION_REFUSED")


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "did:web:elsewhere.example"},
        {"verificationMethod": []},
        {"authentication": []},
        {"verificationMethod": "none"},
        {"id": None},
    ],
)
def test_a_document_that_does_not_fit_is_refused_without_repeating_it(web, site, signer, changes):
    site.publish(signer, canary="s3cret", **changes)
    answer = login(web, signer)
    assert answer.status_code in (401, 422)
    assert answer.json()["code"] in ("PRESENTATION_REFUSED", "DID_DOCUMENT")
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("status", [404, 500, 302])
def test_a_document_that_cannot_be_had_is_refused_and_says_what_to_do(web, site, signer, status):
    site.status = status
    answer = login(web, signer)
    assert (answer.status_code, answer.json()["code"]) == (422, "DID_DOCUMENT")
    assert "did.json" in answer.json()["nextAction"]


def test_a_document_too_large_is_not_read_to_its_end(web, site, signer):
    site.publish(signer, padding="x" * 100_000)
    assert login(web, signer).json()["code"] == "DID_DOCUMENT"


def test_nothing_is_fetched_for_a_challenge_that_is_not_waiting(web, site, signer):
    issued = web.challenge()
    presentation = web.presentation(signer, {**issued, "challenge": "made-up"})
    answer = web.http.post("/tokens", json={"verifiablePresentation": presentation})
    assert (answer.status_code, answer.json()["code"]) == (401, "PRESENTATION_REFUSED")
    assert site.asked == []


def test_a_failure_is_remembered_so_that_a_flood_asks_once(web, site, signer):
    site.status = 500
    for _ in range(5):
        assert login(web, signer).status_code == 422
    assert len(site.asked) == 1


def test_a_proof_that_names_another_web_address_has_nothing_fetched(web, site, signer):
    publisher = web.login(signer)
    other = signer_of("other").as_method(f"did:web:localhost%3A{site.port}:other#key-1")
    document = add_proof(publisher.unsigned(), other, created=web.clock())
    assert publisher.post(document).status_code == 422
    assert site.asked == ["/maker/did.json"]


def test_a_status_request_of_a_stranger_has_nothing_fetched(web, site, signer, open_registry):
    publisher = web.login()
    document = publisher.publish()
    request = publisher.status_request(document)
    request = add_proof(
        {**{k: v for k, v in request.items() if k != "proof"}, "issuer": site.did}, signer, created=web.clock()
    )
    answer = web.http.post("/credentials/status", json=request)
    assert answer.status_code == 422
    assert site.asked == []


INSIDE = [
    "did:web:localhost%3A8080", "did:web:127.0.0.1", "did:web:127.0.0.1%3A8443", "did:web:2130706433", "did:web:0x7f.1", "did:web:127.1",
    "did:web:%5B%3A%3A1%5D", "did:web:user%40example.com", "did:web:example.com%3A22", "did:web:example.com:..:..:etc",
    "did:web:example.com:%2e%2e", "did:web:169.254.169.254", "did:web:10.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("did", INSIDE)
def test_an_address_inside_is_refused_and_nothing_is_sent(registry, monkeypatch, did):
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *where, **_: asked.append(where))
    answer = login(registry, signer_of("insider").as_method(f"{did}#key-1"))
    assert answer.status_code in (401, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert asked == []


RESOLVED = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "fd00::1",
    "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "::127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", RESOLVED)
def test_a_public_name_that_leads_inside_is_never_reached(registry, monkeypatch, address):
    import socket

    sent = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (address, 443))])
    monkeypatch.setattr("socket.create_connection", lambda *where, **_: sent.append(where))
    monkeypatch.setattr("socket.socket.connect", lambda _self, where: sent.append(where))
    answer = login(registry, signer_of("insider").as_method("did:web:rebind.example#key-1"))
    assert (answer.status_code, answer.json()["code"]) == (422, "DID_DOCUMENT")
    assert "FETCH_BLOCKED" in answer.json()["detail"]
    assert sent == []


# What a site answers with Location, and the status beside it; PORT is that of the server inside.
MOVED = [
    (301, "http://127.0.0.1:PORT/maker/did.json"), (302, "http://localhost:PORT/maker/did.json"), (303, "https://localhost:PORT/maker/did.json"),
    (307, "//127.0.0.1:PORT/maker/did.json"), (308, "http://[::1]:PORT/"), (302, "http://[::ffff:127.0.0.1]:PORT/"), (302, "http://2130706433:PORT/"),
    (302, "http://0x7f.1:PORT/"), (302, "http://127.1:PORT/"), (302, "http://localhost.:PORT/"), (302, "http://user@127.0.0.1:PORT/"),
    (302, "http://10.0.0.1/"), (302, "https://169.254.169.254/latest/meta-data"), (302, "http://192.168.0.1:PORT/"), (302, "file:///etc/passwd"),
    (302, "gopher://127.0.0.1:PORT/"), (302, "http://127.0.0.1:PORT\\@localhost/"), (302, ""), (302, "http://"), (307, "http://[::1"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "location"), MOVED, ids=[where for _, where in MOVED])
def test_a_site_cannot_send_the_registry_inside(web, site, inside, signer, status, location):
    inside.document = site.document
    site.status, site.location = status, location.replace("PORT", str(inside.port)) or " "
    answer = login(web, signer)
    assert (answer.status_code, answer.json()["code"]) == (422, "DID_DOCUMENT"), answer.text
    assert str(inside.port) not in answer.text
    assert inside.asked == []
    assert set(site.asked) == {"/maker/did.json"}  # where there is no address it is the same one again


def test_a_site_may_send_on_within_itself_and_not_from_there_inside(web, site, inside, signer):
    site.status, site.location = 302, "/elsewhere/did.json"
    assert login(web, signer).status_code == 201
    assert site.asked == ["/maker/did.json", "/elsewhere/did.json"]
    assert inside.asked == []
