"""`datasigil-train work`: this machine trains what a registry's queue asks for, on data below one folder, under one trust file.

Here: what is opened before the first claim, and what is told at the end. Not here: the worker's life (`worker`).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from datasigil.canonical import sha256_hex
from datasigil.client import JobClient
from datasigil.errors import DatasigilError
from datasigil.fetch import Fetcher
from datasigil.report.terminal import INTERRUPTED, OK, Console, escape
from training_worker import places
from training_worker.attached.lease import TellingProgress
from training_worker.attached.work_folder import WorkFolder
from training_worker.attached.worker import AttachedWorker
from training_worker.gate_settings import gate_settings
from training_worker.online import Publishing, find_login
from training_worker.prices import read_prices
from training_worker.progress import Progress
from training_worker.stopping import StopRequest

REGISTRY_SECONDS = 20.0  # for one answer


def job_client(url: str, publisher: str, *, dev: bool) -> JobClient:
    """Return the queue of a registry, for the token of a stored login.

    Raises:
        DatasigilError: NOT_LOGGED_IN, LOGIN_FILE, FETCH_URL.
    """
    url = url.rstrip("/")
    token = str(find_login(url, publisher).get("token", ""))
    return JobClient(url, Fetcher.naming([url], dev=dev, timeout_seconds=REGISTRY_SECONDS), token=token)


def required_registry(given: Namespace) -> str:
    """Return the registry that the command is about.

    Raises:
        DatasigilError: USAGE.
    """
    url = places.named_registry(given.registry)
    if not url:
        raise DatasigilError(
            "USAGE",
            "no registry was named",
            expected="--registry URL, or DATASIGIL_REGISTRY",
            next_action="add --registry URL",
        )
    return url.rstrip("/")


def run(given: Namespace, console: Console) -> int:
    """Work until stopped; 0 when the queue was emptied (--until-empty) or work ended between two jobs, 130 when it ended within one."""
    url, dev = required_registry(given), places.is_dev(given.dev)
    if given.offline:
        raise DatasigilError(
            "USAGE",
            "an attached worker asks its registry for jobs and for evidence of now",
            next_action="leave --offline out",
        )
    root = Path(given.data)
    if not root.is_dir():
        raise DatasigilError(
            "DATA_FOLDER", "there is no such folder", place=str(root), expected="the folder that jobs may name data in",
            next_action="name it with --data",
        )  # fmt: skip
    places.load_policy(given.policy, outside=[root])  # told now, not at the first job
    publishing = Publishing.open(url, given.key, given.publisher, dev=dev)
    name = given.worker or "worker"
    place = places.state_folder() / "work" / sha256_hex(f"{url} {publishing.signer.controller} {name}".encode())[:16]
    mode = "quiet" if console.quiet else "json" if console.json else "text"
    talk = Progress("quiet" if console.quiet else "text", console.err)
    folder = WorkFolder(place, Path(given.runs))
    with folder.held() as identity, StopRequest(talk.say) as stop:
        worker = AttachedWorker(
            job_client(url, publishing.signer.controller, dev=dev),
            publishing,
            folder,
            identity,
            root.resolve(),
            lambda: gate_settings(given),
            lambda: TellingProgress(mode, console.err),
            stop,
            talk.say,
            prices=read_prices(Path(given.prices)) if given.prices else None,
            until_empty=given.until_empty,
        )
        talk.say(f"worker {identity} ({escape(name)}) at {escape(url)}, data below {escape(str(worker.root))}")
        worker.work()
    counts = {name: worker.counts[name] for name in ("finished", "refused", "failed", "givenBack", "lost")}
    text = ", ".join(f"{count} {'given back' if name == 'givenBack' else name}" for name, count in counts.items())
    console.result({"type": "WorkResult", "formatVersion": 1, "worker": identity, **counts}, f"jobs: {text}\n")
    return INTERRUPTED if counts["givenBack"] else OK


__all__ = ["job_client", "required_registry", "run"]
