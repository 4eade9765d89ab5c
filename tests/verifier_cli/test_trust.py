"""`datasigil-verify trust add`, `policy init`, `policy explain`: what is shown, what is written, and what is never touched."""

from __future__ import annotations

import io
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from simulator import World, mutate, signer_of, vkey_of, with_credential, with_proof_text, without
from subjects import audit_subject

from datasigil.bundle import bundle_bytes
from datasigil.canonical import jcs
from datasigil.credentials.did import did_document
from datasigil.signing import LocalSigner
from datasigil.trust.policy import parse_policy
from verifier_cli.introduction import fingerprint


@pytest.fixture
def stranger(desk):
    """A desk whose owner trusts nobody yet."""
    desk.policy.unlink()
    return desk


def add(desk, *words):
    return desk.run("trust", "add", desk.bundle, "--policy", desk.policy, "--offline", *words)


def test_what_was_pinned_makes_the_next_check_valid(stranger, no_sockets):
    assert add(stranger, "--yes").code == 0
    assert stranger.check("--data", stranger.data).code == 0


def test_fingerprint_log_first_logged_date_and_who_vouches_are_shown(stranger):
    said = add(stranger, "--yes").err
    assert fingerprint(stranger.world.publisher.signer.public_key.multibase) in said
    assert stranger.document["issuer"] in said
    assert "Example Law Data" in said
    assert stranger.world.log.origin in said
    assert "first logged:" in said
    assert "nobody that you trust" in said
    assert "a did:key stands for its key alone" in said


def test_the_fingerprint_is_the_one_that_the_publishers_own_tool_prints():
    assert re.fullmatch(r"(?:[0-9a-f]{4} ){15}[0-9a-f]{4}", fingerprint("z6Mk"))


def test_without_a_yes_nothing_is_written(stranger, monkeypatch):
    answer = add(stranger, "--json")
    assert (answer.code, answer.document["code"]) == (2, "USAGE")
    assert not stranger.policy.exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("answer", "code"), [("yes\n", 0), ("y\n", 0), ("no\n", 1), ("\n", 1), ("", 1), ("yesterday\n", 1)]
)
def test_only_a_plain_yes_pins(stranger, monkeypatch, answer, code):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert add(stranger).code == code
    assert stranger.policy.exists() == (code == 0)


def test_comments_order_and_mode_of_an_existing_file_stay(stranger):
    before = '# my file\nformatVersion = 1   # the only one\n\n[requirements] # strict\nlicenses = { deny = ["MIT"] }\n'
    stranger.policy.write_text(before, "utf-8")
    stranger.policy.chmod(0o640)
    assert add(stranger, "--yes").code == 0
    after = stranger.policy.read_text("utf-8")
    assert after.startswith(before.rstrip("\n"))
    assert stranger.policy.stat().st_mode & 0o777 == 0o640
    assert parse_policy(after.encode()).requirements.licenses.deny == ("MIT",)


def test_a_linked_trust_file_stays_a_link(stranger):
    real = stranger.folder / "real.toml"
    real.write_text("formatVersion = 1\n", "utf-8")
    stranger.policy.symlink_to(real)
    assert add(stranger, "--yes").code == 0
    assert stranger.policy.is_symlink()
    assert "[[issuers]]" in real.read_text("utf-8")


@pytest.mark.parametrize("before", ["", "\n", "# only a comment\n"])
def test_an_empty_file_becomes_a_trust_file(stranger, before):
    stranger.policy.write_text(before, "utf-8")
    assert add(stranger, "--yes").code == 0
    assert stranger.policy.read_text("utf-8").startswith(before.strip() or "#")
    assert stranger.check().code == 0


def test_a_second_time_changes_nothing(stranger):
    add(stranger, "--yes")
    before = stranger.policy.read_bytes()
    answer = add(stranger, "--json")
    assert (answer.code, answer.document["changed"]) == (0, False)
    assert stranger.policy.read_bytes() == before


def test_a_broken_trust_file_is_left_alone(stranger):
    for text in (b"formatVersion = 1\n[[issuers]\n", b"formatVersion = 1\nunknown = 1\n", b"\xff\xfe"):
        stranger.policy.write_bytes(text)
        answer = add(stranger, "--yes", "--json")
        assert (answer.code, answer.document["code"]) == (2, "POLICY_FILE")
        assert stranger.policy.read_bytes() == text


def test_the_configuration_folder_is_the_default(stranger):
    assert stranger.run("trust", "add", stranger.bundle, "--yes").code == 0
    assert stranger.run("check", stranger.bundle, "--offline").code == 0


