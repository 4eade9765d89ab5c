"""`datasigil-verify gate` and `exec`: nothing passes but what is VALID and whole, and nothing runs that did not pass."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from simulator import World

from datasigil.bundle import bundle_bytes
from datasigil.canonical import jcs


def gate(desk, *words):
    return desk.run("gate", desk.folder / "gate.toml", "--policy", desk.policy, "--offline", *words)


def test_a_whole_valid_dataset_passes_without_a_network(desk, no_sockets):
    desk.gate()
    answer = gate(desk, "--json")
    assert answer.code == 0
    document = answer.document
    assert (document["type"], document["decision"], document["exitCode"]) == ("GateReport", "VALID", 0)
    assert document["datasets"][0]["report"]["scope"] == "all files"


def test_a_file_below_the_roots_that_nobody_vouches_for_is_named(desk):
    inbox = desk.folder / "inbox"
    inbox.mkdir()
    desk.data.rename(inbox / "data")
    (inbox / "forum.jsonl").write_text("{}\n")
    desk.gate(roots="inbox", data="inbox/data")
    answer = gate(desk)
    assert answer.code == 1
    for word in ("INVALID", "UNCOVERED", "forum.jsonl", "expected", "next"):
        assert word in answer.out
    assert gate(desk, "--json").document["uncovered"][0]["code"] == "UNCOVERED"


@pytest.mark.parametrize(
    ("spoil", "code", "exit_code"),
    [
        (lambda desk: (desk.data / "LICENSE").write_text("x"), "FILE_DIGEST", 1),
        (lambda desk: (desk.data / "LICENSE").unlink(), "FILE_MISSING", 1),
        (lambda desk: desk.bundle.unlink(), "NO_CREDENTIAL", 1),
        (lambda desk: desk.put(b""), "PARSE", 1),
        (lambda desk: desk.put(b"\xff"), "ENCODING", 1),
        (lambda desk: desk.put(b"[]"), "SCHEMA", 1),
        (lambda desk: desk.put(jcs(desk.document)), "LOG_PROOF_MISSING", 1),
        (lambda desk: desk.trust(publishers=()), "UNTRUSTED_ISSUER", 1),
        (lambda desk: (desk.world.revoke(desk.document), desk.renew()), "REVOKED", 1),
        (lambda desk: (desk.world.suspend(desk.document), desk.renew()), "SUSPENDED", 1),
        (lambda desk: desk.trust(log=False), "UNKNOWN_LOG", 3),
    ],
)
def test_a_dataset_that_is_not_valid_closes_the_gate_with_its_report(desk, spoil, code, exit_code):
    desk.gate(roots="")
    spoil(desk)
    answer = gate(desk, "--json")
    assert answer.code == answer.document["exitCode"] == exit_code
    assert code in answer.document["datasets"][0]["report"]["codes"]
    assert code in gate(desk).out


def test_stale_evidence_closes_the_gate_as_indeterminate(desk):
    desk.world.tick(days=-30)
    desk.document = desk.world.issue()
    desk.put(desk.world.publish(desk.document))
    desk.gate()
    assert gate(desk, "--json").document["decision"] == "INDETERMINATE"
    assert gate(desk).code == 3


def test_a_credential_of_another_kind_is_no_dataset(desk):
    from subjects import audit_subject

    audit = desk.world.issue_as("DatasetAuditCredential", audit_subject(desk.document))
    desk.put(desk.world.publish(audit))
    desk.gate(roots="")
    assert gate(desk).code == 1


def test_a_bundle_without_manifest_is_judged_by_the_folder_itself(desk):
    desk.put(desk.world.bundle(desk.document, manifest=False))
    desk.gate()
    assert gate(desk).code == 0
    (desk.data / "LICENSE").write_text("x")
    assert gate(desk).code == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "GATE_FILE"),
        (b"\xff", "GATE_FILE"),
        (b"x = [", "GATE_FILE"),
        (b'type = "GateFile"\nformatVersion = 1\nformatVersion = 1\n', "GATE_FILE"),
        (b'type = "GateFile"\nformatVersion = 1\ndataset = []\n', "GATE_FILE"),
        (b'type = "GateFile"\nformatVersion = 1\n', "GATE_FILE"),
        (b'type = "GateFile"\nformatVersion = "1"\n[[datasets]]\ndata = "data"\n', "GATE_FILE"),
        (b'type = "GateFile"\nformatVersion = 1\n[[datasets]]\ndata = 7\n', "GATE_FILE"),
        (b"#" * (1024 * 1024 * 2), "GATE_FILE"),
    ],
)
def test_a_gate_file_that_is_wrong_opens_nothing(desk, text, code):
    (desk.folder / "gate.toml").write_bytes(text)
    answer = gate(desk, "--json")
    assert answer.code == 2
    assert answer.document["code"] == code


def test_a_gate_file_or_folder_that_is_not_there_is_wrong_usage(desk):
    answer = gate(desk, "--json")
    assert (answer.code, answer.document["code"]) == (2, "UNREADABLE")
    desk.gate(data="nowhere", roots="")
    assert gate(desk).code == 2


def test_the_past_cannot_be_asked_about(desk):
    desk.gate()
    assert gate(desk, "--at", "2026-01-01T00:00:00Z").code == 2


def test_a_trust_file_from_among_the_data_is_refused(desk):
    inside = desk.data / "datasigil.toml"
    inside.write_bytes(desk.policy.read_bytes())
    answer = desk.run("gate", desk.gate(), "--policy", inside, "--offline", "--json")
    assert (answer.code, answer.document["code"]) == (2, "POLICY_FILE")


def test_the_policy_can_be_pinned_by_the_environment(desk, monkeypatch):
    desk.gate()
    monkeypatch.setenv("DATASIGIL_POLICY_DIGEST", "0" * 64)
    assert gate(desk).code == 2


def test_two_datasets_must_both_be_valid(desk):
    other = World(now=desk.world.now)
    other.files = {"b.txt": b"more"}
    document = other.issue()
    other.write_files(desk.folder / "more")
    path = desk.gate(roots="")
    path.write_text(path.read_text("utf-8") + '[[datasets]]\nbundle = "more.sigil.json"\ndata = "more"\n', "utf-8")
    answer = gate(desk, "--json")
    assert (answer.code, [one["decision"] for one in answer.document["datasets"]]) == (1, ["VALID", "INVALID"])
    (desk.folder / "more.sigil.json").write_bytes(bundle_bytes(other.publish(document)))
    assert gate(desk).code == 0


def test_an_online_gate_learns_of_a_revocation(online):
    online.gate()
    assert online.run("gate", "gate.toml", "--policy", online.policy).code == 0
    online.world.revoke(online.document)
    answer = online.run("gate", "gate.toml", "--policy", online.policy)
    assert answer.code == 1
    assert "REVOKED" in answer.out


def test_an_online_gate_whose_registry_is_away_is_indeterminate(online, registry):
    online.gate()
    registry.close()
    assert online.run("gate", "gate.toml", "--policy", online.policy).code == 3


# exec ------------------------------------------------------------------------------------------------------------------


def run(desk, *program, words=()):
    return desk.run(
        "exec", "gate.toml", "--policy", desk.policy, "--offline", "-o", "receipt.json", *words, "--", *program
    )


def receipt(desk):
    return json.loads((desk.folder / "receipt.json").read_bytes())


def test_a_program_runs_on_the_verified_copy_and_a_receipt_says_what_was_offered(desk):
    desk.gate()
    script = desk.folder / "train.py"
    script.write_text(
        "import os, sys\nopen('seen', 'w').write(open(os.environ['DATASIGIL_DATA'] + '/LICENSE').read() + ' '.join(sys.argv[1:]))\n"
    )
    answer = run(desk, sys.executable, script, "--epochs", "3")
    assert answer.code == 0
    assert (desk.folder / "seen").read_text() == desk.world.files["LICENSE"].decode() + "--epochs 3"
    said = receipt(desk)
    assert (said["type"], said["state"], said["exitCode"]) == ("OfferReceipt", "finished", 0)
    assert said["datasets"][0]["credential"] == desk.document["id"]
    assert said["datasets"][0]["files"] == len(desk.world.files)
    assert "offered" in said["claim"]


def test_the_copies_are_named_by_environment_read_only_and_gone_afterwards(desk):
    desk.gate()
    work = desk.folder / "work"
    work.mkdir()
    code = (
        "import json, os, sys; p = os.environ['DATASIGIL_DATA_0'];"
        "seen = {'same': p == os.environ['DATASIGIL_DATA'], 'folder': os.stat(p).st_mode & 0o777, 'file': os.stat(p + '/LICENSE').st_mode & 0o777,"
        " 'listed': json.load(open(os.environ['DATASIGIL_DATASETS']))['datasets'][0]['path'] == p, 'inside': p.startswith(sys.argv[1])};"
        "json.dump(seen, open('seen.json', 'w'))"
    )
    assert run(desk, sys.executable, "-c", code, work, words=("--work", work)).code == 0
    seen = json.loads((desk.folder / "seen.json").read_text())
    assert seen == {"same": True, "folder": 0o500, "file": 0o400, "listed": True, "inside": True}
    assert list(work.iterdir()) == []


def test_nothing_runs_when_the_gate_stays_closed(desk):
    desk.gate()
    (desk.data / "LICENSE").write_text("x")
    answer = run(desk, sys.executable, "-c", "open('ran', 'w')")
    assert answer.code == 1
    assert "INVALID" in answer.out
    assert not (desk.folder / "ran").exists()
    assert not (desk.folder / "receipt.json").exists()


def test_an_indeterminate_gate_runs_nothing(desk):
    desk.gate()
    desk.trust(log=False)
    assert run(desk, sys.executable, "-c", "open('ran', 'w')").code == 3
    assert not (desk.folder / "ran").exists()


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_programs_exit_code_is_passed_on_and_recorded(desk, code):
    desk.gate()
    assert run(desk, sys.executable, "-c", f"raise SystemExit({code})").code == code
    assert receipt(desk)["exitCode"] == code


def test_a_program_that_a_signal_ended_reads_as_in_a_shell(desk):
    desk.gate()
    assert run(desk, sys.executable, "-c", "import os; os.kill(os.getpid(), 9)").code == 137


def test_a_change_after_the_check_does_not_reach_the_program(desk):
    desk.gate()
    code = f"import os; open({str(desk.data / 'LICENSE')!r}, 'w').write('evil'); open('seen', 'w').write(open(os.environ['DATASIGIL_DATA'] + '/LICENSE').read())"
    assert run(desk, sys.executable, "-c", code).code == 0
    assert (desk.folder / "seen").read_bytes() == desk.world.files["LICENSE"]


def test_without_a_program_or_with_one_that_is_not_there_nothing_is_verified(desk):
    desk.gate()
    assert desk.run("exec", "gate.toml", "--policy", desk.policy).code == 2
    assert run(desk).code == 2
    assert run(desk, "no-such-program-here").code == 2


def test_a_receipt_is_never_overwritten_and_its_folder_must_be_there(desk):
    desk.gate()
    (desk.folder / "receipt.json").write_text("mine")
    assert run(desk, sys.executable, "-c", "open('ran', 'w')").code == 2
    assert (desk.folder / "receipt.json").read_text() == "mine"
    assert (
        desk.run("exec", "gate.toml", "--policy", desk.policy, "--offline", "-o", "no/r.json", "--", "true").code == 2
    )
    assert not (desk.folder / "ran").exists()


def test_options_after_the_two_dashes_are_the_programs_own(desk):
    desk.gate()
    code = "import sys; open('seen', 'w').write(' '.join(sys.argv[1:]))"
    assert run(desk, sys.executable, "-c", code, "--policy", "x", "--", "--json").code == 0
    assert (desk.folder / "seen").read_text() == "--policy x -- --json"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_and_leaves_a_receipt_and_no_copy(desk, number):
    desk.gate()
    work = desk.folder / "work"
    work.mkdir()
    code = "import time; open('started', 'w'); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-m", "verifier_cli", "exec", "gate.toml", "--policy", desk.policy, "--offline", "--work", work, "-o", "receipt.json", "--",
         sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, start_new_session=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 30
    while not (desk.folder / "started").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number), err
    assert receipt(desk)["state"] == "finished"
    assert list(work.iterdir()) == []
