"""`datasigil-verify check`: decision, reason code and exit code for good and bad evidence; never a traceback, never a socket offline."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from simulator import World, mutate, resign, with_credential, without

from datasigil.bundle import bundle_bytes
from datasigil.canonical import jcs
from datasigil.encoding import Instant


def stamp(world: World, **ago: float) -> str:
    return str(Instant.from_datetime(world.now + timedelta(**ago)))


def test_a_complete_bundle_is_valid_without_a_network(desk, no_sockets):
    assert desk.decision() == ("VALID", [], 0)


def test_the_whole_dataset_is_valid_and_named_so(desk, no_sockets):
    answer = desk.check("--data", desk.data)
    assert answer.code == 0
    assert answer.out.startswith("VALID")
    assert "all files are the signed ones" in answer.out
    assert desk.check("--data", desk.data, "--json").document["scope"] == "all files"


def test_a_folder_with_its_own_bundle_is_checked_with_all_its_files(desk):
    (desk.data / ".datasigil").mkdir()
    desk.bundle.rename(desk.data / ".datasigil" / "bundle.sigil.json")
    answer = desk.run("check", desk.data, "--policy", desk.policy, "--offline", "--json")
    assert (answer.code, answer.document["scope"]) == (0, "all files")


def test_a_bare_credential_lacks_its_log_proof(desk):
    desk.put(jcs(desk.document))
    decision, codes, code = desk.decision()
    assert (decision, code) == ("INVALID", 1)
    assert "LOG_PROOF_MISSING" in codes


def test_a_part_is_never_called_the_whole(desk):
    (desk.data / "LICENSE").unlink()
    assert desk.check("--data", desk.data).code == 1
    answer = desk.check("--data", desk.data, "--partial")
    assert answer.code == 0
    assert "all files" not in answer.out
    assert "a part of its files was looked at" in answer.out


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda data: (data / "LICENSE").write_text("changed"), "FILE_DIGEST"),
        (lambda data: (data / "extra.txt").write_text("x"), "EXTRA_FILE"),
        (lambda data: (data / "LICENSE").unlink(), "FILE_MISSING"),
        (lambda data: (data / "clauses" / "train.jsonl").write_bytes(b""), "FILE_DIGEST"),
        (lambda data: ((data / "LICENSE").unlink(), (data / "LICENSE").symlink_to("/etc/hostname")), "SYMLINK"),
    ],
)
def test_a_file_that_is_not_the_signed_one_is_named_with_expected_found_and_next(desk, spoil, code):
    spoil(desk.data)
    answer = desk.check("--data", desk.data)
    assert answer.code == 1
    assert answer.out.startswith("INVALID")
    for word in (code, "expected", "found", "next"):
        assert word in answer.out


BAD_BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "PARSE"),
    "half": (lambda good: good[: len(good) // 2], "PARSE"),
    "not json": (lambda _: b"hello", "PARSE"),
    "a list": (lambda _: b"[]", "SCHEMA"),
    "a number": (lambda _: b"7", "SCHEMA"),
    "null": (lambda _: b"null", "NULL"),
    "not utf-8": (lambda good: good.replace(b"Contract", b"Contr\xffct", 1), "ENCODING"),
    "duplicate key": (lambda good: good.replace(b'{"contexts"', b'{"formatVersion":1,"contexts"', 1), "DUP_KEY"),
    "unknown member": (lambda good: good.replace(b'{"contexts"', b'{"also":1,"contexts"', 1), "UNKNOWN_PROPERTY"),
    "a float": (lambda good: good.replace(b'"formatVersion":1', b'"formatVersion":1.5', 1), "NUMBER"),
    "other version": (
        lambda good: good.replace(b'"formatVersion":1,"issuerKeys', b'"formatVersion":2,"issuerKeys', 1),
        "VERSION",
    ),
    "deep": (lambda _: b"[" * 100 + b"]" * 100, "DEPTH"),
    "no credential": (lambda _: b'{"type":"EvidenceBundle","formatVersion":1}', "SCHEMA"),
    "credential of wrong type": (lambda _: b'{"type":"EvidenceBundle","formatVersion":1,"credential":[]}', "SCHEMA"),
}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bytes_that_are_no_evidence_are_invalid_with_the_parsers_code(desk, no_sockets, name):
    spoil, code = BAD_BYTES[name]
    good = desk.bundle.read_bytes()
    bad = spoil(good)
    assert bad != good
    desk.put(bad)
    decision, codes, exit_code = desk.decision()
    assert (decision, exit_code) == ("INVALID", 1)
    assert code in codes


def test_a_bundle_that_is_too_large_is_refused_before_it_is_read(desk):
    with desk.bundle.open("r+b") as stream:
        stream.truncate(65 * 1024 * 1024)
    decision, codes, code = desk.decision()
    assert (decision, codes, code) == ("INVALID", ["LIMIT"], 1)


def test_evidence_that_is_not_there_is_wrong_usage(desk):
    answer = desk.run("check", "nowhere.sigil.json", "--policy", desk.policy, "--json")
    assert (answer.code, answer.document["code"]) == (2, "NO_SUCH_PATH")
    assert "nowhere.sigil.json" in answer.err
    assert "next:" in answer.err


def test_a_folder_without_a_credential_is_invalid(desk):
    answer = desk.run("check", desk.data, "--policy", desk.policy, "--json")
    assert (answer.code, answer.document["decision"], answer.document["codes"]) == (1, "INVALID", ["NO_CREDENTIAL"])


def test_evidence_that_cannot_be_read_is_named(desk):
    (desk.data / ".datasigil" / "bundle.sigil.json").mkdir(parents=True)
    answer = desk.run("check", desk.data, "--policy", desk.policy, "--json")
    assert (answer.code, answer.document["code"]) == (2, "UNREADABLE")


def test_a_data_folder_that_is_none_is_wrong_usage(desk):
    answer = desk.check("--data", desk.folder / "nowhere")
    assert answer.code == 2
    assert "DATA_FOLDER" in answer.err


# Credentials that must not pass ----------------------------------------------------------------------------------------


def reissued(desk: Any, **overrides: Any) -> Any:
    document = desk.world.issue(**overrides)
    return desk.world.publish(document)


CASES: dict[str, tuple[Callable[[Any], Any], str, str, int]] = {
    "expired": (
        lambda desk: reissued(desk, validFrom=stamp(desk.world, days=-9), validUntil=stamp(desk.world, days=-1)),
        "INVALID", "EXPIRED", 1,
    ),
    "not yet valid": (lambda desk: reissued(desk, validFrom=stamp(desk.world, days=2)), "INVALID", "NOT_YET", 1),
    "altered": (
        lambda desk: with_credential(
            desk.world.bundle(desk.document), mutate(desk.document, "/credentialSubject/name", "Other")
        ),
        "INVALID", "SIGNATURE", 1,
    ),
    "resigned by somebody else": (
        lambda desk: with_credential(
            desk.world.bundle(desk.document), resign(desk.document, desk.world.new_publisher("mallory").signer, desk.world.now)
        ),
        "INVALID", "ISSUER_MISMATCH", 1,
    ),
    "of an issuer that is not trusted": (
        lambda desk: desk.world.publish(desk.world.issue(publisher=desk.world.new_publisher("mallory"))),
        "INVALID", "UNTRUSTED_ISSUER", 1,
    ),
    "without log proof": (lambda desk: without(desk.world.bundle(desk.document), "log"), "INVALID", "LOG_PROOF_MISSING", 1),
    "without status lists": (
        lambda desk: without(desk.world.bundle(desk.document), "status_lists"), "INDETERMINATE", "STATUS_MISSING", 3,
    ),
    "of another dataset's log entry": (
        lambda desk: with_credential(desk.world.publish(desk.world.issue()), desk.document), "INVALID", "INCLUSION", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_credential_must_not_pass_when_it_is(desk, no_sockets, name):
    make, wanted, code, exit_code = CASES[name]
    desk.put(make(desk))
    decision, codes, found = desk.decision()
    assert (decision, found) == (wanted, exit_code)
    assert code in codes


def test_a_revoked_credential_is_invalid(desk):
    desk.world.revoke(desk.document)
    desk.renew()
    assert desk.decision() == ("INVALID", ["REVOKED"], 1)


def test_a_suspended_credential_is_invalid_until_it_is_resumed(desk):
    desk.world.suspend(desk.document)
    desk.renew()
    assert desk.decision() == ("INVALID", ["SUSPENDED"], 1)
    desk.world.resume(desk.document)
    desk.renew()
    assert desk.decision() == ("VALID", [], 0)


def test_old_evidence_is_indeterminate(desk):
    desk.world.tick(days=-30)
    old = desk.world.issue()
    desk.put(desk.world.publish(old))
    decision, codes, code = desk.decision()
    assert (decision, code) == ("INDETERMINATE", 3)
    assert {"LOG_STALE", "STATUS_STALE"} <= set(codes)


def test_a_log_that_the_trust_file_does_not_name_is_indeterminate(desk):
    desk.trust(log=False)
    decision, codes, code = desk.decision()
    assert (decision, code) == ("INDETERMINATE", 3)
    assert "UNKNOWN_LOG" in codes


def test_another_datasets_files_are_invalid(desk):
    other = World(now=desk.world.now)
    other.files = {"a.txt": b"something else"}
    assert desk.check("--data", other.write_files(desk.folder / "other")).code == 1


def test_nobody_is_trusted_without_a_trust_file(desk):
    answer = desk.run("check", desk.bundle, "--offline", "--json")
    assert (answer.code, answer.document["headline"]) == (1, "INVALID: intact; signer not trusted by you")
    assert "UNTRUSTED_ISSUER" in answer.document["codes"]


def test_a_policy_that_forbids_the_licence_refuses_and_names_it(desk):
    desk.trust(extra='[requirements]\nlicenses = { deny = ["CC-BY-4.0"] }\n')
    answer = desk.check()
    assert answer.code == 1
    for word in ("INVALID", "expected", "found", "next", "CC-BY-4.0"):
        assert word in answer.out


# Time ------------------------------------------------------------------------------------------------------------------


def test_the_past_stays_provable_and_says_what_has_happened_since(desk):
    desk.world.tick(minutes=-10)
    document = desk.world.issue()
    bundle = desk.world.publish(document)
    early = bundle.status_lists
    desk.world.tick(minutes=10)
    desk.world.revoke(document)
    later = desk.world.bundle(document)
    desk.put(replace(bundle, status_lists=(*early, *later.status_lists)))
    answer = desk.check("--at", stamp(desk.world, minutes=-5))
    assert answer.code == 0, answer.out
    assert "VALID as of" in answer.out
    assert "not a statement about today" in answer.out
    assert "revoked" in answer.out
    assert desk.check().code == 1


def test_a_time_that_is_none_is_wrong_usage(desk):
    for text in ("yesterday", "2026-13-01T00:00:00Z", ""):
        answer = desk.check("--at", text, "--json")
        assert (answer.code, answer.document["code"]) == (2, "USAGE")


# Usage and output ------------------------------------------------------------------------------------------------------


def test_partial_needs_data(desk):
    answer = desk.check("--partial", "--json")
    assert (answer.code, answer.document["code"]) == (2, "USAGE")


@pytest.mark.parametrize(
    "words",
    [(), ("check",), ("check", "a", "b"), ("check", "a", "--offlin"), ("nonsense",), ("check", "a", "--digest", "md5")],
)
def test_wrong_usage_exits_with_2_and_writes_nothing_to_standard_output(desk, words):
    answer = desk.run(*words)
    assert (answer.code, answer.out) == (2, "")
    assert "usage:" in answer.err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"formatVersion = 2", "formatVersion"),
        (b"", "formatVersion"),
        (b"formatVersion = 1\nformatVersion = 1", "TOML"),
        (b"formatVersion = 1\nisuers = []", "isuers"),
        (b"\xff", "UTF-8"),
        (b'formatVersion = 1\n[requirements]\nmaxAgeDays = "7"', "maxAgeDays"),
    ],
)
def test_a_trust_file_that_is_wrong_is_wrong_usage_and_named(desk, text, place):
    desk.policy.write_bytes(text)
    answer = desk.check("--json")
    assert (answer.code, answer.document["code"]) == (2, "POLICY_FILE")
    assert place in answer.err


def test_a_trust_file_that_was_named_must_be_there(desk):
    answer = desk.run("check", desk.bundle, "--policy", "nowhere.toml", "--json")
    assert (answer.code, answer.document["code"]) == (2, "POLICY_FILE")


def test_a_trust_file_from_among_the_data_is_refused(desk):
    inside = desk.data / "datasigil.toml"
    inside.write_bytes(desk.policy.read_bytes())
    answer = desk.run("check", desk.bundle, "--data", desk.data, "--policy", inside, "--json")
    assert (answer.code, answer.document["code"]) == (2, "POLICY_FILE")


def test_a_pinned_trust_file_is_the_only_one_that_decides(desk):
    digest = desk.run("policy", "explain", "--policy", desk.policy, "--json").document["digest"]
    assert desk.check("--policy-digest", digest).code == 0
    desk.trust(extra="[freshness]\nonlineHours = 2\n")
    answer = desk.check("--policy-digest", digest, "--json")
    assert (answer.code, answer.document["code"]) == (2, "POLICY_FILE")


def test_the_environment_names_the_trust_file_and_the_flag_wins(desk, monkeypatch):
    monkeypatch.setenv("DATASIGIL_POLICY", str(desk.policy))
    assert desk.run("check", desk.bundle, "--offline").code == 0
    empty = desk.folder / "nobody.toml"
    empty.write_text("formatVersion = 1\n", "utf-8")
    assert desk.run("check", desk.bundle, "--offline", "--policy", empty).code == 1


def test_json_is_the_only_thing_on_standard_output(desk):
    answer = desk.check("--json", "-v", "--data", desk.data)
    assert answer.document["type"] == "VerificationReport"
    assert json.loads(answer.out) == answer.document


def test_quiet_leaves_the_result_alone(desk):
    answer = desk.check("-q", "--data", desk.data)
    assert answer.err == ""
    assert answer.out.startswith("VALID")


def test_text_from_a_credential_cannot_move_the_cursor(desk):
    evil = desk.world.issue(subject={"name": "Clauses \u202e evil"})
    desk.put(desk.world.publish(evil))
    assert "\u202e" not in desk.check().out


# Online ----------------------------------------------------------------------------------------------------------------


def test_an_online_check_asks_for_evidence_of_now(online, registry):
    answer = online.run("check", online.bundle, "--policy", online.policy, "--json")
    assert (answer.code, answer.document["decision"]) == (0, "VALID")
    assert "/log/checkpoint" in registry.asked
    assert [path for path in registry.asked if path.startswith("/status-lists/")]


def test_an_online_check_learns_of_a_revocation_that_the_bundle_does_not_know(online):
    online.world.revoke(online.document)
    answer = online.run("check", online.bundle, "--policy", online.policy)
    assert answer.code == 1
    assert "REVOKED" in answer.out


def test_offline_asks_nobody_even_with_a_registry_at_hand(online, registry):
    assert online.check().code == 0
    assert registry.asked == []


def test_a_registry_that_is_away_leaves_an_online_check_indeterminate(online, registry):
    registry.close()
    answer = online.run("check", online.bundle, "--policy", online.policy, "--json")
    assert (answer.code, answer.document["decision"]) == (3, "INDETERMINATE")
    assert {"FETCH_FAILED", "STATUS_RETRIEVAL"} & set(answer.document["codes"])


def test_no_url_of_an_untrusted_issuer_is_asked(online, registry):
    online.trust(publishers=())
    assert online.run("check", online.bundle, "--policy", online.policy).code == 1
    assert registry.asked == []


def test_a_loopback_registry_is_not_asked_without_dev(online, registry, monkeypatch):
    monkeypatch.delenv("DATASIGIL_DEV")
    answer = online.run("check", online.bundle, "--policy", online.policy, "--json")
    assert (answer.code, answer.document["decision"]) == (3, "INDETERMINATE")
    assert registry.asked == []


def test_a_bundle_written_by_hand_reads_like_the_canonical_one(desk):
    desk.put(json.dumps(json.loads(bundle_bytes(desk.world.bundle(desk.document))), indent=2).encode())
    assert desk.decision() == ("VALID", [], 0)