def test_another_name_for_the_issuer_and_no_line_breaks_in_it(stranger):
    assert add(stranger, "--yes", "--name", "The law people").code == 0
    assert parse_policy(stranger.policy.read_bytes()).issuers[0].name == "The law people"
    for name in ("", "a\nb", "x" * 2000):
        assert add(stranger, "--yes", "--name", name).code == 2


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda desk, good: with_credential(good, mutate(desk.document, "/credentialSubject/name", "x")), "SIGNATURE"),
        (lambda desk, good: with_credential(good, desk.world.issue()), "INCLUSION"),
        (lambda _desk, good: with_proof_text(good, "index 0", "index 1"), "INCLUSION"),
    ],
)
def test_evidence_that_does_not_hold_together_pins_nothing(stranger, spoil, code):
    stranger.put(spoil(stranger, stranger.world.bundle(stranger.document)))
    answer = add(stranger, "--yes", "--json")
    assert (answer.code, answer.document["code"]) == (1, code)
    assert not stranger.policy.exists()


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"type":"EvidenceBundle"}', b'{"a":1,"a":2}'])
def test_what_is_no_bundle_pins_nothing(stranger, data):
    stranger.put(data)
    assert add(stranger, "--yes").code == 1
    assert not stranger.policy.exists()


def test_a_bundle_without_log_proof_pins_no_log_and_says_so(stranger):
    stranger.put(without(stranger.world.bundle(stranger.document), "log"))
    answer = add(stranger, "--yes")
    assert answer.code == 0
    assert "no log is pinned" in answer.err
    assert parse_policy(stranger.policy.read_bytes()).logs == ()
    assert stranger.check().code != 0


def test_a_log_that_is_known_with_other_keys_is_refused(stranger):
    add(stranger, "--yes")
    other = vkey_of(stranger.world.log.origin, signer_of("somebody"))
    stranger.policy.write_text(
        stranger.policy.read_text("utf-8").replace(str(stranger.world.log.key), str(other)), "utf-8"
    )
    answer = add(stranger, "--yes", "--json")
    assert (answer.code, answer.document["code"]) == (1, "LOG_KEYS_DIFFER")


def test_an_issuer_that_counts_for_less_is_not_widened(stranger):
    add(stranger, "--yes")
    text = stranger.policy.read_text("utf-8").replace('roles = ["publisher"]', 'roles = ["observer"]')
    stranger.policy.write_text(text, "utf-8")
    answer = add(stranger, "--yes", "--json")
    assert (answer.code, answer.document["code"]) == (1, "ISSUER_DIFFERS")
    assert stranger.policy.read_text("utf-8") == text


def test_an_auditor_gets_the_role_that_the_user_gives(stranger):
    auditor = stranger.world.new_publisher("auditor")
    audit = stranger.world.issue_as("DatasetAuditCredential", audit_subject(stranger.document), publisher=auditor)
    stranger.put(stranger.world.publish(audit))
    assert add(stranger, "--yes", "--role", "auditor").code == 0
    rule = parse_policy(stranger.policy.read_bytes()).issuer(auditor.did)
    assert rule is not None
    assert (rule.types, rule.roles) == (("DatasetAuditCredential",), ("auditor",))


def test_parents_by_others_are_named_and_pinned_on_request(stranger):
    source = stranger.world.new_publisher("source")
    parent = stranger.world.issue(publisher=source)
    stranger.world.publish(parent)
    derived, _ = stranger.world.derive([parent])
    stranger.put(derived)
    answer = add(stranger, "--yes")
    assert f"rests on credentials by {source.did}" in answer.err
    assert stranger.check().code != 0
    assert add(stranger, "--yes", "--with-parents").code == 0
    assert stranger.check().code == 0


def test_a_witness_that_the_user_knows_is_said_to_vouch(desk):
    world = World(now=desk.world.now, witnesses=2)
    document = world.issue()
    desk.put(world.publish(document))
    desk.policy.write_text("formatVersion = 1\n", "utf-8")
    answer = add(desk, "--yes")
    assert "witness1.example is named as a witness" in answer.err
    assert "your trust file does not name it" in answer.err


