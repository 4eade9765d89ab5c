"""What a client remembers, what it refuses because of it, and what happens when its files are damaged."""

import os
import stat
from datetime import timedelta

import pytest
from simulator import NOW, Log, signer_of

from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, LogError, StatusError
from datasigil.transparency.checkpoint import open_checkpoint
from datasigil.transparency.client_state import ClientState, RememberedStatusList
from datasigil.transparency.durable import write_durably

ORIGIN = "registry.example/log"


def log_of(*entries: str) -> Log:
    log = Log(ORIGIN, signer_of("log"), signer_of("time"))
    for entry in entries:
        log.append(entry.encode())
    return log


def head(log: Log, size: int | None = None, at=NOW):
    return open_checkpoint(log.checkpoint(at, size=size), log.key, (log.time_key,), allow_empty=True)


@pytest.fixture
def state(tmp_path) -> ClientState:
    return ClientState(tmp_path / "state")


@pytest.fixture
def log() -> Log:
    return log_of(*"abcdefghijk")


def code_of(caught) -> str:
    return caught.value.code


# Checkpoints --------------------------------------------------------------------------------------------------------


def test_nothing_is_remembered_at_first_and_nothing_is_created_by_asking(state):
    assert state.newest_checkpoint(ORIGIN) is None
    assert state.newest_status_list("https://registry.example/l") is None
    assert state.clock_floor() is None
    state.check_clock(NOW)
    assert not state.directory.exists()


def test_newest_checkpoint_is_remembered_across_runs(state, log):
    state.observe_checkpoint(head(log, 5))
    state.observe_checkpoint(head(log, 11), log.tree.consistency(5, 11))
    checkpoint, note = ClientState(state.directory).newest_checkpoint(ORIGIN)
    assert (checkpoint.size, checkpoint.root) == (11, log.tree.root)
    assert note == head(log, 11).note


def test_same_checkpoint_again_needs_no_proof(state, log):
    state.observe_checkpoint(head(log, 5))
    state.observe_checkpoint(head(log, 5, NOW + timedelta(hours=1)))
    assert state.clock_floor() == Instant.from_datetime(NOW + timedelta(hours=1))


def test_empty_log_is_consistent_with_every_later_one(state, log):
    state.observe_checkpoint(head(log_of()))
    state.observe_checkpoint(head(log, 5))
    assert state.newest_checkpoint(ORIGIN)[0].size == 5


def test_smaller_head_fetched_as_current_is_a_rollback(state, log):
    state.observe_checkpoint(head(log, 11))
    with pytest.raises(LogError) as caught:
        state.observe_checkpoint(head(log, 5))
    assert code_of(caught) == "LOG_ROLLBACK"
    assert state.newest_checkpoint(ORIGIN)[0].size == 11


def test_empty_head_after_entries_is_a_rollback(state, log):
    state.observe_checkpoint(head(log, 11))
    with pytest.raises(LogError) as caught:
        state.observe_checkpoint(head(log_of()))
    assert code_of(caught) == "LOG_ROLLBACK"


def test_older_checkpoint_of_a_bundle_is_no_rollback(state, log):
    state.observe_checkpoint(head(log, 11))
    state.check_bundle_checkpoint(head(log, 5))
    assert state.newest_checkpoint(ORIGIN)[0].size == 11


def test_newer_checkpoint_of_a_bundle_is_not_remembered_as_fetched(state, log):
    state.observe_checkpoint(head(log, 5))
    state.check_bundle_checkpoint(head(log, 11))
    assert state.newest_checkpoint(ORIGIN)[0].size == 5


@pytest.mark.parametrize("seen_in", ["fetched head", "bundle"])
def test_two_roots_of_one_size_are_a_split_view_and_both_notes_are_saved(state, log, seen_in):
    other = log_of(*"abcdefghijX")
    state.observe_checkpoint(head(log))
    look = state.observe_checkpoint if seen_in == "fetched head" else state.check_bundle_checkpoint
    with pytest.raises(LogError) as caught:
        look(head(other))
    assert code_of(caught) == "SPLIT_VIEW"
    saved = {file.read_bytes() for file in (state.directory / "split-views").rglob("*.note")}
    assert saved == {head(log).note, head(other).note}


def test_split_view_is_never_forgotten_by_itself(state, log):
    state.observe_checkpoint(head(log))
    with pytest.raises(LogError):
        state.observe_checkpoint(head(log_of(*"abcdefghijX")))
    log.append(b"later")
    for look in (
        lambda: state.observe_checkpoint(head(log), log.tree.consistency(11)),
        lambda: state.check_bundle_checkpoint(head(log, 5)),
        lambda: ClientState(state.directory).newest_checkpoint(ORIGIN),
    ):
        with pytest.raises(LogError) as caught:
            look()
        assert code_of(caught) == "SPLIT_VIEW"


