"""Key rotations at the registry: what gets into the log, and what verifiers and operators then have in hand.

Here: publishers under a did:web on a loopback site, on both databases. Not here: which rotations a verifier follows
(`tests/datasigil/verification/test_key_history.py`) and the request's form (`tests/adversarial/group_history.py`).
"""

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from simulator import mutate, signer_of

from datasigil.bundle import parse_bundle
from datasigil.client.registry import RegistryClient
from datasigil.credentials.key_rotation import new_key_rotation
from datasigil.credentials.types import CREDENTIAL_TYPES
from datasigil.errors import DatasigilError
from datasigil.fetch import Response
from datasigil.signing import LocalSigner, add_proof
from datasigil.trust.policy import IssuerRule, LogRule, TrustPolicy
from datasigil.trust.rules import KeyPin
from datasigil.verification import verify
from publisher_cli.main import main
from service.fsck import check_everything
from service.migrating import migrate

OLD, NEW, NEXT, SAFE, THIEF = ((signer_of(name), name) for name in ("old", "new", "next", "safe", "thief"))


@pytest.fixture
def now(monkeypatch, web):
    """`fsck` reads the tests' clock."""
    monkeypatch.setattr("service.fsck.system_clock", web.clock)
    return web.clock


@pytest.fixture
def owner(web, site, now):
    """A publisher under the site's DID, who logged in with the old key; did.json now lists the new one, too."""
    site.publish(OLD[0], names=OLD[1:])
    publisher = web.login(named(site, OLD))
    list_keys(web, site, OLD, NEW)
    return publisher


def list_keys(web, site, *keys):
    """Put another did.json on the site; what the registry remembered of the one before is a minute old."""
    site.publish(*(signer for signer, _ in keys), names=[name for _, name in keys])
    web.state.did_documents._known.clear()


def named(site, key):
    return key[0].as_method(f"{site.did}#{key[1]}")


def request(web, site, new=NEW, by=OLD, signers=None, **changes):
    (new_key, new_name), (old_key, old_name) = new, by
    unsigned = new_key_rotation(
        issuer=site.did, new_id=f"{site.did}#{new_name}", new_key=new_key.public_key, authorizing_id=f"{site.did}#{old_name}",
        authorizing_key=old_key.public_key, reason="yearly change", created=web.clock(), nonce=uuid4().hex,
    )  # fmt: skip
    signed = {**unsigned, **changes}
    for key, name in signers if signers is not None else (by, new):
        signed = add_proof(signed, named(site, (key, name)), created=web.clock())
    return signed


def send(web, document):
    return web.http.post("/key-rotations", json=document)


def refusal(answer):
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def trusting(web, site, *keys, recovery=()):
    rule = IssuerRule(site.did, "Maker", CREDENTIAL_TYPES, ("publisher",), keys, recovery=recovery)
    log = LogRule(web.state.keys.origin, web.state.keys.log_key, web.state.keys.time_key, web.settings.log_url)
    return TrustPolicy(issuers=(rule,), logs=(log,))


def pin(site, key):
    return KeyPin(key[0].public_key, named(site, key).verification_method)


def decision(web, document, policy):
    bundle = parse_bundle(web.http.get(f"/credentials/{document['id']}/bundle").content)
    return verify(bundle, policy=policy, at=web.clock(), offline=True).report.decision


def test_whoever_pinned_the_old_key_follows_the_bundle_to_the_new_one(web, site, owner):
    before = owner.publish()
    answer = send(web, request(web, site))
    assert answer.json() == {"issuer": site.did, "newKey": f"{site.did}#new", "changed": True, "logIndex": 1}
    web.clock.turn(hours=2)
    web.settle()
    after = web.login(named(site, NEW))
    after.next_index = owner.next_index
    document = after.publish()
    pinned = trusting(web, site, pin(site, OLD))
    assert [decision(web, one, pinned) for one in (before, document)] == ["VALID", "VALID"]
    assert decision(web, document, trusting(web, site, pin(site, THIEF))) == "INDETERMINATE"
    bundle = parse_bundle(web.http.get(f"/credentials/{document['id']}/bundle").content)
    (frame,) = bundle.issuer_keys
    assert set(frame) == {"type", "request", "proof", "current"}  # by when the log held it, and what shows it now
    assert not parse_bundle(web.http.get(f"/credentials/{before['id']}/bundle").content).issuer_keys
    found = check_everything(web.settings)
    assert found.clean, found.lines()
    assert found.counts["key rotations"] == 1


