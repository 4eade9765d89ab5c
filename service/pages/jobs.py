"""Pages of training jobs: the public ones, and one of them with live progress.

Lives here: parse, call, render, and one script that reads the page anew every two seconds while a job goes on. Everything stands on the page
without it, which then asks the browser to reload. Not here: the JSON of jobs (`training.jobs`). A job that is not public has no page: it is
read with a token (`datasigil-train jobs`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from service.limits import PAGE_DEFAULT_ITEMS
from service.pages.endpoints import POLICY, render, static
from service.pages.views import day
from service.replies import stored_reply
from service.state import StateDep
from service.training.jobs import NEWEST
from service.training.repository import OPEN, JobRow, job_by_id, jobs_before, result_of

router = APIRouter(include_in_schema=False)

_POLICY = POLICY + "; script-src 'self'; connect-src 'self'"
_WORDS = {
    "queued": "Waiting for a worker.",
    "leased": "A worker took it and is verifying the data.",
    "running": "Training.",
    "finished": "Finished. The model credential is in the log.",
    "refused": "Refused by the worker's gate. Nothing was trained, or the run was stopped and no result was written.",
    "failed": "Failed. No result was written.",
    "cancelled": "Cancelled.",
}
_REPORT_CHECKS_MAX = 400


@dataclass(frozen=True)
class JobView:
    """A job's page."""

    row: JobRow
    words: str
    live: bool
    created: str
    changed: str
    percent: int
    eta: str
    silent: bool  # its lease ran out, and nobody has claimed it yet
    error: dict[str, str]
    headline: str
    checks: list[dict[str, str]]
    credential: str | None


@router.get("/jobs")
async def show_jobs(state: StateDep) -> Response:
    """The newest public jobs."""
    rows = await state.database.read(jobs_before, NEWEST, PAGE_DEFAULT_ITEMS)
    return render(state, "jobs.html", rows=[(row, day(row.created_at)) for row in rows])


@router.get("/jobs/{job_id}")
async def show_job(job_id: str, state: StateDep) -> Response:
    """One public job."""
    row = await state.database.read(job_by_id, job_id) if len(job_id) <= 64 else None
    if row is None or not row.public:
        return render(
            state,
            "message.html",
            status=404,
            title="Not found",
            message="No public training job with this id is known here.",
            advice="A job that is not public is read with a token: datasigil-train jobs ID --registry URL --key KEY.",
        )
    stored = await state.database.read(result_of, row.seq)
    report = json.loads(stored[0].report) if stored is not None and stored[0].report else {}
    now = int(state.clock().timestamp())
    view = _view(row, report, stored[1] if stored is not None else None, now)
    return render(state, "job.html", policy=_POLICY, view=view)


@router.get("/static/job.js")
async def script(request: Request) -> Response:
    """The one script: it replaces a job's live part by a fresh one."""
    data, digest = static("job.js")
    return stored_reply(
        request, data, etag=digest, media_type="text/javascript; charset=utf-8", cache="public, max-age=3600"
    )


def _view(row: JobRow, report: dict[str, Any], credential: str | None, now: int) -> JobView:
    refused = row.state == "refused"
    inner = report.get("error", {}) if refused else report
    return JobView(
        row=row,
        words=_WORDS[row.state],
        live=row.state in OPEN,
        created=day(row.created_at),
        changed=day(row.changed_at),
        percent=100 * row.step // row.steps if row.steps else 0,
        eta=_duration(row.eta_seconds) if row.state == "running" and row.eta_seconds >= 0 else "",
        silent=row.state in ("leased", "running") and row.lease_until <= now,
        error={key: str(value) for key, value in inner.items()} if isinstance(inner, dict) else {},
        headline=str(report.get("headline", "")),
        checks=_checks(report),
        credential=credential,
    )


def _checks(report: dict[str, Any]) -> list[dict[str, str]]:
    """The checks of a refusal that did not pass; what a worker sent is shown as text, whatever it is."""
    found: list[dict[str, str]] = []
    for one in report.get("reports", ()):
        for check in one.get("checks", ()) if isinstance(one, dict) and isinstance(one.get("checks"), list) else ():
            if isinstance(check, dict) and check.get("outcome") in ("failed", "undetermined"):
                action = check.get("nextAction")
                shown = {key: str(value) for key, value in check.items() if not isinstance(value, (dict, list))}
                shown["command"] = str(action.get("command", "")) if isinstance(action, dict) else ""
                found.append(shown)
    return found[:_REPORT_CHECKS_MAX]


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
