"""The gate's decision: everything VALID and whole and covered, or nothing passes and nothing is left."""

import contextlib
import os
from dataclasses import dataclass

import pytest

from datasigil.datasets.files import build_manifest
from datasigil.datasets.finding import FilesFinding
from datasigil.errors import DatasigilError
from datasigil.gate import GateDataset, GateFile, find_uncovered, run_gate


@dataclass
class Report:
    decision: str
    scope: str = "all files"
    headline: str = ""


class Plan:
    """Stands for the verification plan: runs the check of files as step 9 and decides like it, or as told."""

    def __init__(self, **decisions):
        self.decisions = decisions
        self.manifests = {}
        self.findings = {}

    def __call__(self, dataset, files):
        name = dataset.data.name
        decided = self.decisions.get(name)
        if decided == "no files":
            return Report("VALID")
        finding = self.findings[name] = files(self.manifests[name])
        if isinstance(decided, Report):
            return decided
        return Report(decided or ("VALID" if finding.ok else "INVALID"))


@pytest.fixture
def world(tmp_path):
    """Two datasets below one root, with a bundle beside one and inside the other."""
    root = tmp_path / "data"
    for path in ("one/a.txt", "one/sub/b.txt", "two/c.txt"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    manifests = {name: build_manifest(root / name) for name in ("one", "two")}
    (root / "one.sigil.json").write_text("{}")
    (root / "one.manifest.json").write_text("{}")
    (root / "two/.datasigil").mkdir()
    (root / "two/.datasigil/bundle.sigil.json").write_text("{}")
    (root / "gate.toml").write_text("")
    gate = GateFile(
        (
            GateDataset(root / "one.sigil.json", root / "one"),
            GateDataset(root / "two/.datasigil/bundle.sigil.json", root / "two"),
        ),
        (root,),
        root / "gate.toml",
    )

    def run(snapshots=None, **decisions):
        plan = Plan(**decisions)
        plan.manifests = manifests
        outcome = run_gate(gate, verify=plan, snapshots=snapshots)
        return outcome, plan

    run.root, run.gate, run.manifests, run.place = root, gate, manifests, tmp_path / "snapshots"
    return run


def test_all_valid_and_covered_passes_with_a_snapshot_of_each(world):
    outcome, plan = world(world.place)
    assert (outcome.decision, outcome.exit_code) == ("VALID", 0)
    assert [result.snapshot.root.name for result in outcome.results] == ["0000-one", "0001-two"]
    assert (outcome.results[0].snapshot.root / "sub/b.txt").read_text() == "one/sub/b.txt"
    assert outcome.uncovered == ()
    assert all(finding.establishes("sha256") and finding.establishes("blake3") for finding in plan.findings.values())
    outcome.remove_snapshots()
    assert os.listdir(world.place) == []


def test_gate_without_snapshots_computes_every_digest_too(world):
    outcome, plan = world()
    assert outcome.decision == "VALID"
    assert all(finding.establishes("sha256") for finding in plan.findings.values())
    assert all(result.snapshot is None for result in outcome.results)


@pytest.mark.parametrize(
    ("decided", "decision", "exit_code"),
    [
        ("INVALID", "INVALID", 1),
        ("INDETERMINATE", "INDETERMINATE", 3),
        ("SOMETHING ELSE", "INVALID", 1),
        ("", "VALID", 0),
    ],
)
def test_one_dataset_that_is_not_valid_refuses_all(world, decided, decision, exit_code):
    outcome, _ = world(world.place, two=decided)
    assert (outcome.decision, outcome.exit_code) == (decision, exit_code)
    if exit_code:
        assert all(result.snapshot is None for result in outcome.results)
        assert os.listdir(world.place) == []
        assert "1 of 2" in outcome.headline


def test_invalid_outweighs_indeterminate(world):
    outcome, _ = world(world.place, one="INDETERMINATE", two="INVALID")
    assert outcome.decision == "INVALID"


@pytest.mark.parametrize("scope", ["part", "credential", ""])
def test_valid_for_less_than_all_files_is_refused(world, scope):
    outcome, _ = world(world.place, two=Report("VALID", scope))
    assert outcome.decision == "INVALID"
    assert os.listdir(world.place) == []


def test_report_that_says_valid_without_having_looked_at_the_files_is_refused(world):
    outcome, _ = world(world.place, two="no files")
    assert outcome.results[1].decision == "INVALID"
    assert outcome.decision == "INVALID"


def test_report_that_says_valid_over_a_bad_finding_is_refused(world):
    (world.root / "two/c.txt").write_text("changed")
    outcome, _ = world(world.place, two=Report("VALID"))
    assert outcome.results[1].decision == "INVALID"
    assert os.listdir(world.place) == []


def test_changed_byte_refuses(world):
    (world.root / "one/a.txt").write_text("one/a.tx_")
    outcome, _ = world(world.place)
    assert outcome.decision == "INVALID"
    assert outcome.uncovered == ()  # the file is listed; what is wrong with it stands in the dataset's own report


def test_data_of_another_dataset_refuses(world):
    world.gate = None
    swapped = {"one": world.manifests["two"], "two": world.manifests["one"]}
    world.manifests.update(swapped)
    outcome, plan = world(world.place)
    assert outcome.decision == "INVALID"
    assert not any(finding.ok for finding in plan.findings.values())


def test_error_of_the_disk_is_raised_and_leaves_no_copy(world, monkeypatch):
    from datasigil.gate import decision

    real = decision.snapshot_files

    def full(manifest, source, dest, **keywords):
        if source.name == "two":
            raise DatasigilError("DISK_FULL", "full")
        return real(manifest, source, dest, **keywords)

    monkeypatch.setattr(decision, "snapshot_files", full)
    with pytest.raises(DatasigilError) as caught:
        world(world.place)
    assert caught.value.code == "DISK_FULL"
    assert os.listdir(world.place) == []


def test_error_that_a_verifier_swallows_is_raised_all_the_same(world, monkeypatch):
    (world.root / "two").rename(world.root.parent / "gone")

    def verify(dataset, files):
        with contextlib.suppress(DatasigilError):
            files(world.manifests[dataset.data.name])
        return Report("VALID")

    with pytest.raises(DatasigilError) as caught:
        run_gate(world.gate, verify=verify, snapshots=world.place)
    assert caught.value.code == "DATA_FOLDER"
    assert os.listdir(world.place) == []


def test_verifier_that_raises_leaves_no_copy(world):
    def verify(dataset, files):
        files(world.manifests[dataset.data.name])
        if dataset.data.name == "two":
            raise KeyboardInterrupt
        return Report("VALID")

    with pytest.raises(KeyboardInterrupt):
        run_gate(world.gate, verify=verify, snapshots=world.place)
    assert os.listdir(world.place) == []


def test_gate_without_datasets_refuses():
    outcome = run_gate(GateFile(()), verify=lambda *_: Report("VALID"))
    assert outcome.decision == "INVALID"


def test_gate_without_roots_says_that_it_did_not_look_further(world):
    (world.root / "stray.txt").write_text("x")
    world.gate = GateFile(world.gate.datasets)
    plan = Plan()
    plan.manifests = world.manifests
    outcome = run_gate(world.gate, verify=plan)
    assert outcome.decision == "VALID"
    assert "no roots" in outcome.headline


# Coverage -------------------------------------------------------------------------------------------------------------


def uncovered(world, *, roots=None, names=("one", "two")):
    found = find_uncovered(
        roots or [world.root],
        [(world.root / name, world.manifests[name]) for name in names],
        evidence=[world.root / name for name in ("one.sigil.json", "one.manifest.json", "gate.toml")],
    )
    return {(one.code, os.path.relpath(one.path, world.root)) for one in found}


def test_file_below_a_root_that_no_dataset_lists_refuses_the_gate(world):
    (world.root / "stray.txt").write_text("x")
    outcome, _ = world(world.place)
    assert (outcome.decision, outcome.exit_code) == ("INVALID", 1)
    assert [one.code for one in outcome.uncovered] == ["UNCOVERED"]
    assert os.listdir(world.place) == []


def test_folder_that_no_credential_covers_is_listed_file_by_file(world):
    assert uncovered(world, names=("one",)) == {
        ("UNCOVERED", "two/c.txt"),
        ("UNCOVERED", "two/.datasigil/bundle.sigil.json"),
    }


def test_extra_files_links_and_special_files_are_found_anywhere_below_a_root(world):
    (world.root / "one/new.txt").write_text("x")
    (world.root / "link").symlink_to(world.root / "one")
    os.mkfifo(world.root / "pipe")
    assert uncovered(world) == {("UNCOVERED", "one/new.txt"), ("SYMLINK", "link"), ("SPECIAL_FILE", "pipe")}


def test_evidence_folder_is_no_hiding_place(world):
    (world.root / "two/.datasigil/poison.jsonl").write_text("x")
    (world.root / "two/.datasigil/deep").mkdir()
    (world.root / "two/.datasigil/deep/x.json").write_text("x")
    (world.root / ".datasigil").mkdir()
    (world.root / ".datasigil/x.json").write_text("x")
    assert uncovered(world) == {
        ("UNCOVERED", "two/.datasigil/poison.jsonl"),
        ("UNCOVERED", "two/.datasigil/deep/x.json"),
        ("UNCOVERED", ".datasigil/x.json"),
    }


def test_ignored_paths_are_not_covered(world):
    (world.root / "one/.git").mkdir()
    (world.root / "one/.git/config").write_text("x")
    world.manifests["one"] = build_manifest(world.root / "one", ignored=(".git/",))
    assert uncovered(world) == {("UNCOVERED", "one/.git/config")}


def test_root_inside_a_dataset_is_covered(world):
    assert uncovered(world, roots=[world.root / "one/sub"]) == set()


def test_roots_and_datasets_may_be_named_through_links(world, tmp_path):
    (tmp_path / "alias").symlink_to(world.root)
    found = find_uncovered(
        [tmp_path / "alias"],
        [(tmp_path / "alias" / name, world.manifests[name]) for name in ("one", "two")],
        evidence=[tmp_path / "alias" / name for name in ("one.sigil.json", "one.manifest.json", "gate.toml")],
    )
    assert found == ()


def test_dataset_reached_through_a_link_below_a_root_is_refused(world, tmp_path):
    (world.root / "two").rename(tmp_path / "elsewhere")
    (world.root / "two").symlink_to(tmp_path / "elsewhere")
    assert uncovered(world) == {("SYMLINK", "two")}


def test_folder_whose_name_starts_like_a_dataset_is_not_covered(world):
    (world.root / "one-more").mkdir()
    (world.root / "one-more/a.txt").write_text("one/a.txt")
    assert uncovered(world) == {("UNCOVERED", "one-more/a.txt")}


def test_root_that_is_no_folder_is_an_error(world):
    with pytest.raises(DatasigilError) as caught:
        uncovered(world, roots=[world.root / "absent"])
    assert caught.value.code == "DATA_FOLDER"


def test_very_many_uncovered_files_are_cut_off(tmp_path):
    for number in range(1100):
        (tmp_path / str(number)).touch()
    assert len(find_uncovered([tmp_path], [])) == 1000


def test_finding_type_is_what_the_plan_expects(world):
    _, plan = world()
    assert all(isinstance(finding, FilesFinding) for finding in plan.findings.values())
