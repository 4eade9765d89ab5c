"""The worker's gate: unverified data is refused, and the attacks that work against training libraries lose here."""

import contextlib
import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from datasigil.bundle import bundle_bytes
from datasigil.errors import DatasigilError
from datasigil.trust.policy import parse_policy
from training_worker.gate import Refused, passed_bundle, passed_gate
from training_worker.preparation import divide_files
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


# Licence and use ---------------------------------------------------------------------------------------------------


def reissue(case, **subject) -> None:
    """Put another credential about the same data in the place of the case's own."""
    first = case.document["id"]
    case.document = case.world.issue(subject=subject)
    case.world.publish(case.document)
    case.evidence()
    case.recipe_path.write_text(case.recipe_path.read_text().replace(first, case.document["id"]))


def licensed(expression: str) -> dict:
    return {"license": {"expression": expression, "assurance": "declared"}}


FORBIDDEN = [
    (licensed("CC-BY-ND-4.0"), "LICENSE_USE_UNKNOWN"),
    (licensed("CC-BY-NC-ND-4.0"), "LICENSE_USE_UNKNOWN"),
    (licensed("unknown"), "LICENSE_UNKNOWN"),
    (licensed("LicenseRef-Ours"), "LICENSE_TEXT"),
    (licensed("CC-BY-4.0 AND CC-BY-ND-4.0"), "LICENSE_USE_UNKNOWN"),
    ({"prohibitedPurpose": ["fine-tuning"]}, "USE_PROHIBITED"),
    ({"hasPolicy": {"type": "Offer", "permission": [{"action": "use"}], "prohibition": [{"action": "ai-training"}]}}, "USE_NOT_PERMITTED"),
    ({"hasPolicy": {"type": "Offer", "permission": [{"action": "research"}]}}, "USE_NOT_PERMITTED"),
    ({"tdmReservation": {"value": "reserved", "observedAt": "2026-11-01T00:00:00Z"}, "rightsBasis": "unknown"}, "TDM_RESERVED"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "code"), FORBIDDEN)
@pytest.mark.parametrize("use", ["", 'use = "evaluation"\n', 'use = "fine-tuning"\n'])
def test_a_licence_or_use_that_forbids_training_refuses_whatever_the_trust_file_asks(case, subject, code, use):
    reissue(case, **subject)
    extra = f"\n[requirements]\n{use}" if use else ""
    found = refusal(case, policy=parse_policy(case.world.policy_toml(extra=extra).encode()))
    assert found.exit_code in (1, 3)
    assert code in found.reports[0].codes


def test_a_commercial_intent_refuses_what_forbids_it(case):
    reissue(case, **licensed("CC-BY-NC-4.0"))
    extra = '\n[requirements]\nuse = "fine-tuning"\ncommercial = true\n'
    found = refusal(case, policy=parse_policy(case.world.policy_toml(extra=extra).encode()))
    assert "LICENSE_USE" in found.reports[0].codes


def mix(case, *expressions: str) -> None:
    """Make the recipe name one dataset per licence, all of the same bytes in folders of their own."""
    import shutil

    text = case.recipe_path.read_text()
    block = text[text.index("  - credential") : text.index("splits:")]
    blocks = []
    for number, expression in enumerate(expressions):
        document = case.world.issue(subject=licensed(expression) | {"name": f"Set {number + 1}"})
        case.world.publish(document)
        (case.folder / f"{number}.sigil.json").write_bytes(bundle_bytes(case.world.bundle(document)))
        shutil.copytree(case.data, case.folder / f"set{number}")
        blocks.append(
            block.replace(case.document["id"], document["id"])
            .replace("data.sigil.json", f"{number}.sigil.json")
            .replace("path: data", f"path: set{number}")
        )
    case.recipe_path.write_text(text.replace(block, "".join(blocks)))


SHARING = '\n[requirements]\nuse = "fine-tuning"\nshare = "model"\n'