def test_split_view_of_one_log_does_not_touch_another(state, log):
    state.observe_checkpoint(head(log))
    with pytest.raises(LogError):
        state.observe_checkpoint(head(log_of(*"abcdefghijX")))
    other = Log("other.example/log", signer_of("other"), signer_of("time"))
    other.append(b"x")
    state.observe_checkpoint(open_checkpoint(other.checkpoint(NOW), other.key, (other.time_key,)))
    assert state.newest_checkpoint("other.example/log")[0].size == 1


@pytest.mark.parametrize("mistake", ["no proof", "proof of another tree", "proof too long"])
def test_larger_head_without_a_consistency_proof_is_refused_and_both_notes_are_saved(state, log, mistake):
    state.observe_checkpoint(head(log, 5))
    proof = {
        "no proof": [],
        "proof of another tree": log_of(*"Xbcdefghijk").tree.consistency(5),
        "proof too long": [*log.tree.consistency(5), b"\0" * 32],
    }[mistake]
    with pytest.raises(LogError) as caught:
        state.observe_checkpoint(head(log, 11), proof)
    assert code_of(caught) == "CONSISTENCY"
    assert state.newest_checkpoint(ORIGIN)[0].size == 5
    assert len(list((state.directory / "inconsistent").rglob("*.note"))) == 2


def test_rewritten_history_is_refused(state, log):
    state.observe_checkpoint(head(log, 5))
    rewritten = log_of(*"abcdXfghijk")
    with pytest.raises(LogError) as caught:
        state.observe_checkpoint(head(rewritten), rewritten.tree.consistency(5))
    assert code_of(caught) == "CONSISTENCY"


def test_checkpoint_remembered_under_a_rotated_log_key_still_counts(state, log):
    state.observe_checkpoint(head(log, 5))
    renewed = Log(ORIGIN, signer_of("next log key"), signer_of("time"))
    for entry in log.entries:
        renewed.append(entry)
    with pytest.raises(LogError):
        state.observe_checkpoint(head(renewed, 3))
    state.observe_checkpoint(head(renewed), renewed.tree.consistency(5))
    assert state.newest_checkpoint(ORIGIN)[0].size == 11


# Clock --------------------------------------------------------------------------------------------------------------


def test_clock_floor_rises_and_never_falls(state, log):
    late = NOW + timedelta(days=3)
    state.observe_checkpoint(head(log, 5, late))
    state.raise_clock_floor(head(log, 5, NOW))
    assert state.clock_floor() == Instant.from_datetime(late)
    state.check_clock(late)
    state.check_clock(late - timedelta(seconds=60))
    with pytest.raises(LogError) as caught:
        state.check_clock(late - timedelta(seconds=61))
    assert code_of(caught) == "CLOCK_BEHIND"


def test_times_by_keys_outside_the_trust_file_do_not_raise_the_floor(state, log):
    note = log.checkpoint(NOW + timedelta(days=3650))
    state.observe_checkpoint(open_checkpoint(note, log.key, ()))
    assert state.clock_floor() is None


# Status lists -------------------------------------------------------------------------------------------------------


def status_list(size: int | None = 5, at=NOW, bits: str = "00", origin: str = ORIGIN) -> RememberedStatusList:
    return RememberedStatusList(
        "https://registry.example/status-lists/p/revocation", Instant.from_datetime(at), bits * 32,
        None if size is None else (origin, size), {"id": "x", "bits": bits},
    )  # fmt: skip


def test_newest_status_list_is_remembered_as_it_was(state):
    state.observe_status_list(status_list(5))
    state.observe_status_list(status_list(6, bits="80"))
    assert state.newest_status_list(status_list().id) == status_list(6, bits="80")


@pytest.mark.parametrize(
    "older",
    [
        status_list(4, NOW + timedelta(hours=1)),
        status_list(5, NOW - timedelta(seconds=1)),
        status_list(None, NOW - timedelta(seconds=1)),
        status_list(9, NOW - timedelta(seconds=1), origin="other.example/log"),
    ],
)
def test_list_older_than_the_remembered_one_is_a_rollback(state, older):
    state.observe_status_list(status_list(5))
    with pytest.raises(StatusError) as caught:
        state.observe_status_list(older)
    assert code_of(caught) == "STATUS_ROLLBACK"
    assert state.newest_status_list(status_list().id) == status_list(5)


def test_same_list_again_and_a_re_signed_one_are_fine(state):
    state.observe_status_list(status_list(5))
    state.observe_status_list(status_list(5))
    state.observe_status_list(status_list(5, NOW + timedelta(hours=1)))
    assert state.newest_status_list(status_list().id).valid_from == Instant.from_datetime(NOW + timedelta(hours=1))


