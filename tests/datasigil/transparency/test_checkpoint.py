"""Checkpoints: what a log's signature, a time key and witnesses establish, and what is refused."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from simulator import NOW, Log, Witnessing, signer_of, vkey_of

from datasigil.errors import DatasigilError, LogError, MalformedError
from datasigil.transparency.checkpoint import (
    EMPTY_ROOT,
    Checkpoint,
    Witness,
    add_signatures,
    asserted_time,
    cosign_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    require_fresh,
    require_quorum,
    sign_checkpoint,
    unverified_checkpoint,
)
from datasigil.transparency.note import COSIGNATURE_V1, NoteSignature, new_vkey, parse_note

ORIGIN = "registry.example/log"
ROOT = sha256(b"root").digest()
ROOT_LINE = b64encode(ROOT).decode()


@pytest.fixture
def log() -> Log:
    log = Log(ORIGIN, signer_of("log"), signer_of("time"))
    log.append(b"first")
    log.append(b"second")
    return log


def witness(name: str, principal: str | None = None) -> Witnessing:
    signer = signer_of(name)
    return Witnessing(principal or name, signer, vkey_of(name, signer, COSIGNATURE_V1))


def opened(log: Log, *witnesses: Witnessing, at: datetime = NOW):
    keys = (log.time_key, *(one.key for one in witnesses))
    return open_checkpoint(log.checkpoint(at, witnesses), log.key, keys)


def test_checkpoint_text_is_three_lines_and_reads_back():
    checkpoint = Checkpoint(ORIGIN, 20852163, ROOT)
    assert checkpoint.text() == f"{ORIGIN}\n20852163\n{ROOT_LINE}\n"
    assert parse_checkpoint(checkpoint.text()) == checkpoint


def test_checkpoint_example_of_the_specification_parses():
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert parse_checkpoint(text).size == 20852163


MALFORMED = {
    "empty": "",
    "root missing": f"{ORIGIN}\n1\n",
    "size line missing": f"{ORIGIN}\n{ROOT_LINE}\n",
    "empty origin": f"\n1\n{ROOT_LINE}\n",
    "extension line": f"{ORIGIN}\n1\n{ROOT_LINE}\nextension\n",
    "empty extension line": f"{ORIGIN}\n1\n{ROOT_LINE}\n\n",
    "no final newline": f"{ORIGIN}\n1\n{ROOT_LINE}",
    "negative size": f"{ORIGIN}\n-5\n{ROOT_LINE}\n",
    "plus sign": f"{ORIGIN}\n+5\n{ROOT_LINE}\n",
    "leading zero": f"{ORIGIN}\n05\n{ROOT_LINE}\n",
    "two zeros": f"{ORIGIN}\n00\n{ROOT_LINE}\n",
    "space before size": f"{ORIGIN}\n 5\n{ROOT_LINE}\n",
    "underscore in size": f"{ORIGIN}\n1_0\n{ROOT_LINE}\n",
    "hexadecimal size": f"{ORIGIN}\n0x5\n{ROOT_LINE}\n",
    "exponent": f"{ORIGIN}\n1e3\n{ROOT_LINE}\n",
    "Arabic digit": f"{ORIGIN}\n٣\n{ROOT_LINE}\n",
    "fraction": f"{ORIGIN}\n5.0\n{ROOT_LINE}\n",
    "size past 2^53-1": f"{ORIGIN}\n9007199254740992\n{ROOT_LINE}\n",
    "size of 5000 digits": f"{ORIGIN}\n{'9' * 5000}\n{ROOT_LINE}\n",
    "root of 31 bytes": f"{ORIGIN}\n1\n{b64encode(ROOT[:31]).decode()}\n",
    "root of 33 bytes": f"{ORIGIN}\n1\n{b64encode(ROOT + b'x').decode()}\n",
    "root with junk": f"{ORIGIN}\n1\n!!!!AAAA\n",
    "root without padding": f"{ORIGIN}\n1\n{ROOT_LINE.rstrip('=')}\n",
    "root in hexadecimal": f"{ORIGIN}\n1\n{ROOT.hex()}\n",
    "root with trailing space": f"{ORIGIN}\n1\n{ROOT_LINE} \n",
    "empty tree with a root": f"{ORIGIN}\n0\n{ROOT_LINE}\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_checkpoints_are_refused(name):
    with pytest.raises(MalformedError) as caught:
        parse_checkpoint(MALFORMED[name])
    assert caught.value.code == "CHECKPOINT"


def test_malformed_checkpoints_are_not_signed():
    key = vkey_of(ORIGIN, signer_of("log"))
    for broken in (Checkpoint(ORIGIN, -1, ROOT), Checkpoint(ORIGIN, 1, ROOT[:5]), Checkpoint("a\nb", 1, ROOT)):
        with pytest.raises(DatasigilError):
            sign_checkpoint(broken, key, signer_of("log").sign)


def test_log_does_not_sign_under_another_origin():
    with pytest.raises(LogError):
        sign_checkpoint(
            Checkpoint("other.example/log", 1, ROOT), vkey_of(ORIGIN, signer_of("log")), signer_of("log").sign
        )


def test_opened_checkpoint_names_size_root_and_signed_times(log):
    verified = opened(log)
    assert verified.checkpoint == Checkpoint(ORIGIN, 2, log.tree.root)
    assert verified.times_by(log.time_key) == (NOW,)
    assert asserted_time(verified, log.time_key) == NOW


def test_checkpoint_of_another_log_is_an_unknown_log(log):
    other = Log("other.example/log", signer_of("log"), signer_of("time"))
    other.append(b"first")
    with pytest.raises(LogError) as caught:
        open_checkpoint(other.checkpoint(NOW), log.key)
    assert caught.value.code == "UNKNOWN_LOG"


def test_checkpoint_signed_by_another_key_under_the_same_origin_is_refused(log):
    impostor = Log(ORIGIN, signer_of("impostor"), signer_of("time"))
    impostor.append(b"first")
    with pytest.raises(LogError) as caught:
        open_checkpoint(impostor.checkpoint(NOW), log.key)
    assert caught.value.code == "CHECKPOINT"


def test_every_flipped_bit_of_the_note_is_refused(log):
    """Lines by unknown keys may be anything, so the note carries only the log's line and the time key's line."""
    note = log.checkpoint(NOW)
    original = parse_note(note)
    codes = set()
    for at in range(len(note)):
        for bit in (0x01, 0x20):
            changed = note[:at] + bytes([note[at] ^ bit]) + note[at + 1 :]
            try:
                verified = open_checkpoint(changed, log.key, (log.time_key,))
            except DatasigilError as error:
                codes.add(error.code)
            else:
                # Only the name or key id of the time key's line can change: then it is a line by an unknown key.
                assert verified.cosignatures == ()
                assert parse_note(changed).text == original.text
    assert codes == {"CHECKPOINT", "UNKNOWN_LOG"}


def test_unknown_signatures_are_ignored(log):
    stranger = witness("stranger.example")
    note = log.checkpoint(NOW, (stranger,))
    post_quantum = NoteSignature("pq.example", b"\x01\x02\x03\x04", b"m" * 2428)
    verified = open_checkpoint(add_signatures(note, [post_quantum]), log.key, (log.time_key,))
    assert [one.key for one in verified.cosignatures] == [log.time_key]


def test_one_bad_line_by_a_known_key_refuses_the_whole_note(log):
    note = log.checkpoint(NOW)
    forged = NoteSignature(log.time_key.name, log.time_key.key_id, (1_700_000_000).to_bytes(8, "big") + b"s" * 64)
    with pytest.raises(LogError) as caught:
        open_checkpoint(add_signatures(note, [forged]), log.key, (log.time_key,))
    assert caught.value.code == "CHECKPOINT"


@pytest.mark.parametrize("seconds", [0, 2**63, 2**64 - 1, 253_402_300_800])
def test_cosignature_with_an_impossible_time_is_refused(log, seconds):
    note = log.checkpoint(NOW)
    message = f"cosignature/v1\ntime {seconds}\n{parse_note(note).text}".encode()
    signature = seconds.to_bytes(8, "big") + signer_of("time").sign(message)
    line = NoteSignature(log.time_key.name, log.time_key.key_id, signature)
    with pytest.raises(LogError) as caught:
        open_checkpoint(add_signatures(note, [line]), log.key, (log.time_key,))
    assert caught.value.code == "CHECKPOINT"


def test_changing_only_the_timestamp_bytes_is_refused(log):
    note = log.checkpoint(NOW)
    lines = parse_note(note).signatures
    later = NoteSignature(lines[1].name, lines[1].key_id, (2_000_000_000).to_bytes(8, "big") + lines[1].signature[8:])
    changed = str(later).encode()
    with pytest.raises(LogError):
        open_checkpoint(note.replace(str(lines[1]).encode(), changed), log.key, (log.time_key,))


def test_note_signature_is_no_cosignature_and_the_other_way_round(log):
    """One key used for both types: the message differs, so neither signature stands for the other."""
    signer = signer_of("log")
    as_cosigner = new_vkey(ORIGIN, signer.public_key.raw, COSIGNATURE_V1)
    note = sign_checkpoint(Checkpoint(ORIGIN, 2, log.tree.root), log.key, signer.sign)
    plain = parse_note(note).signatures[0].signature
    relabelled = NoteSignature(ORIGIN, as_cosigner.key_id, NOW.timestamp().__int__().to_bytes(8, "big") + plain)
    with pytest.raises(LogError):
        open_checkpoint(add_signatures(note, [relabelled]), log.key, (as_cosigner,))
    cosigned = cosign_checkpoint(note, as_cosigner, signer.sign, NOW)
    swapped = NoteSignature(ORIGIN, log.key.key_id, cosigned.signature[8:])
    with pytest.raises(LogError):
        open_checkpoint(add_signatures(note, [swapped]), log.key)


def test_cosignature_of_another_checkpoint_is_refused(log):
    line = cosign_checkpoint(log.checkpoint(NOW, size=1), log.time_key, signer_of("time").sign, NOW)
    note = sign_checkpoint(Checkpoint(ORIGIN, 2, log.tree.root), log.key, signer_of("log").sign)
    with pytest.raises(LogError):
        open_checkpoint(add_signatures(note, [line]), log.key, (log.time_key,))


def test_empty_log_proves_nothing():
    log = Log(ORIGIN, signer_of("log"), signer_of("time"))
    note = log.checkpoint(NOW)
    assert unverified_checkpoint(note).root == EMPTY_ROOT
    with pytest.raises(LogError) as caught:
        open_checkpoint(note, log.key)
    assert caught.value.code == "EMPTY_TREE"
    assert open_checkpoint(note, log.key, allow_empty=True).checkpoint.size == 0


def test_cosigners_key_cannot_sign_checkpoints_nor_the_logs_key_cosign(log):
    with pytest.raises(LogError):
        sign_checkpoint(Checkpoint(log.time_key.name, 1, ROOT), log.time_key, signer_of("time").sign)
    with pytest.raises(LogError):
        cosign_checkpoint(log.checkpoint(NOW), log.key, signer_of("log").sign, NOW)
    with pytest.raises(LogError, match="must sign notes"):
        open_checkpoint(log.checkpoint(NOW), new_vkey(ORIGIN, log.key.public_key, COSIGNATURE_V1))


def test_naive_time_is_refused(log):
    with pytest.raises(ValueError, match="naive"):
        cosign_checkpoint(log.checkpoint(NOW), log.time_key, signer_of("time").sign, datetime(2026, 1, 1))


# Age ----------------------------------------------------------------------------------------------------------------


def test_earliest_time_proves_existence_and_newest_proves_freshness(log):
    late = NOW + timedelta(hours=30)
    again = cosign_checkpoint(log.checkpoint(NOW), log.time_key, signer_of("time").sign, late)
    verified = open_checkpoint(add_signatures(log.checkpoint(NOW), [again]), log.key, (log.time_key,))
    assert asserted_time(verified, log.time_key) == NOW
    assert require_fresh(verified, log.time_key, at=late, max_age=timedelta(hours=24)) == late


def test_checkpoint_of_25_hours_is_stale_and_of_24_is_not(log):
    verified, day = opened(log), timedelta(hours=24)
    assert require_fresh(verified, log.time_key, at=NOW + day, max_age=day) == NOW
    with pytest.raises(LogError) as caught:
        require_fresh(verified, log.time_key, at=NOW + timedelta(hours=25), max_age=day)
    assert caught.value.code == "LOG_STALE"


def test_checkpoint_from_the_future_means_that_the_clock_is_behind(log):
    verified, day = opened(log), timedelta(hours=24)
    assert require_fresh(verified, log.time_key, at=NOW - timedelta(seconds=60), max_age=day) == NOW
    with pytest.raises(LogError) as caught:
        require_fresh(verified, log.time_key, at=NOW - timedelta(seconds=61), max_age=day)
    assert caught.value.code == "CLOCK_BEHIND"


def test_checkpoint_without_the_time_keys_cosignature_has_no_time(log):
    note = sign_checkpoint(Checkpoint(ORIGIN, 2, log.tree.root), log.key, signer_of("log").sign)
    verified = open_checkpoint(note, log.key, (log.time_key,))
    for judge in (
        lambda: asserted_time(verified, log.time_key),
        lambda: require_fresh(verified, log.time_key, at=NOW, max_age=timedelta(days=1)),
    ):
        with pytest.raises(LogError) as caught:
            judge()
        assert caught.value.code == "CHECKPOINT"


# Witnesses ----------------------------------------------------------------------------------------------------------


def configured(*witnesses: Witnessing) -> list[Witness]:
    return [Witness(one.principal, one.key) for one in witnesses]


def test_quorum_zero_asks_for_nothing_and_says_nothing(log):
    assert require_quorum(opened(log), [], 0) is None


def test_negative_quorum_is_a_mistake_of_the_caller(log):
    with pytest.raises(ValueError, match="negative"):
        require_quorum(opened(log), [], -1)


def test_one_of_two_required_witnesses_is_too_few(log):
    one, two = witness("w1.example"), witness("w2.example")
    with pytest.raises(LogError) as caught:
        require_quorum(opened(log, one), configured(one, two), 2)
    assert caught.value.code == "QUORUM"
    assert require_quorum(opened(log, one, two), configured(one, two), 2) == NOW


def test_two_keys_of_one_principal_count_once(log):
    one, two = witness("w1.example", "Same Org"), witness("w2.example", "Same Org")
    with pytest.raises(LogError):
        require_quorum(opened(log, one, two), configured(one, two), 2)
    assert require_quorum(opened(log, one, two), configured(one, two), 1) == NOW


def test_one_key_under_two_names_counts_once(log):
    signer = signer_of("w1.example")
    one = witness("w1.example")
    two = Witnessing("w2.example", signer, vkey_of("w2.example", signer, COSIGNATURE_V1))
    with pytest.raises(LogError) as caught:
        require_quorum(opened(log, one, two), configured(one, two), 2)
    assert caught.value.code == "QUORUM"


def test_one_key_listed_for_two_principals_counts_once(log):
    one = witness("w1.example")
    listed = [Witness("Org A", one.key), Witness("Org B", one.key)]
    with pytest.raises(LogError):
        require_quorum(opened(log, one), listed, 2)


def test_the_logs_own_key_is_no_witness(log):
    own = vkey_of("w1.example", signer_of("log"), COSIGNATURE_V1)
    note = add_signatures(
        log.checkpoint(NOW), [cosign_checkpoint(log.checkpoint(NOW), own, signer_of("log").sign, NOW)]
    )
    with pytest.raises(LogError):
        require_quorum(open_checkpoint(note, log.key, (own,)), [Witness("w1", own)], 1)


def test_unlisted_witnesses_do_not_count(log):
    one, two = witness("w1.example"), witness("w2.example")
    with pytest.raises(LogError):
        require_quorum(opened(log, one, two), configured(one), 2)


def test_the_time_key_is_no_witness_unless_listed(log):
    with pytest.raises(LogError):
        require_quorum(opened(log), configured(witness("w1.example")), 1)


def test_repeated_cosignatures_of_one_witness_count_once(log):
    one, two = witness("w1.example"), witness("w2.example")
    again = cosign_checkpoint(log.checkpoint(NOW), one.key, one.signer.sign, NOW + timedelta(hours=1))
    note = add_signatures(log.checkpoint(NOW, (one,)), [again])
    verified = open_checkpoint(note, log.key, (log.time_key, one.key, two.key))
    assert len(verified.times_by(one.key)) == 2
    with pytest.raises(LogError):
        require_quorum(verified, configured(one, two), 2)


def test_witnessed_time_is_the_smallest_time_at_which_the_quorum_is_met(log):
    witnesses = [witness(f"w{number}.example") for number in (1, 2, 3)]
    base = log.checkpoint(NOW)
    times = [datetime(2026, 11, 2, hour, tzinfo=UTC) for hour in (14, 10, 12)]
    lines = [cosign_checkpoint(base, one.key, one.signer.sign, at) for one, at in zip(witnesses, times, strict=True)]
    verified = open_checkpoint(add_signatures(base, lines), log.key, [one.key for one in witnesses])
    assert [require_quorum(verified, configured(*witnesses), quorum).hour for quorum in (1, 2, 3)] == [10, 12, 14]