# did:web ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def web(online, registry):
    """A desk with a bundle by did:web:localhost, whose keys the registry's server serves."""
    did = f"did:web:localhost%3A{registry.port}"
    signer = LocalSigner(Ed25519PrivateKey.from_private_bytes(b"w" * 32), f"{did}#key-1")
    publisher = registry.world.publisher
    publisher.signer = signer
    registry.world.publishers[did] = publisher
    online.document = registry.world.issue()
    registry.pages["/.well-known/did.json"] = jcs(did_document(did, {"key-1": signer.public_key}))
    bundle = registry.publish(online.document)
    online.put(without(bundle, "issuer_keys"))
    online.policy.unlink()
    return online


def test_the_issuers_domain_is_asked_and_its_key_pinned(web):
    answer = web.run("trust", "add", web.bundle, "--policy", web.policy, "--yes")
    assert answer.code == 0, answer.err
    assert "publishes this key" in answer.err
    assert len(parse_policy(web.policy.read_bytes()).issuers[0].keys) == 1
    assert web.check().code == 0


def test_a_domain_that_publishes_another_key_pins_nothing(web, registry):
    other = did_document(web.document["issuer"], {"key-1": signer_of("somebody").public_key})
    registry.pages["/.well-known/did.json"] = jcs(other)
    assert web.run("trust", "add", web.bundle, "--policy", web.policy, "--yes").code == 1
    assert not web.policy.exists()


def test_a_domain_that_is_away_pins_nothing_and_can_be_asked_again(web, registry):
    registry.pages["/.well-known/did.json"] = 404
    answer = web.run("trust", "add", web.bundle, "--policy", web.policy, "--yes", "--json")
    assert (answer.code, answer.document["code"]) == (1, "DOMAIN")
    assert "not uploaded yet" in answer.document["nextAction"]
    registry.close()
    answer = web.run("trust", "add", web.bundle, "--policy", web.policy, "--yes", "--json")
    assert answer.code == 3
    assert "not uploaded yet" in answer.document["nextAction"]
    assert not web.policy.exists()


def test_without_its_domain_a_did_web_needs_the_key_in_the_bundle(web, registry):
    answer = web.run("trust", "add", web.bundle, "--policy", web.policy, "--yes", "--offline", "--json")
    assert (answer.code, answer.document["code"]) == (1, "KEY_HISTORY")
    web.put(registry.world.bundle(web.document))
    answer = web.run("trust", "add", web.bundle, "--policy", web.policy, "--yes", "--offline")
    assert answer.code == 0
    assert "was not asked" in answer.err


# policy ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["none", "law", "finance", "health"])
def test_a_new_trust_file_is_explained_and_trusts_nobody(desk, profile):
    path = desk.folder / "new" / "mine.toml"
    answer = desk.run("policy", "init", "--profile", profile, "-o", path, "--json")
    assert (answer.code, answer.document["profile"]) == (0, profile)
    said = desk.run("policy", "explain", "--policy", path)
    assert said.code == 0
    assert "You trust no issuer" in said.out
    assert profile == "none" or profile in said.out
    assert desk.run("check", desk.bundle, "--policy", path, "--offline").code == 1


def test_a_sector_template_takes_issuers(desk):
    path = desk.folder / "law.toml"
    desk.run("policy", "init", "--profile", "law", "-o", path)
    assert desk.run("trust", "add", desk.bundle, "--policy", path, "--yes", "--offline").code == 0
    assert "SECTOR" in desk.run("check", desk.bundle, "--policy", path, "--offline").out


def test_no_trust_file_is_ever_overwritten(desk):
    before = desk.policy.read_bytes()
    answer = desk.run("policy", "init", "-o", desk.policy, "--json")
    assert (answer.code, answer.document["code"]) == (2, "EXISTS")
    assert desk.policy.read_bytes() == before


def test_explaining_names_issuers_logs_and_digest(desk):
    answer = desk.run("policy", "explain", "--policy", desk.policy)
    assert desk.document["issuer"] in answer.out
    assert desk.world.log.origin in answer.out
    document = desk.run("policy", "explain", "--policy", desk.policy, "--json").document
    assert document["digest"] == parse_policy(desk.policy.read_bytes()).digest
    assert document["digest"] in answer.out


def test_explaining_what_is_wrong_names_the_place(desk):
    desk.policy.write_text("formatVersion = 1\n[[issuers]]\ndid = 7\n", "utf-8")
    answer = desk.run("policy", "explain", "--policy", desk.policy)
    assert answer.code == 2
    assert "issuers[1].did" in answer.err


def test_the_bundle_itself_is_never_changed(stranger):
    before = stranger.bundle.read_bytes()
    add(stranger, "--yes")
    assert stranger.bundle.read_bytes() == before == bundle_bytes(stranger.world.bundle(stranger.document))