def test_two_replays_of_one_log_with_different_bits_are_equivocation(state):
    state.observe_status_list(status_list(5))
    with pytest.raises(StatusError) as caught:
        state.observe_status_list(status_list(5, NOW + timedelta(hours=1), bits="80"))
    assert code_of(caught) == "STATUS_EQUIVOCATION"
    assert len(list((state.directory / "split-lists").rglob("*.note"))) == 2


# Damage -------------------------------------------------------------------------------------------------------------


def full_state(state: ClientState, log: Log) -> dict:
    state.observe_checkpoint(head(log, 5))
    state.observe_status_list(status_list())
    return {file: file.read_bytes() for file in state.directory.rglob("*") if file.is_file() and file.name != ".lock"}


def test_every_truncated_state_file_is_refused_by_name_and_never_taken_for_nothing(state, log):
    questions = {
        ".note": lambda: state.newest_checkpoint(ORIGIN),
        "clock.json": state.clock_floor,
        ".json": lambda: state.newest_status_list(status_list().id),
    }
    files = full_state(state, log)
    assert len(files) == 3
    for file, whole in files.items():
        ask = next(question for ending, question in questions.items() if file.name.endswith(ending))
        for end in range(0, len(whole), 3):
            file.write_bytes(whole[:end])
            with pytest.raises(DatasigilError) as caught:
                ask()
            assert code_of(caught) == "CLIENT_STATE"
            assert str(file) in caught.value.place
            assert caught.value.next_action
        file.write_bytes(whole)
        ask()


def test_damaged_checkpoint_is_not_mistaken_for_a_split_view(state, log):
    files = full_state(state, log)
    file = next(file for file in files if file.suffix == ".note")
    lines = files[file].split(b"\n")
    lines[2] = log_of(*"abcdX").checkpoint(NOW).split(b"\n")[2]
    file.write_bytes(b"\n".join(lines))
    for look in (state.observe_checkpoint, state.check_bundle_checkpoint):
        with pytest.raises(DatasigilError) as caught:
            look(head(log, 5))
        assert code_of(caught) == "CLIENT_STATE"
    assert not (state.directory / "split-views").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b'{"type":"ClockFloor","formatVersion":2,"time":"2026-01-01T00:00:00Z"}',
        b"\xff" * 10,
        b"x" * 5000,
    ],
)
def test_unreadable_clock_file_is_refused(state, log, content):
    full_state(state, log)
    (state.directory / "clock.json").write_bytes(content)
    with pytest.raises(DatasigilError) as caught:
        state.check_clock(NOW)
    assert code_of(caught) == "CLIENT_STATE"


def test_checkpoint_file_of_another_log_is_refused(state, log):
    full_state(state, log)
    other = Log("other.example/log", signer_of("other"), signer_of("time"))
    other.append(b"x")
    file = next((state.directory / "checkpoints").iterdir())
    file.write_bytes(other.checkpoint(NOW))
    with pytest.raises(DatasigilError) as caught:
        state.newest_checkpoint(ORIGIN)
    assert code_of(caught) == "CLIENT_STATE"


def test_folder_that_cannot_be_used_is_an_error_that_names_it(tmp_path, log):
    (tmp_path / "file").write_text("in the way")
    state = ClientState(tmp_path / "file" / "state")
    with pytest.raises(DatasigilError) as caught:
        state.observe_checkpoint(head(log, 5))
    assert code_of(caught) == "CLIENT_STATE"
    assert "XDG_STATE_HOME" in caught.value.next_action


def test_origins_never_become_paths(state):
    evil = Log("../../../etc/passwd", signer_of("log"), signer_of("time"))
    evil.append(b"x")
    state.observe_checkpoint(open_checkpoint(evil.checkpoint(NOW), evil.key, (evil.time_key,)))
    assert all(state.directory in file.parents for file in state.directory.parent.rglob("*.note"))
    assert not list(state.directory.rglob("passwd*"))


# Durable files ------------------------------------------------------------------------------------------------------


def test_failed_write_leaves_the_old_file_and_no_half_written_neighbour(tmp_path, monkeypatch):
    target = tmp_path / "file.json"
    write_durably(target, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(target, b"new")
    assert target.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]


def test_interrupted_write_leaves_no_half_written_neighbour(tmp_path, monkeypatch):
    target = tmp_path / "file.json"

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_durably(target, b"new")
    assert list(tmp_path.iterdir()) == []


def test_file_and_folder_are_synced_before_the_write_counts(tmp_path, monkeypatch):
    order = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda handle: order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file") or sync(handle),
    )
    monkeypatch.setattr(os, "replace", lambda *names: order.append("rename") or rename(*names))
    write_durably(tmp_path / "file.json", b"data")
    assert order == ["file", "rename", "folder"]