def test_a_recovery_key_that_no_document_lists_leads_to_the_new_key(web, site, owner):
    assert send(web, request(web, site, by=SAFE)).json()["changed"]
    document = web.login(named(site, NEW)).publish()
    policy = trusting(web, site, pin(site, OLD), recovery=(SAFE[0].public_key,))
    assert decision(web, document, policy) == "VALID"
    assert decision(web, document, trusting(web, site, pin(site, OLD))) == "INDETERMINATE"


def test_two_rotations_lead_on_and_others_stay_out_of_the_bundle(web, site, owner):
    send(web, request(web, site, by=THIEF))  # by a key that nobody pinned: it leads nowhere
    send(web, request(web, site))
    list_keys(web, site, NEXT, NEW, SAFE)
    assert send(web, request(web, site, new=NEXT, by=NEW)).json()["changed"]
    assert send(web, request(web, site, new=SAFE, by=NEXT)).json()["changed"]
    document = web.login(named(site, NEXT)).publish()
    assert decision(web, document, trusting(web, site, pin(site, OLD))) == "VALID"
    bundle = parse_bundle(web.http.get(f"/credentials/{document['id']}/bundle").content)
    assert len(bundle.issuer_keys) == 3  # not the one to the safe key, which signed nothing here
    shown = web.http.get(f"/publishers/{web_slug(web, site)}").json()["keyRotations"]
    assert [one["newKeyMultibase"] for one in shown] == [one.public_key.multibase for one, _ in (NEW, NEW, NEXT, SAFE)]
    listed = web.http.get(f"/publishers/{web_slug(web, site)}/key-rotations").json()["items"]
    assert [one["request"]["newKey"]["publicKeyMultibase"] for one in listed] == [
        one["newKeyMultibase"] for one in shown
    ]


def web_slug(web, site):
    return next(one["slug"] for one in web.http.get("/publishers").json()["items"] if one["did"] == site.did)


def test_the_holder_of_an_old_key_alone_gets_nothing_into_the_log(web, site, owner):
    """Neither to a key of their own, nor under the name that the document gives to another key, nor after the key has left the document."""
    list_keys(web, site, NEW)
    size = web.state.released.size
    for new in (THIEF, (THIEF[0], "new")):
        answer = send(web, request(web, site, new=new))
        assert refusal(answer) == (422, "KEY_NOT_LISTED")
        assert "did.json" in answer.json()["nextAction"]
    assert web.state.released.size == size


def test_sending_it_again_is_one_entry_also_when_it_was_signed_again(web, site, owner):
    first = request(web, site)
    assert send(web, first).json()["changed"]
    assert [send(web, one).json()["changed"] for one in (first, request(web, site))] == [False, False]
    assert web.state.released.size == 1


