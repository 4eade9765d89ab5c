"""tlog-proof texts: what they prove, and how each part of them fails."""

from base64 import b64encode

import pytest
from simulator import NOW, Log, flip_bit, signer_of

from datasigil.errors import DatasigilError, LogError, MalformedError
from datasigil.transparency.proofs import (
    AddCheckpoint,
    LogProof,
    ProofText,
    parse_add_checkpoint,
    parse_log_proof,
    verify_log_proof,
)

ENTRIES = [f"entry {number}".encode() for number in range(11)]


@pytest.fixture(scope="module")
def log() -> Log:
    log = Log("registry.example/log", signer_of("log"), signer_of("time"))
    for entry in ENTRIES:
        log.append(entry)
    return log


def proof_of(log: Log, index: int, size: int | None = None) -> LogProof:
    return parse_log_proof(log.proof(index, log.checkpoint(NOW, size=size), size))


@pytest.mark.parametrize("size", [1, 2, 7, 8, 11])
def test_every_entry_of_the_log_is_proved(log, size):
    for index in range(size):
        proof = proof_of(log, index, size)
        verified = verify_log_proof(proof, ENTRIES[index], log.key, (log.time_key,))
        assert (verified.index, verified.checkpoint.checkpoint.size) == (index, size)
        assert verified.checkpoint.times_by(log.time_key) == (NOW,)


def test_proof_text_reads_back_as_written(log):
    text = log.proof(5, log.checkpoint(NOW))
    assert parse_log_proof(text).text() == text
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 5\n")


def test_a_text_written_here_is_read_as_the_same_text_from_elsewhere(log):
    read = parse_log_proof(log.proof(5, log.checkpoint(NOW)))
    written = ProofText.of(read)
    assert written == read.text()
    assert parse_log_proof(written) == parse_log_proof(read.text())
    altered = written.replace("index 5", "index 6")
    assert parse_log_proof(altered).index == 6
    assert parse_log_proof(written + "").checkpoint == read.checkpoint


def test_absent_proof_is_missing(log):
    with pytest.raises(LogError) as caught:
        verify_log_proof(None, ENTRIES[0], log.key)
    assert caught.value.code == "LOG_PROOF_MISSING"


def test_one_flipped_bit_in_any_hash_is_refused(log):
    proof = proof_of(log, 5)
    assert len(proof.hashes) == 4
    for place in range(len(proof.hashes)):
        for bit in (0, 77, 255):
            hashes = tuple(flip_bit(value, bit) if at == place else value for at, value in enumerate(proof.hashes))
            with pytest.raises(LogError) as caught:
                verify_log_proof(LogProof(5, hashes, proof.checkpoint), ENTRIES[5], log.key)
            assert caught.value.code == "INCLUSION"


@pytest.mark.parametrize("name", ["extra hash", "one fewer", "none", "reversed", "64 hashes"])
def test_other_numbers_of_hashes_are_refused(log, name):
    proof = proof_of(log, 5)
    hashes = {
        "extra hash": (*proof.hashes, b"\0" * 32),
        "one fewer": proof.hashes[:-1],
        "none": (),
        "reversed": proof.hashes[::-1],
        "64 hashes": (b"\0" * 32,) * 64,
    }[name]
    with pytest.raises(LogError) as caught:
        verify_log_proof(LogProof(5, hashes, proof.checkpoint), ENTRIES[5], log.key)
    assert caught.value.code == "INCLUSION"


def test_65_hashes_are_refused_when_parsing(log):
    text = log.proof(5, log.checkpoint(NOW)).replace(
        "index 5\n", "index 5\n" + (b64encode(bytes(32)).decode() + "\n") * 61
    )
    with pytest.raises(MalformedError) as caught:
        parse_log_proof(text)
    assert caught.value.code == "INCLUSION"


def test_another_entry_or_index_is_refused(log):
    proof = proof_of(log, 5)
    for index, entry in [(5, ENTRIES[4]), (4, ENTRIES[5]), (11, ENTRIES[5]), (6, ENTRIES[5]), (5, b"")]:
        with pytest.raises(LogError) as caught:
            verify_log_proof(LogProof(index, proof.hashes, proof.checkpoint), entry, log.key)
        assert caught.value.code == "INCLUSION"


def test_wrong_leaf_in_a_tree_of_one_is_refused(log):
    with pytest.raises(LogError) as caught:
        verify_log_proof(proof_of(log, 0, 1), b"another entry", log.key)
    assert caught.value.code == "INCLUSION"


def test_an_inner_node_does_not_pass_for_an_entry(log):
    """Leaves and nodes are hashed apart: the two children of a node are no entry (RFC 9162 section 2.1)."""
    proof = proof_of(log, 0, 2)
    pair = log.tree.leaf(0) + log.tree.leaf(1)
    with pytest.raises(LogError):
        verify_log_proof(LogProof(0, (), proof.checkpoint), pair, log.key)


def test_proof_of_another_size_than_the_signed_one_is_refused(log):
    old, new = proof_of(log, 5, 8), proof_of(log, 5)
    for hashes, checkpoint in [(old.hashes, new.checkpoint), (new.hashes, old.checkpoint)]:
        with pytest.raises(LogError):
            verify_log_proof(LogProof(5, hashes, checkpoint), ENTRIES[5], log.key)


