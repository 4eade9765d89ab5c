"""The worker's gate: unverified data is refused, and the attacks that work against training libraries lose here."""

import json
import os
import shutil
from datetime import timedelta

import pytest

from datasigil.errors import DatasigilError
from training_worker.gate import Refused, passed_bundle, passed_gate
from training_worker.watch import Watch


def refusal(case, **settings):
    with pytest.raises(Refused) as caught, passed_gate(case.request().recipe, case.folder, case.settings(**settings)):
        pytest.fail("the gate opened")
    return caught.value


def test_a_valid_dataset_passes_and_is_read_from_a_copy(case):
    with passed_gate(case.request().recipe, case.folder, case.settings(), work=case.folder) as gate:
        files = gate.datasets[0].files
        assert files.read("train.jsonl") == (case.data / "train.jsonl").read_bytes()
        assert case.data not in files.root.parents
        assert gate.document()["decision"] == "VALID"
    assert not files.root.exists()


def test_data_without_a_credential_is_refused(case):
    (case.folder / "data.sigil.json").unlink()
    found = refusal(case)
    assert (found.exit_code, found.error.code) == (1, "NO_CREDENTIAL")
    assert "credential" in found.headline


def test_an_untrusted_issuer_is_refused(case):
    from datasigil.trust.policy import default_policy

    assert refusal(case, policy=default_policy()).exit_code == 1


def test_a_revoked_credential_is_refused_in_words(case):
    case.world.revoke(case.document)
    case.evidence()
    found = refusal(case)
    assert found.exit_code == 1
    assert "revoked" in found.headline


def test_a_suspended_credential_is_refused(case):
    case.world.suspend(case.document)
    case.evidence()
    assert refusal(case).exit_code == 1


def test_stale_status_leaves_the_gate_shut_as_undecided(case):
    assert refusal(case, at=case.world.now + timedelta(days=30)).exit_code == 3


def test_a_missing_data_folder_is_refused(case):
    shutil.rmtree(case.data)
    assert refusal(case).exit_code == 1


def test_a_bundle_about_another_credential_is_refused(case):
    case.document = case.world.issue()
    case.world.publish(case.document)
    case.evidence()
    assert refusal(case).error.code == "OTHER_CREDENTIAL"


def test_a_rewrite_of_equal_size_with_the_time_restored_is_refused(case):
    victim = case.data / "train.jsonl"
    before = victim.stat()
    victim.write_bytes(victim.read_bytes().replace(b"payment", b"secrecy"))
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert victim.stat().st_mtime_ns == before.st_mtime_ns
    assert refusal(case).exit_code == 1


def test_a_symlink_in_the_place_of_a_file_is_refused(case):
    victim = case.data / "train.jsonl"
    elsewhere = case.folder / "elsewhere.jsonl"
    victim.rename(elsewhere)
    victim.symlink_to(elsewhere)
    assert refusal(case).exit_code == 1


@pytest.mark.parametrize("name", ["extra.jsonl", "loader.py", "cache-0.arrow"])
def test_a_file_that_nobody_signed_is_refused(case, name):
    (case.data / name).write_bytes(b"x")
    assert refusal(case).exit_code == 1


def test_a_missing_file_is_refused(case):
    (case.data / "test.jsonl").unlink()
    assert refusal(case).exit_code == 1


def test_a_change_of_the_original_after_the_check_reaches_nobody(case):
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        good = (case.data / "train.jsonl").read_bytes()
        (case.data / "train.jsonl").write_bytes(b'{"text": "evil", "label": "payment"}\n')
        assert gate.datasets[0].files.read("train.jsonl") == good


def test_a_change_of_the_copy_after_the_check_stops_the_reader(case):
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        copy = gate.datasets[0].files.root / "train.jsonl"
        copy.parent.chmod(0o700)
        copy.chmod(0o600)
        copy.write_bytes(copy.read_bytes().replace(b"payment", b"secrecy"))
        with pytest.raises(DatasigilError) as caught:
            gate.datasets[0].files.read("train.jsonl")
        assert caught.value.code == "FILE_DIGEST"


def test_the_copy_swapped_for_a_link_is_not_followed(case):
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        copy = gate.datasets[0].files.root / "train.jsonl"
        copy.parent.chmod(0o700)
        copy.unlink()
        copy.symlink_to(case.data / "train.jsonl")
        with pytest.raises(DatasigilError) as caught:
            gate.datasets[0].files.read("train.jsonl")
        assert caught.value.code == "UNREADABLE"


def test_a_name_outside_the_manifest_opens_nothing(case):
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        for name in ("../recipe.yaml", "/etc/hostname", "nothing.jsonl"):
            with pytest.raises(DatasigilError) as caught:
                gate.datasets[0].files.read(name)
            assert caught.value.code == "NO_FILE"


def test_refusals_are_recorded_with_their_reports(case):
    log = case.folder / "refusals.jsonl"
    case.world.revoke(case.document)
    case.evidence()
    refusal(case, refusals=log)
    refusal(case, refusals=log)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["decision"] for entry in entries] == ["INVALID", "INVALID"]
    assert "REVOKED" in json.dumps(entries[0]["reports"])


def test_a_record_that_cannot_be_written_does_not_open_the_gate(case):
    case.world.revoke(case.document)
    case.evidence()
    assert refusal(case, refusals=case.data / "train.jsonl" / "log").exit_code == 1


def test_a_folder_that_no_recipe_names_yet_passes_the_same_gate(case):
    with passed_bundle(case.folder / "data.sigil.json", case.data, case.settings()) as gate:
        assert gate.datasets[0].files.paths == ("test.jsonl", "train.jsonl", "validation.jsonl")


def test_a_revocation_during_a_run_is_noticed_when_the_interval_is_over(case):
    now = [case.world.now]

    def renew(bundle, proven, at):
        from datasigil.client import Refreshed

        return Refreshed(case.world.bundle(case.document), ())

    settings = case.settings(offline=False, renew=renew)
    with passed_gate(case.request().recipe, case.folder, settings) as gate:
        watch = Watch(gate, settings, lambda: now[0])
        watch()
        assert watch.rechecks == 0
        now[0] = case.world.tick(minutes=11)
        watch()
        assert watch.rechecks == 1
        case.world.revoke(case.document)
        now[0] = case.world.tick(minutes=11)
        with pytest.raises(Refused) as caught:
            watch()
        assert caught.value.during_run
        assert "revoked" in caught.value.headline


def test_a_registry_that_is_away_stops_the_end_of_a_run_but_not_its_middle(case):
    settings, said = case.settings(), []
    with passed_gate(case.request().recipe, case.folder, settings) as gate:
        watch = Watch(gate, settings, lambda: case.world.now + timedelta(days=30), said.append)
        watch()
        assert "could not be asked again" in said[0]
        with pytest.raises(Refused) as caught:
            watch.judge(final=True)
        assert caught.value.exit_code == 3


def test_two_datasets_pass_only_together(case):
    text = case.recipe_path.read_text()
    block = text[text.index("  - credential") : text.index("splits:")]
    case.recipe_path.write_text(text.replace("splits:", block.replace("path: data", "path: nowhere") + "splits:"))
    assert refusal(case).exit_code == 1
