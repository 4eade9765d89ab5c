"""The sample cases of the threat model (groups J, M, C, P, K, T, S, L, X, V), each with its verdict and how many cases it names at least.

Here: the list, and where a sample is played that needs more than bytes and a trust file (a terminal, a process, a registry, 4 GiB). Not
here: the cases (one module per group). The threat model's own words say what each sample is; a test compares the identifiers with that page.
"""

from __future__ import annotations

from typing import Final

SAMPLES: Final[dict[str, tuple[str, int]]] = {
    "J01": ("INVALID:DUP_KEY", 1), "J04": ("INVALID:PARSE", 1), "J07": ("INVALID:NUMBER", 1), "J10": ("INVALID:SCHEMA", 1),
    "J13": ("INVALID:DEPTH", 1), "J16": ("INVALID:ENCODING", 1), "J19": ("INVALID:PARSE", 3), "J22": ("INVALID:SCHEMA", 1),
    "J25": ("INVALID:UNKNOWN_PROPERTY", 1),
    "M01": ("INVALID:TYPE", 1), "M04": ("INVALID:SCHEMA", 1), "M07": ("INVALID:SCHEMA", 2), "M10": ("INVALID:SCHEMA", 1),
    "M13": ("INVALID:SCHEMA", 1), "M16": ("INVALID:SCHEMA", 1), "M19": ("INVALID:TYPE", 1), "M22": ("INVALID:UNSUPPORTED", 1),
    "C01": ("INVALID:CONTEXT", 1), "C04": ("INVALID:CONTEXT", 1), "C07": ("INVALID:NULL", 1), "C10": ("INVALID:DATA_LOSS", 1),
    "C13": ("INVALID:KEYWORD", 1), "C16": ("INVALID:CONTEXT", 2), "C19": ("exit 2:CONTEXT_ALTERED", 1), "C22": ("INVALID:NUMBER", 1),
    "C25": ("INVALID:LIMIT", 1), "C28": ("INVALID:CONTEXT", 1),
    "P01": ("INVALID:PROOF_MISSING", 1), "P02": ("INVALID:PROOF_MISSING", 1), "P03": ("INVALID:NULL", 1), "P08": ("INVALID:ENCODING", 4),
    "P11": ("INVALID:RELATIONSHIP", 1), "P15": ("INVALID:SIGNATURE", 2), "P19": ("INVALID:UNTRUSTED_ISSUER", 1), "P22": ("INVALID:ISSUER_MISMATCH", 1),
    "P27": ("INVALID:LIMIT", 1), "P30": ("INVALID:DOMAIN", 2), "P31": ("INVALID:DOMAIN", 1), "P35": ("INVALID:UNKNOWN_PROPERTY", 1),
    "P38": ("INVALID:UNSUPPORTED", 1),
    "K01": ("INVALID:KEY_TYPE", 1), "K02": ("INVALID:KEY_TYPE", 1), "K05": ("INVALID:KEY_REVOKED", 1), "K08": ("INVALID:LOG_PROOF_MISSING", 1),
    "K19": ("INVALID:DID", 4),
    "T01": ("INVALID:NOT_YET", 1), "T02": ("INVALID:EXPIRED", 1), "T12": ("INVALID:EXPIRED", 1), "T16": ("INVALID:KEY_WINDOW", 1),
    "S01": ("INVALID:REVOKED", 1), "S02": ("INVALID:SUSPENDED", 1), "S07": ("INVALID:STATUS_ID", 1), "S10": ("INVALID:STATUS_INDEX", 8),
    "S17": ("INVALID:STATUS_SIZE", 1), "S23": ("INVALID:REVOKED", 1), "S24": ("INVALID:REVOKED", 1),
    "S28": ("INDET:STATUS_RETRIEVAL", 1), "S29": ("INDET:STATUS_RETRIEVAL", 1), "S30": ("INDET:STATUS_RETRIEVAL", 1),
    "S31": ("INDET:STATUS_RETRIEVAL", 1), "S32": ("INDET:STATUS_RETRIEVAL", 1), "S39": ("INVALID:STATUS_RECURSION", 1),
    "L01": ("INVALID:INCLUSION", 4), "L04": ("INVALID:LOG_PROOF_MISSING", 1), "L05": ("INVALID:INCLUSION", 1), "L06": ("INVALID:INCLUSION", 1),
    "L07": ("INVALID:INCLUSION", 1), "L12": ("INVALID:INCLUSION", 1), "L17": ("INVALID:CHECKPOINT", 1), "L18": ("INVALID:CHECKPOINT", 1),
    "L19": ("INVALID:CHECKPOINT", 1), "L20": ("INVALID:CHECKPOINT", 1), "L28": ("INVALID:QUORUM", 1), "L29": ("INVALID:QUORUM", 1),
    "L37": ("INDET:LOG_ROLLBACK", 1), "L38": ("INVALID:CONSISTENCY", 1), "L41": ("INDET:UNKNOWN_LOG", 1), "L44": ("INDET:LOG_STALE", 1),
    "V01": ("VALID", 1), "V02": ("VALID", 2), "V03": ("VALID", 2), "V08": ("VALID", 1), "V09": ("VALID", 1), "V10": ("VALID", 1), "V14": ("VALID", 1),
    "V18": ("VALID", 1), "V19": ("VALID", 1), "V20": ("VALID", 1),
}  # fmt: skip
"""Sample -> (verdict, number of cases it names at least). S23 also names one that stays VALID."""

ELSEWHERE: Final[dict[str, str]] = {
    "L47": "tests/service/test_operating.py::test_fsck_finds_what_was_altered_behind_the_registry",
    "X01": "tests/verifier_cli/test_threats.py::test_x01_whatever_fails_exits_otherwise_than_0_and_never_says_valid_or_verified",
    "X04": "tests/verifier_cli/test_threats.py::test_x04_a_file_s_name_cannot_write_to_the_terminal",
    "X07": "tests/verifier_cli/test_threats.py::test_x07_offline_connects_to_nobody_under_strace",
    "V21": "tests/datasigil/adversarial/test_network_and_size.py::test_a_file_of_four_gibibytes_and_one_byte_is_checked",
}
"""Samples that need more than bytes and a trust file -> the test that plays them."""