def test_what_is_told_and_recorded_of_it(web, site, owner):
    hook = {"url": f"http://localhost:{site.port}/hook", "events": ["key.rotated"]}
    assert web.http.post("/webhooks", json=hook, headers=owner.headers).status_code in (
        201,
        422,
    )  # loopback may be refused
    send(web, request(web, site))
    with web.state.database.reading() as connection:
        from service.tables import AUDIT_EVENTS

        actions = list(connection.execute(AUDIT_EVENTS.select()).mappings())
    assert [one["target"] for one in actions if one["action"] == "key.rotated"] == [f"{site.did}#new"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda web, site: request(web, site, signers=[OLD]), (422, "PROOF_MISSING")),
        (lambda web, site: request(web, site, signers=[NEW]), (422, "PROOF_MISSING")),
        (lambda web, site: request(web, site, signers=[]), (422, "PROOF_MISSING")),
        (lambda web, site: request(web, site, signers=[(THIEF[0], "old"), NEW]), (422, "SIGNATURE")),
        (lambda web, site: request(web, site, signers=[OLD, NEW, THIEF]), (422, "KEY_HISTORY")),
        (lambda web, site: request(web, site, signers=[OLD, OLD, NEW]), (422, "LIMIT")),
        (lambda web, site: mutate(request(web, site), "/reason", "another"), (422, "SIGNATURE")),
        (lambda web, site: {**request(web, site), "isAdmin": True}, (422, "UNKNOWN_PROPERTY")),
        (lambda web, site: request(web, site, issuer="did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"), (422, "DID")),
        (lambda web, site: request(web, site, issuer="did:web:elsewhere.example"), (422, "SCHEMA")),
        (lambda web, site: request(web, site, created="2020-01-01T00:00:00Z"), (422, "REQUEST_TIME")),
        (lambda web, site: request(web, site, created="2099-01-01T00:00:00Z"), (422, "REQUEST_TIME")),
        (lambda web, site: request(web, site, formatVersion=2), (422, "SCHEMA")),
        (lambda web, site: request(web, site, nonce="short"), (422, "SCHEMA")),
        (lambda web, site: [], (422, "SCHEMA")),
        (lambda web, site: {}, (422, "SCHEMA")),
        (lambda web, site: {"type": "StatusChangeRequest"}, (422, "TYPE")),
    ],
)  # fmt: skip
def test_what_is_no_rotation_is_refused_and_nothing_is_fetched(web, site, owner, change, expected):
    asked = len(site.asked)
    answer = send(web, change(web, site))
    assert refusal(answer) == expected, answer.text
    assert len(site.asked) == asked
    assert web.state.released.size == 0


def test_nothing_is_fetched_for_a_stranger(web, site):
    site.publish(NEW[0], names=NEW[1:])
    assert refusal(send(web, request(web, site))) == (404, "NOT_FOUND")
    assert site.asked == []


def test_a_publisher_who_was_locked_out_changes_no_key(web, site, owner):
    from service.publishers.repository import set_publisher_active

    web.state.sequencer.run(lambda batch: set_publisher_active(batch.connection, site.did, active=False))
    assert refusal(send(web, request(web, site))) == (403, "PUBLISHER_INACTIVE")


def test_older_tables_are_refused_while_the_log_holds_rotations(web, site, owner):
    send(web, request(web, site))
    with pytest.raises(DatasigilError) as caught:
        migrate(web.settings, "0006")
    assert caught.value.code == "KEY_ROTATIONS"
    assert check_everything(web.settings).clean


@pytest.mark.parametrize("document", [{"id": "did:web:other.example"}, "none", {"assertionMethod": []}])
def test_a_document_that_does_not_vouch_for_the_key_is_refused(web, site, owner, document):
    site.document = {**site.document, **document} if isinstance(document, dict) else document
    web.state.did_documents._known.clear()
    assert refusal(send(web, request(web, site)))[1] in ("DID_DOCUMENT", "KEY_NOT_LISTED")


def test_there_is_an_end_to_rotations(web, site, owner, monkeypatch):
    monkeypatch.setattr("service.publishers.key_rotations.KEY_ROTATIONS_PER_PUBLISHER_MAX", 1)
    assert send(web, request(web, site)).json()["changed"]
    assert refusal(send(web, request(web, site, by=SAFE))) == (409, "KEY_ROTATION_LIMIT")
    assert send(web, request(web, site)).json()["changed"] is False


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE key_rotation SET document = '{}'",
        "UPDATE key_rotation SET log_index = 0 WHERE log_index = 1",
        "UPDATE key_rotation SET new_key = 'z6Mk'",
    ],
)
def test_fsck_names_a_rotation_that_was_altered(web, site, owner, damage):
    owner.publish()
    send(web, request(web, site))
    with web.state.database.writer.begin() as connection:
        connection.exec_driver_sql(
            damage if "'{}'" not in damage or web.state.database.is_sqlite else damage.replace("'{}'", "'\\x7b7d'")
        )
    found = check_everything(web.settings)
    assert [one.partition(" ")[0] for one in found.errors] == ["key_rotation"], found.errors


