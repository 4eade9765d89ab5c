"""`datasigil.client.registry`: requests, strict reading of answers, and refusals as errors that say what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from simulator import World

from datasigil.bundle import bundle_bytes
from datasigil.canonical import jcs
from datasigil.client import RegistryClient, RegistryError
from datasigil.errors import MalformedError
from datasigil.fetch import Fetcher, FetchError, Response

URL = "https://registry.example"


@dataclass
class Canned:
    """A fetcher that answers from a list and remembers what it was asked."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes | None, dict[str, str]]] = field(default_factory=list)

    def get(self, url: str, **_: Any) -> Response:
        self.asked.append(("GET", url, None, {}))
        return Response(url, self.status, self.headers, self.body)

    def post(self, url: str, body: bytes, *, headers: dict[str, str] | None = None, **_: Any) -> Response:
        self.asked.append(("POST", url, body, dict(headers or {})))
        return Response(url, self.status, self.headers, self.body)


def client(canned: Any, **options: Any) -> RegistryClient:
    return RegistryClient(URL + "/", canned, **options)


def test_an_id_is_one_path_segment_whatever_is_in_it():
    canned = Canned()
    with pytest.raises(MalformedError):
        client(canned).bundle("../../tokens?x=y#z")
    assert canned.asked[0][1] == f"{URL}/credentials/..%2F..%2Ftokens%3Fx%3Dy%23z/bundle"


def test_a_token_goes_along_with_what_needs_it_and_never_with_a_login():
    canned = Canned(body=jcs({"id": "x", "digest": "y", "logIndex": 1, "challenge": "c", "domain": "d", "items": []}))
    one = client(canned, token="secret")
    one.register({"id": "x"})
    one.challenge()
    one.search({"q": "law", "type": ""})
    assert [asked[3].get("Authorization") for asked in canned.asked] == ["Bearer secret", None, None]
    assert canned.asked[2][1] == f"{URL}/credentials?q=law"
    assert "secret" not in repr(canned.asked[1])


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"7", b"\xff", b'{"items"', b'{"items":[],"items":[]}', b'{"else":1}', b"[" * 1000]
)
def test_an_answer_that_is_not_what_the_api_promises_is_malformed(body):
    with pytest.raises(MalformedError):
        client(Canned(body=body)).search({})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_a_refusal_is_an_error_with_status_code_and_next_action(status):
    problem = {
        "code": "ID_TAKEN",
        "detail": "the id is taken",
        "pointer": "/id",
        "expected": "another id",
        "nextAction": "issue it again",
    }
    with pytest.raises(RegistryError) as caught:
        client(Canned(status, jcs(problem), {"retry-after": "7"})).register({})
    error = caught.value
    assert (error.status, error.code, error.place, error.next_action) == (status, "ID_TAKEN", "/id", "issue it again")
    assert error.retry_after == 7
    assert error.may_pass == (status >= 500 or status == 429)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"\xff", b'{"code":7,"detail":null}', b'{"code":"' + b"x" * 5000 + b'"}']
)
def test_a_refusal_in_any_form_is_an_error_of_bounded_length(body):
    with pytest.raises(RegistryError) as caught:
        client(Canned(502, body, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})).describe()
    assert caught.value.retry_after is None
    assert len(str(caught.value)) < 2000


def test_a_redirect_that_was_not_followed_is_no_success():
    with pytest.raises(RegistryError):
        client(Canned(302)).change_status({})


def test_a_bundle_is_parsed_and_a_credential_is_an_object():
    world = World()
    document = world.issue()
    bundle = world.publish(document)
    assert client(Canned(body=bundle_bytes(bundle))).bundle(document["id"]) == bundle
    assert client(Canned(body=jcs(document))).credential(document["id"]) == document
    with pytest.raises(MalformedError):
        client(Canned(body=b"[]")).credential("x")
    with pytest.raises(MalformedError):
        client(Canned(body=jcs(document))).bundle("x")


def test_a_manifest_comes_as_the_bytes_that_were_sent():
    assert client(Canned(body=b"\x00anything")).manifest("ab" * 32) == b"\x00anything"


@pytest.mark.parametrize("name", ["lineage", "impact", "lookup"])
def test_graph_questions_need_their_members(name):
    with pytest.raises(MalformedError):
        getattr(client(Canned()), name)("urn:uuid:x")


def test_an_unreachable_registry_is_a_fetch_error():
    with pytest.raises(FetchError):
        RegistryClient("http://127.0.0.1:9", Fetcher.naming(["http://127.0.0.1:9"], dev=True)).describe()
