"""The training worker: refuses data that is not VALID, trains on the bytes it verified, records what it did.

Here: gate, recipe, data, training, evaluation, receipt, card (`datasigil-train`). Not here: the checks themselves
(`datasigil.verification`), private keys (only `sign_model` reaches them), serving.

Claim: it refuses and records. Root on the machine can bypass any gate that runs inside a process.
"""

from __future__ import annotations
