"""Evidence of now for every bundle in a folder, fetched into the client's memory; the folder itself is never changed.

Lives here: `remember_evidence` and the findings for what could not be had, as `datasigil-verify card` and `datasigil-train release` need
both. Not here: one bundle (`evidence`), the checks of the folder (`datasigil.models`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import MANIFEST_SUFFIX, SUFFIX, read_file
from datasigil.client.evidence import fetcher_for, proven_credentials, refresh_evidence
from datasigil.errors import DatasigilError
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_MAX_BYTES
from datasigil.models.model_finding import Finding

if TYPE_CHECKING:
    from datasigil.transparency.client_state import ClientState
    from datasigil.trust.rules import TrustPolicy

# Evidence against a log or a list, as opposed to evidence that could not be had.
DAMNING = frozenset({"SPLIT_VIEW", "CONSISTENCY", "STATUS_EQUIVOCATION"})


def remember_evidence(
    folder: Path, paths: Iterable[str], *, policy: TrustPolicy, at: datetime, state: ClientState, dev: bool
) -> list[DatasigilError]:
    """Fetch checkpoints and status lists of now into the client's memory, for each bundle among `paths` below `folder`.

    Nothing is fetched for a credential that does not pass steps 1 to 5. Returns what could not be fetched, each once.
    """
    from datasigil.verification import verify
    from datasigil.verification.plan import read_evidence

    fetcher, errors = fetcher_for(policy, dev=dev), dict[str, DatasigilError]()
    for path in paths:
        if not path.endswith(SUFFIX):
            continue
        try:
            bundle = read_evidence(read_file(folder / path, BUNDLE_MAX_BYTES))
            sidecar = folder / (path.removesuffix(SUFFIX) + MANIFEST_SUFFIX)
            body = read_file(sidecar, MANIFEST_MAX_BYTES) if sidecar.is_file() else None
        except DatasigilError:
            continue  # the checks name what is wrong with it
        report = verify(bundle, policy=policy, at=at, state=state, manifest=body).report
        proven = proven_credentials(report)
        if proven:
            renewed = refresh_evidence(bundle, policy=policy, fetcher=fetcher, at=at, state=state, proven=proven)
            errors |= {str(error): error for error in renewed.errors}
    return list(errors.values())


def not_had(errors: Sequence[DatasigilError]) -> tuple[Finding, ...]:
    """Return the findings for evidence of now that could not be had; evidence against log or lists is a failure."""
    return tuple(
        Finding(
            "evidence of now",
            "failed" if error.code in DAMNING else "undetermined",
            error.code,
            str(error),
            error.place,
        )
        for error in errors
    )


__all__ = ["DAMNING", "not_had", "remember_evidence"]