def test_a_mix_whose_licences_do_not_go_together_names_the_minimal_set(case):
    mix(case, "CC-BY-4.0", "CC-BY-SA-4.0", "GPL-2.0-only")
    found = refusal(case, policy=parse_policy(case.world.policy_toml(extra=SHARING).encode()))
    assert (found.exit_code, found.error.code) == (1, "LICENSE_CONFLICT")
    assert "2 (set1)" in found.error.message
    assert "3 (set2)" in found.error.message
    assert "set0" not in found.error.message
    assert "drop" in found.error.next_action
    assert [report.decision for report in found.reports] == ["VALID"] * 3


def test_the_same_mix_passes_where_nothing_leaves_the_house_and_its_duties_are_recorded(case):
    mix(case, "CC-BY-4.0", "CC-BY-SA-4.0", "GPL-2.0-only")
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        assert any("attribution" in duty for duty in gate.document()["duties"])
        assert gate.document()["use"] == "fine-tuning"


def test_a_mix_is_judged_again_while_the_run_goes_on(case):
    mix(case, "CC-BY-4.0", "MIT")
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        assert Watch(gate, case.settings(), lambda: case.world.now).judge(final=True) is None


# Published attacks on training libraries -------------------------------------------------------------------------------


def test_an_edited_arrow_cache_is_never_looked_at(case, tmp_path, monkeypatch):
    """What `datasets` does: a cached copy, mutable and mapped into memory, is believed by its name. Here nothing maps or caches."""
    import pyarrow as pa

    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(cache))
    table = pa.table({"text": ["evil"], "label": ["payment"]})
    for name in ("json-train.arrow", "cache-0123456789abcdef.arrow"):
        with pa.OSFile(str(cache / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        divided = divide_files(case.request().recipe, [gate.datasets[0].files])
        # The originals are rewritten after the records were read: they are plain values and do not change.
        (case.data / "train.jsonl").write_bytes(b'{"text": "evil", "label": "payment", "document": "d"}\n')
        texts = {example.record.text for name in ("train", "validation", "test") for example in divided.partition.split(name)}  # fmt: skip
        assert "evil" not in texts
        mapped = Path("/proc/self/maps").read_text() if Path("/proc/self/maps").exists() else ""
        assert str(gate.datasets[0].files.root) not in mapped
    assert {path.name for path in cache.iterdir()} == {"json-train.arrow", "cache-0123456789abcdef.arrow"}


def test_a_folder_swapped_for_a_link_is_refused(case):
    moved = case.folder / "elsewhere"
    case.data.rename(moved)
    case.data.symlink_to(moved, target_is_directory=True)
    inner = case.folder / "moved"
    moved.rename(inner)
    assert refusal(case).exit_code == 1


def test_a_swap_while_the_gate_reads_is_refused_or_unseen(case, monkeypatch):
    """The racer of the threat model: the file changes between two reads of the gate; nothing but signed bytes come out."""
    from datasigil.gate import snapshot

    good = (case.data / "train.jsonl").read_bytes()
    opened = []
    real = snapshot.os.open

    def swap(path, *arguments, **options):
        descriptor = real(path, *arguments, **options)
        if str(path).endswith("train.jsonl") and not opened:
            opened.append(path)
            (case.data / "train.jsonl").write_bytes(good.replace(b"payment", b"secrecy"))
        return descriptor

    monkeypatch.setattr(snapshot.os, "open", swap)
    seen = []
    with contextlib.suppress(Refused), passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        seen.append(gate.datasets[0].files.read("train.jsonl"))
    assert seen in ([], [good])
    assert opened


def test_two_datasets_pass_only_together(case):
    text = case.recipe_path.read_text()
    block = text[text.index("  - credential") : text.index("splits:")]
    case.recipe_path.write_text(text.replace("splits:", block.replace("path: data", "path: nowhere") + "splits:"))
    assert refusal(case).exit_code == 1
