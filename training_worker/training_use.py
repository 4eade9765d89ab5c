"""Training as the use that is judged: for each dataset by itself, and for all of a run together.

Here: the trust file's policy with training as its use, and the licence planner's word on a mix. Not here: the gate (`gate`), the planner
(`datasigil.trust.planner`). A filter for people, not legal advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from datasigil.errors import PolicyError
from datasigil.gate import GateFile
from datasigil.trust.policy import TrustPolicy
from datasigil.verification import Outcome

# Uses that a trust file can name and that are training; for any other, training is asked for all the same.
TRAINING_USES = frozenset({"ai-training", "pre-training", "fine-tuning", "gen-ai", "ai-augment"})
TRAINING_USE = "fine-tuning"


def training_policy(policy: TrustPolicy) -> TrustPolicy:
    """Return the trust file's policy with training as the use that every licence and every term must allow."""
    wanted = policy.requirements
    use = wanted.use if wanted.use in TRAINING_USES else TRAINING_USE
    return replace(policy, requirements=replace(wanted, use=use))


def duties_together(gate: GateFile, judged: Sequence[Outcome], policy: TrustPolicy) -> tuple[str, ...]:
    """Return the duties of the datasets together.

    Raises:
        PolicyError: LICENSE_CONFLICT, naming the minimal sets that do not go together for the trust file's intended use.
    """
    from datasigil.verification.licensed import intended_by, plan_outcomes

    labels = [
        f"{number + 1} ({one.data.name})" if len(gate.datasets) > 1 else str(one.data.name)
        for number, one in enumerate(gate.datasets)
    ]
    outcomes = dict(zip(labels, judged, strict=True))
    plan = plan_outcomes(outcomes, intended_by(training_policy(policy)))
    if plan.allowed:
        return plan.duties
    first = plan.conflicts[0]
    ways = [f"drop {', '.join(one.datasets)}" for one in plan.ways_out if one.datasets]
    ways += [words for one in plan.ways_out for words in one.obtain]
    raise PolicyError(
        "LICENSE_CONFLICT",
        f"these datasets may not be used together so: {'; '.join(', '.join(one.datasets) for one in plan.conflicts)}",
        place="data",
        expected=f"datasets whose licences go together for {plan.intended.use}, with {plan.intended.share} passed on",
        found="; ".join(first.reasons)[:500],
        next_action=" or ".join(dict.fromkeys(ways))[:500],
    )


__all__ = ["TRAINING_USE", "TRAINING_USES", "duties_together", "training_policy"]
