"""Verification: the numbered plan of DESIGN.md section 3, from evidence to a report. Never opens a socket.

Lives here: the plan (`plan`) and one module per step. Not here: parsing (`credentials`, `bundle`), the values of a report
(`report`), fetching (`client`), private keys (`signing`).
"""

from datasigil.verification.plan import Outcome, verify, verify_bytes
from datasigil.verification.verified import VerifiedDataset, VerifiedSubset

__all__ = ["Outcome", "VerifiedDataset", "VerifiedSubset", "verify", "verify_bytes"]
