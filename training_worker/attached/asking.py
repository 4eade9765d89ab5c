"""`datasigil-train submit` and `jobs`: asking a registry's workers for a run, and looking at what became of it.

Here: both commands. Not here: training. `submit` checks the recipe by the worker's own parser first; what only the worker's machine can tell
(data, trust) is told by the job.
"""

from __future__ import annotations

import json
import secrets
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from datasigil.client import JobClient
from datasigil.encoding import JsonObject
from datasigil.errors import DatasigilError
from datasigil.report.terminal import Console, escape
from training_worker import places
from training_worker.attached.command import job_client, required_registry
from training_worker.recipe import parse_recipe, read_recipe_bytes
from training_worker.sign_model import load_signer
from training_worker.strict_yaml import parse_yaml

FOLLOW_SECONDS = 2.0
_OPEN = ("queued", "leased", "running")


def submit(given: Namespace, console: Console) -> int:
    """Ask for a run; 0 when the registry has it in its queue."""
    path = Path(given.recipe)
    raw = read_recipe_bytes(path)
    parse_recipe(raw, place=str(path))
    client = _client(given)
    recipe: JsonObject = json.loads(json.dumps(parse_yaml(raw, place=str(path))))
    job = client.submit(
        recipe, worker=given.for_worker or "", public=given.public, idempotency_key=secrets.token_hex(16)
    )
    console.result(job, f"job {escape(str(job['id']))}: {escape(str(job['state']))}\n{_next(job, client)}")
    return 0


def jobs(given: Namespace, console: Console) -> int:
    """Show the newest jobs, or one of them, or call one off."""
    client = _client(given)
    if given.job is None:
        if given.cancel or given.follow:
            raise DatasigilError(
                "USAGE",
                "--cancel and --follow are about one job",
                expected="the job's id",
                next_action="datasigil-train jobs lists them",
            )
        page = client.jobs()
        items: Any = page["items"]
        console.result(page, "".join(map(_line, items)) or "no jobs\n")
        return 0
    job = client.cancel(given.job) if given.cancel else client.job(given.job)
    while given.follow and job["state"] in _OPEN:
        console.say(_line(job).rstrip("\n"))
        time.sleep(FOLLOW_SECONDS)
        job = client.job(given.job)
    console.result(job, _told(job))
    return 0 if job["state"] in (*_OPEN, "finished", "cancelled") else 1


def _client(given: Namespace) -> JobClient:
    signer = load_signer(places.key_file(given.key), places.passphrase(f"passphrase for the key {given.key}"))
    return job_client(required_registry(given), signer.controller, dev=places.is_dev(given.dev))


def _next(job: JsonObject, client: JobClient) -> str:
    lines = [f"follow it: datasigil-train jobs {job['id']} --registry {client.url} --key KEY --follow"]
    if job.get("public"):
        lines.append(f"its page:  {job['page']}")
    return "\n".join(map(escape, lines)) + "\n"


def _line(job: Any) -> str:
    progress = job.get("progress")
    step = f"  step {progress['step']}/{progress['steps']}  loss {progress['loss']}" if progress else ""
    return escape(f"{job['id']}  {job['state']:<9}  {job['name']}{step}") + "\n"


def _told(job: Any) -> str:
    lines = [_line(job).rstrip("\n")]
    if job.get("note"):
        lines.append(f"  {job['note']}")
    if job.get("refusal"):
        for report in job["refusal"].get("reports", ()):
            for check in report.get("checks", ()):
                if check.get("outcome") in ("failed", "undetermined"):
                    lines.append(f"  {check.get('code')}: {check.get('message')} {check.get('place', '')}".rstrip())
                    lines += [f"    next: {check['nextAction'].get('command')}"] if check.get("nextAction") else []
        error = job["refusal"].get("error")
        lines += [f"  {error.get('code')}: {error.get('message')}"] if error else []
    if job.get("error"):
        lines += [f"  {name}: {value}" for name, value in job["error"].items()]
    if job.get("credential"):
        lines.append(f"  model credential: SHA-256 {job['credential']}")
    return "\n".join(map(escape, lines)) + "\n"


__all__ = ["jobs", "submit"]
