"""What a command line's gate decides by, and how its refusal is shown.

Here: trust file, time, memory and renewal of evidence, from the options every command shares; the refusal with each report in
full. Not here: the gate (`gate`). The time is always now.
"""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from datasigil.report.terminal import Console, error_text, escape
from datasigil.transparency.client_state import ClientState
from training_worker import places
from training_worker.gate import GateSettings, Refused
from training_worker.online import renewer

REFUSALS = "training-refusals.jsonl"


def gate_settings(given: Namespace) -> GateSettings:
    """Return the settings of one command.

    Raises:
        DatasigilError: POLICY_FILE, for a trust file that cannot be read or is not the pinned one.
        MalformedError: as `parse_policy`.
    """
    policy = places.load_policy(given.policy)
    places.require_digest(policy, given.policy_digest)
    state = ClientState(places.state_folder())
    at = datetime.now(UTC).replace(microsecond=0)
    renew = None if given.offline else renewer(policy, state, dev=places.is_dev(given.dev))
    return GateSettings(policy, at, given.offline, state, renew, places.state_folder() / REFUSALS)


def show_refusal(refusal: Refused, console: Console) -> int:
    """Show a refusal with every report in full, and return the exit code of its verdict."""
    for report in refusal.reports:
        console.err.write(report.render(color=console.color and console.err.isatty()))
    if refusal.error is not None:
        console.err.write(error_text(refusal.error))
    consequence = (
        "the run stopped; its unfinished folder says so in refused.json, and no result was written"
        if refusal.during_run
        else "no model was loaded and nothing was trained"
    )
    if refusal.during_run and refusal.exit_code == 3:
        consequence += "\nits checkpoint stands: the same command with --resume goes on once the gate can decide"
    console.err.write(f"refused: {escape(refusal.headline)}\n{consequence}\n")
    console.err.flush()
    console.result(refusal.document(), "")
    return refusal.exit_code


__all__ = ["gate_settings", "show_refusal"]
