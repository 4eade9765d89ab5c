"""`datasigil-verify policy plan`: may these datasets be used together for this, and if not, which of them stand in the way.

Here: reading the datasets, checking each as `check` does without its files, and showing the plan. Not here: the planning
(`datasigil.trust.planner`) and what a dataset's licence leaves (`datasigil.verification.licensed`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.errors import DatasigilError
from datasigil.report.terminal import OK, REFUSED, escape
from verifier_cli import places
from verifier_cli.check import parse_evidence
from verifier_cli.evidence import find_evidence, manifest_beside, naming

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console
    from datasigil.trust.planner import IntendedUse, LicensePlan
    from datasigil.trust.policy import TrustPolicy
    from datasigil.verification import Outcome

FORMAT_VERSION = 1
UNDETERMINED = 3


def run(given: Namespace, console: Console) -> int:
    """Plan and show; 0 allowed, 1 something stands in the way, 3 all that stands in the way is INDETERMINATE evidence."""
    from datasigil.verification.licensed import plan_outcomes, planning_policy

    paths = _paths(given.datasets)
    policy = places.load_policy(given.policy, outside=[path for path in paths if path.is_dir()])
    places.require_digest(policy, given.policy_digest)
    intended = _intended(given, policy)
    asked = planning_policy(policy, intended)
    at = datetime.now(UTC)
    outcomes = {str(path): _check(given, path, asked, at) for path in paths}
    plan = plan_outcomes(outcomes, intended)
    code = _exit_code(plan, outcomes)
    console.result(_document(plan, outcomes, policy, code), _text(plan, outcomes))
    return code


def _paths(names: list[str]) -> list[Path]:
    """Return the datasets that were named, those of a gate file in its place, each once."""
    from datasigil.gate import read_gate_file

    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.suffix == ".toml":
            found += [one.bundle for one in read_gate_file(path).datasets]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _intended(given: Namespace, policy: TrustPolicy) -> IntendedUse:
    from datasigil.trust.planner import NOTHING, IntendedUse

    wanted = policy.requirements
    use, share = given.use or wanted.use, given.share or wanted.share or NOTHING
    result = given.result_license or (wanted.result_license if share == (wanted.share or NOTHING) else "")
    if not use:
        raise DatasigilError(
            "USAGE", "the plan needs to know what you want to do", expected="--use USE, or `use` under [requirements] in your trust file",
            next_action="add --use ai-training, or what you mean to do",
        )  # fmt: skip
    if result and share == NOTHING:
        raise DatasigilError(
            "USAGE", "a licence for the result means that it is passed on", expected="--share model or --share data",
            next_action="add --share, or leave --result-license out",
        )  # fmt: skip
    _require_listed(result)
    return IntendedUse(use, given.commercial or wanted.commercial, share, result)


def _require_listed(name: str) -> None:
    from datasigil.trust.licensing import is_listed

    if name and not name.startswith("LicenseRef-") and not is_listed(name):
        raise DatasigilError(
            "USAGE", "--result-license is no licence of the SPDX list", expected="an id such as CC-BY-SA-4.0, or LicenseRef-NAME",
            found=name[:60], next_action="write the id exactly as the SPDX list does",
        )  # fmt: skip


def _check(given: Namespace, path: Path, policy: TrustPolicy, at: datetime) -> Outcome:
    """Return what the plan of `check` says about a dataset's credential; its files are not looked at."""
    from datasigil.verification import verify

    evidence = find_evidence(str(path), None)
    with naming(evidence.path):
        bundle = parse_evidence(evidence.data)
    manifest, state = manifest_beside(evidence.path), places.client_state()
    if given.offline:
        return verify(bundle, policy=policy, at=at, offline=True, manifest=manifest, state=state)
    from datasigil.client import check_online, fetcher_for

    fetcher = fetcher_for(policy, dev=places.is_dev(given.dev))
    return check_online(bundle, policy=policy, at=at, fetcher=fetcher, state=state, manifest=manifest)


def _exit_code(plan: LicensePlan, outcomes: dict[str, Outcome]) -> int:
    if plan.allowed:
        return OK
    blocked = {label for one in plan.conflicts for label in one.datasets}
    open_ = all(len(one.datasets) == 1 for one in plan.conflicts)
    return (
        UNDETERMINED if open_ and all(outcomes[one].report.decision == "INDETERMINATE" for one in blocked) else REFUSED
    )


def _document(plan: LicensePlan, outcomes: dict[str, Outcome], policy: TrustPolicy, code: int) -> dict[str, Any]:
    return {
        "type": "LicensePlan",
        "formatVersion": FORMAT_VERSION,
        **plan.to_json(),
        "checks": {label: {"decision": one.report.decision, "codes": list(one.report.codes)} for label, one in outcomes.items()},
        "policy": {"digest": policy.digest, "source": policy.source},
        "exitCode": code,
    }  # fmt: skip


def _text(plan: LicensePlan, outcomes: dict[str, Outcome]) -> str:
    from datasigil.trust.planner import NOT_LEGAL_ADVICE

    lines = [_headline(plan), ""]
    for number, conflict in enumerate(plan.conflicts, 1):
        what = "Unknown" if conflict.unknown else "Conflict"
        together = ", ".join(conflict.datasets) + (" together" if len(conflict.datasets) > 1 else "")
        lines += [
            f"{what} {number}: {together} [{', '.join(conflict.codes)}]",
            *(f"  {one}" for one in conflict.reasons),
            "",
        ]
    for way in plan.ways_out:
        under = f", the result under {way.result}" if way.result else ""
        lines.append(
            f"Drop {', '.join(way.datasets)}{under}; or obtain"
            if way.datasets
            else f"Nothing is left to drop{under}; obtain"
        )
        lines += [*(f"  {one}" for one in way.obtain), ""]
    if plan.allowed:
        lines += [f"  {label}: {one.report.headline}" for label, one in outcomes.items()]
        lines += ["", "What is asked for in return:", *(f"  {one}" for one in plan.duties or ("nothing",)), ""]
    return "\n".join(escape(line) for line in (*lines, NOT_LEGAL_ADVICE))


def _headline(plan: LicensePlan) -> str:
    intended = plan.intended
    use = f"{intended.use}{', commercially' if intended.commercial else ''}"
    use += "" if intended.share == "nothing" else f", passing the {intended.share} on"
    count = f"{len(plan.datasets)} dataset{'s' if len(plan.datasets) > 1 else ''}"
    if not plan.allowed:
        return f"NOT ALLOWED: {count} for {use}: {len(plan.conflicts)} minimal conflicting set{'s' if len(plan.conflicts) > 1 else ''}"
    under = [result or "terms of your own" for result in plan.results]
    return f"ALLOWED: {count} for {use}" + ("" if intended.share == "nothing" else f" under {' or '.join(under)}")


__all__ = ["run"]
