"""`datasigil-verify refresh`: renew a bundle's status lists and log proof, and leave everything else in it as it was.

Here: the order (judge, fetch, write) and what is said. Not here: fetching (`datasigil.client`). Nothing is fetched for a credential
whose issuer, signature or form the user's trust file does not accept; the signed credential itself never changes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import Bundle, bundle_bytes, parse_bundle, read_file, sidecar_path, write_bundle
from datasigil.errors import DatasigilError, VerificationError
from datasigil.limits import MANIFEST_MAX_BYTES
from datasigil.report.terminal import OK, REFUSED, UNDETERMINED, escape
from verifier_cli import places
from verifier_cli.evidence import naming, read_evidence

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report import Report
    from datasigil.report.terminal import Console

# Evidence against log or lists, as opposed to evidence that could not be had.
DAMNING = frozenset({"SPLIT_VIEW", "CONSISTENCY", "STATUS_EQUIVOCATION"})


def run(given: Namespace, console: Console) -> int:
    """Renew and write; 0 all renewed, 1 refused, 3 when something could not be had (what could be is written)."""
    from datasigil.client import fetcher_for, refresh_evidence
    from datasigil.verification import verify

    path = Path(given.bundle)
    data = read_evidence(path)
    with naming(path):
        bundle = parse_bundle(data)
    policy, state, at = places.load_policy(given.policy), places.client_state(), datetime.now(UTC)
    sidecar = sidecar_path(path)
    manifest = read_file(sidecar, MANIFEST_MAX_BYTES) if bundle.manifest is None and sidecar.is_file() else None
    proven = _proven(verify(bundle, policy=policy, at=at, state=state, manifest=manifest).report)
    fetcher = fetcher_for(policy, dev=places.is_dev(given.dev))
    renewed = refresh_evidence(bundle, policy=policy, fetcher=fetcher, at=at, state=state, proven=proven)
    report = verify(
        renewed.bundle, policy=policy, at=at, state=state, manifest=manifest, retrieval_errors=renewed.errors
    ).report
    damning = [error for error in renewed.errors if error.code in DAMNING]
    target = Path(given.output) if given.output else path
    changed = bundle_bytes(renewed.bundle) != bundle_bytes(bundle)
    if not damning and (changed or target != path):
        # With -o, a sidecar goes along: a bundle is of no use without its manifest.
        write_bundle(target, renewed.bundle, manifest if target != path else None)
    for error in renewed.errors:
        console.say(f"not renewed: {error} [{error.code}]")
    code = REFUSED if damning else UNDETERMINED if renewed.errors else OK
    console.result(
        _document(target, renewed.bundle, report, renewed.errors, changed and not damning, code),
        _text(target, report, changed, damning),
    )
    return code


def _proven(report: Report) -> frozenset[str]:
    """Return the credentials whose URLs may be used.

    Raises:
        VerificationError: with the code of the check that failed.
    """
    from datasigil.client import proven_credentials

    proven = proven_credentials(report)
    if report.credential is None or report.credential.digest not in proven:
        bad = next((one for one in report.checks if one.step <= 5 and one.code), None)
        raise VerificationError(
            bad.code if bad is not None else "NOT_CHECKED", f"nothing was fetched: {bad.message if bad is not None else report.headline}",
            place=bad.place if bad is not None else "", expected=bad.expected if bad is not None else "", found=bad.found if bad is not None else "",
            next_action=bad.next_action.command if bad is not None and bad.next_action is not None else "",
        )  # fmt: skip
    return proven


def _text(target: Path, report: Report, changed: bool, damning: list[DatasigilError]) -> str:
    if damning:
        return "refused; the bundle is as it was"
    word = "renewed:" if changed else "as new:"
    return f"{word:<9} {escape(str(target))}\nnow says: {escape(report.headline)}"


def _document(
    target: Path, bundle: Bundle, report: Report, errors: tuple[DatasigilError, ...], changed: bool, code: int
) -> dict[str, Any]:
    return {
        "type": "RefreshedBundle",
        "formatVersion": 1,
        "path": str(target),
        "id": str(bundle.credential.get("id")),
        "changed": changed,
        "decision": report.decision,
        "headline": report.headline,
        "errors": [{"code": error.code, "message": str(error), "place": error.place} for error in errors],
        "exitCode": code,
    }