# The command --------------------------------------------------------------------------------------------------------------


@dataclass
class OverHttp:
    """What `datasigil` fetches with, put to the registry in this process."""

    web: Any

    def get(self, url, **_options):
        return self._answer(self.web.http.get(url.removeprefix(URL)))

    def post(self, url, body, *, headers, **_options):
        return self._answer(
            self.web.http.post(
                url.removeprefix(URL), content=body, headers={"Content-Type": "application/json", **headers}
            )
        )

    def _answer(self, answer):
        return Response(
            status=answer.status_code, headers=dict(answer.headers), body=answer.content, url=str(answer.url)
        )


URL = "http://localhost:8800"


@pytest.fixture
def command(web, site, tmp_path, monkeypatch, capsys):
    """`datasigil`, with a key named me, which the site lists and which has logged in."""
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    (tmp_path / "passphrase").write_text("correct horse")
    (tmp_path / "passphrase").chmod(0o600)
    monkeypatch.setenv("DATASIGIL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("publisher_cli.rotating.registry_client", lambda url, **_: RegistryClient(url, OverHttp(web)))
    monkeypatch.setattr("publisher_cli.rotating.datetime", SimpleNamespace(now=lambda _zone: web.clock()))

    def run(*words):
        code = main([*words, "--json"])
        said = capsys.readouterr().out
        return code, json.loads(said) if said else {}

    assert run("key", "new", "--name", "me")[0] == 0
    address = f"http://localhost:{site.port}/maker"
    assert run("key", "did-web", address, "--key", "me", "--dev")[0] == 0
    site.document = json.loads((tmp_path / "did.json").read_text())
    me = LocalSigner.load(tmp_path / "config/datasigil/keys/me.pem", b"correct horse")
    web.login(me.as_method(site.document["assertionMethod"][0]))
    web.state.did_documents._known.clear()
    rotate = (
        "key",
        "rotate",
        "--name",
        "me",
        "--did-web",
        address,
        "--registry",
        URL,
        "--dev",
        "--reason",
        "yearly change",
    )
    return SimpleNamespace(
        run=run,
        rotate=lambda *more: run(*rotate, *more),
        keys=tmp_path / "config/datasigil/keys",
        folder=tmp_path,
        me=me,
    )


@pytest.mark.parametrize("database_url", [None], ids=["sqlite"])
def test_the_command_rotates_once_the_address_lists_the_key_that_it_made(web, site, command):
    code, refused = command.rotate()
    assert (code, refused["code"]) == (1, "KEY_NOT_LISTED")
    assert f"http://localhost:{site.port}/maker/did.json" in refused["nextAction"]
    assert {one.name for one in command.keys.glob("me*.pem*")} == {"me.pem", "me.next.pem"}
    assert (
        command.run("key", "rotate", "--name", "me")[1]["code"] == "KEY_FILE"
    )  # the one that waits is not thrown away
    site.document = json.loads((command.folder / "did.json").read_text())
    web.state.did_documents._known.clear()
    code, shown = command.rotate()
    assert (code, shown["logIndex"], shown["did"], shown["authorizedBy"]) == (
        0,
        0,
        site.did,
        command.me.public_key.multibase,
    )
    assert {one.name for one in command.keys.glob("me*.pem*")} == {"me.pem", "me.pem.retired-1"}
    assert [len(site.document[use]) for use in ("assertionMethod", "authentication")] == [2, 1]
    new = LocalSigner.load(command.keys / "me.pem", b"correct horse")
    assert new.public_key.multibase == shown["publicKeyMultibase"]
    document = web.login(new.as_method(site.document["authentication"][0])).publish()
    assert (
        decision(web, document, trusting(web, site, KeyPin(command.me.public_key, site.document["assertionMethod"][0])))
        == "VALID"
    )
