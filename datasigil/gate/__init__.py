"""The gate: nothing passes but datasets that are VALID, whole, and copied while they were verified.

Here: the gate file (`gate_file`), the verified private copy (`snapshot`), coverage of folders (`coverage`) and the decision
over several datasets (`decision`). Not here: the verification plan itself, which is handed in as a callable; private keys;
sockets; a way to skip any of it, or to ask about another time than now.

Claim: it refuses and records. Root on the machine can bypass any gate that runs in a process.
"""

from datasigil.gate.coverage import find_uncovered
from datasigil.gate.decision import FilesCheck, GateMix, GateOutcome, GateResult, GateVerdict, GateVerifier, run_gate
from datasigil.gate.gate_file import GateDataset, GateFile, parse_gate_file, read_gate_file
from datasigil.gate.snapshot import Snapshot, snapshot_files, snapshot_verified

__all__ = [
    "FilesCheck",
    "GateDataset",
    "GateFile",
    "GateMix",
    "GateOutcome",
    "GateResult",
    "GateVerdict",
    "GateVerifier",
    "Snapshot",
    "find_uncovered",
    "parse_gate_file",
    "read_gate_file",
    "run_gate",
    "snapshot_files",
    "snapshot_verified",
]