def test_proof_under_another_log_is_refused(log):
    other = Log("other.example/log", signer_of("other"), signer_of("time"))
    for entry in ENTRIES:
        other.append(entry)
    with pytest.raises(LogError) as caught:
        verify_log_proof(proof_of(other, 5), ENTRIES[5], log.key)
    assert caught.value.code == "UNKNOWN_LOG"


MALFORMED = {
    "empty": ("", "LOG_PROOF"),
    "other version": ("c2sp.org/tlog-proof@v2{rest}", "LOG_PROOF"),
    "no header": ("index 5\n{rest}", "LOG_PROOF"),
    "leading newline": ("\n{all}", "LOG_PROOF"),
    "extra data": ("{head}\nextra YQ=={rest}", "LOG_PROOF"),
    "no index": ("{head}\n{hashes}\n\n{note}", "LOG_PROOF"),
    "negative index": ("{head}\nindex -5\n{hashes}\n\n{note}", "INCLUSION"),
    "leading zero": ("{head}\nindex 05\n{hashes}\n\n{note}", "INCLUSION"),
    "huge index": ("{head}\nindex 99999999999999999999\n{hashes}\n\n{note}", "INCLUSION"),
    "index with space": ("{head}\nindex  5\n{hashes}\n\n{note}", "INCLUSION"),
    "hash junk": ("{head}\nindex 5\n!!!!\n{hashes}\n\n{note}", "INCLUSION"),
    "short hash": ("{head}\nindex 5\nYQ==\n{hashes}\n\n{note}", "INCLUSION"),
    "hash without padding": ("{head}\nindex 5\n{bare}\n\n{note}", "INCLUSION"),
    "carriage returns": ("{crlf}", "LOG_PROOF"),
    "no checkpoint": ("{head}\nindex 5\n{hashes}\n", "LOG_PROOF"),
    "empty checkpoint": ("{head}\nindex 5\n{hashes}\n\n", "CHECKPOINT"),
    "blank line twice": ("{head}\nindex 5\n{hashes}\n\n\n{note}", "CHECKPOINT"),
    "bytes after the note": ("{all}junk", "CHECKPOINT"),
    "newline after the note": ("{all}\n", "CHECKPOINT"),
    "lone surrogate": ("{all}\ud800", "CHECKPOINT"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_proofs_are_refused(log, name):
    whole = log.proof(5, log.checkpoint(NOW))
    head, _, note = whole.partition("\n\n")
    lines = head.split("\n")
    template, code = MALFORMED[name]
    text = template.format(
        all=whole, head=lines[0], rest=whole.removeprefix(lines[0]), hashes="\n".join(lines[2:]), note=note,
        bare="\n".join(line.rstrip("=") for line in lines[2:]), crlf=whole.replace("\n", "\r\n"),
    )  # fmt: skip
    with pytest.raises(MalformedError) as caught:
        parse_log_proof(text)
    assert caught.value.code == code


def test_every_prefix_of_a_proof_is_refused(log):
    text = log.proof(5, log.checkpoint(NOW))
    for end in range(len(text)):
        try:
            verify_log_proof(parse_log_proof(text[:end]), ENTRIES[5], log.key, (log.time_key,))
        except DatasigilError:
            continue
        # Cut after the log's own line: still a note by the log, only the cosignature is gone.
        assert text[:end].endswith("=\n")


def test_huge_proof_is_refused_at_once():
    with pytest.raises(MalformedError) as caught:
        parse_log_proof("c2sp.org/tlog-proof@v1\nindex 0\n" + "A" * 1_000_000)
    assert caught.value.code == "LOG_PROOF"


# The witness's request ----------------------------------------------------------------------------------------------


def test_add_checkpoint_reads_back_as_written(log):
    request = AddCheckpoint(8, tuple(log.tree.consistency(8)), log.checkpoint(NOW))
    assert parse_add_checkpoint(request.text().encode()) == request
    first = AddCheckpoint(0, (), log.checkpoint(NOW))
    assert first.text().startswith("old 0\n\n")
    assert parse_add_checkpoint(first.text().encode()) == first


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ADD_CHECKPOINT"),
        (b"old 8", "ADD_CHECKPOINT"),
        (b"old 08\n\nx", "ADD_CHECKPOINT"),
        (b"old -1\n\nx", "ADD_CHECKPOINT"),
        (b"new 8\n\nx", "ADD_CHECKPOINT"),
        (b"\xff\n\n", "ADD_CHECKPOINT"),
        (b"old 8\nYQ==\n\nx", "CONSISTENCY"),
        (b"old 8\n" + (b64encode(bytes(32)) + b"\n") * 64 + b"\nx", "CONSISTENCY"),
        (b"old 8\n\nno note", "CHECKPOINT"),
        (b"x" * 100_000, "ADD_CHECKPOINT"),
    ],
)
def test_malformed_add_checkpoint_requests_are_refused(body, code):
    with pytest.raises(MalformedError) as caught:
        parse_add_checkpoint(body)
    assert caught.value.code == code
