"""The attached worker's life: hand in what is left, claim, train, hand in, and again.

Here: which outcome a run has and who is told of it. Not here: the run (`run.train`, the same as without a registry), heartbeats (`lease`), what
is remembered on disk (`work_folder`). docs/adr/0090 has the promises: at most one result of a job is accepted, and none is lost.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from datasigil.bundle import write_bundle
from datasigil.client import JobClient, RegistryError
from datasigil.encoding import JsonObject, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.report.terminal import UNDETERMINED
from training_worker.attached.job_recipe import fetch_evidence, read_job_recipe
from training_worker.attached.lease import Job, LeaseKeeper, TellingProgress, may_pass
from training_worker.attached.work_folder import ENTRY_MAX_BYTES, WorkFolder
from training_worker.finished import read_run
from training_worker.gate import GateSettings, Refused
from training_worker.online import MODEL_BUNDLE, Publishing
from training_worker.prices import Prices
from training_worker.recipe import Recipe
from training_worker.run import CARD, RECEIPT, RunRequest, train
from training_worker.run_folder import PARTIAL_SUFFIX, write_file
from training_worker.sign_model import CREDENTIAL
from training_worker.stopping import Interrupted

T = TypeVar("T")

WAIT_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)  # between attempts to reach a registry that is away
NAP_SECONDS = 0.2  # how soon a wish to stop is noticed while waiting
UNDECIDED_PAUSES_SECONDS = (1.0, 5.0, 15.0)
INDEX_DRAWS = 3  # a status index that is taken is drawn again
_STALE = frozenset({"CHECKPOINT_MISMATCH", "CHECKPOINT", "SAFETENSORS"})
_MEMBERS = ("id", "attempt", "name", "recipe", "heartbeatSeconds")
_JOB_ID = re.compile(r"job_[0-9a-f]{24}\Z", re.ASCII)
DAY_SECONDS = 86_400


@dataclass
class AttachedWorker:
    """One worker of one registry; `identity` is kept for good, `root` is all the data it trains from."""

    client: JobClient
    publishing: Publishing
    folder: WorkFolder
    identity: str
    root: Path
    gate: Callable[[], GateSettings]
    progress: Callable[[], TellingProgress]
    stop: Callable[[], bool]
    say: Callable[[str], None]
    prices: Prices | None = None
    until_empty: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def work(self) -> None:
        """Work until told to stop, or until the queue is empty where that was asked for.

        Raises:
            DatasigilError: when the registry refuses this worker itself (its token, say); what was not handed in stays in the outbox.
        """
        self._hand_in_what_is_left()
        self.folder.forget_all_but(self._worth_keeping())
        while not self.stop():
            answer = self._until_answered(lambda: self.client.claim(self.identity))
            if answer is None:
                return
            if "job" in answer:
                self._do(_job_of(answer))
            elif self.until_empty:
                return
            else:
                self._nap(float(answer.get("retryAfterSeconds", WAIT_SECONDS[2])))

    # One job --------------------------------------------------------------------------------------------------------

    def _do(self, job: Job) -> None:
        self.say(f"job {job.id} ({job.name}), lease {job.attempt}")
        progress = self.progress()
        with LeaseKeeper(self.client, self.identity, job, progress, self.say) as keeper:
            entry = self._outcome(job, keeper, progress)
            if entry is not None:
                self.folder.put(entry)
                self._hand_in(entry)

    def _outcome(self, job: Job, keeper: LeaseKeeper, progress: TellingProgress) -> dict[str, Any] | None:
        """Train, and return what there is to hand in; None when the job is no longer this worker's."""
        entry: dict[str, Any] = {"type": "JobOutcome", "formatVersion": 1, "job": job.id, "attempt": job.attempt}
        try:
            self._run_decided(job, keeper, progress)
        except Refused as refusal:
            self.say(f"refused: {refusal.headline}")
            return {**entry, "outcome": "refused", "refusal": refusal.document()}
        except Interrupted as stopped:
            self._leave(job, keeper, str(stopped))
            return None
        except KeyboardInterrupt:
            self._leave(job, keeper, "stopped at once; the last checkpoint stands")
            raise
        except DatasigilError as error:
            self.say(f"failed: {error}")
            return {**entry, "outcome": "failed", "error": _failure(error)}
        return {**entry, "outcome": "finished"}

    def _run_decided(self, job: Job, keeper: LeaseKeeper, progress: TellingProgress) -> None:
        """Train; what the gate could not decide is asked again from the checkpoint, since the evidence may have been out of reach only now."""
        for pause in UNDECIDED_PAUSES_SECONDS:
            try:
                self._run(job, keeper, progress)
            except Refused as refusal:
                if refusal.exit_code != UNDETERMINED:
                    raise
                self.say(f"{refusal.headline}; asking again")
            else:
                return
            self._until_answered(self.client.describe, keeper)
            self._nap(pause)
            if self.stop() or keeper.lost is not None:
                raise Interrupted(*((progress.last["step"], progress.last["steps"]) if progress.last else (0, 0)))
        self._run(job, keeper, progress)

    def _run(self, job: Job, keeper: LeaseKeeper, progress: TellingProgress) -> None:
        try:
            recipe, raw = read_job_recipe(job.recipe, self.root)
        except DatasigilError as error:
            raise Refused(f"INVALID: {error.message}", 1, (), error) from None
        out = self.folder.result(job.id)
        if out.is_dir():  # this worker was killed after the run was whole and before it could say so
            _check_own(out, recipe)
            return
        request = RunRequest(
            recipe,
            raw,
            self.root,
            self.gate(),
            out,
            resume=self.folder.unfinished(job.id).is_dir(),
            sign=self.publishing.sign,
            progress=progress,
            asked_to_stop=lambda: self.stop() or keeper.lost is not None,
            prices=self.prices,
            fetched=self._evidence(recipe, job, keeper),
        )
        try:
            train(request)
        except DatasigilError as error:
            if not request.resume or error.code not in _STALE:
                raise
            self.say(f"the checkpoint is of no use ({error.message}); training anew")
            self.folder.forget(job.id)
            train(replace(request, resume=False, fetched=self._evidence(recipe, job, keeper)))

    def _evidence(self, recipe: Recipe, job: Job, keeper: LeaseKeeper) -> dict[str, Path]:
        ask = partial(fetch_evidence, recipe, self.root, self.client, self.folder, job.id)
        fetched = self._until_answered(ask, keeper)
        if fetched is None:
            raise Interrupted(0, 0)
        return fetched

    def _leave(self, job: Job, keeper: LeaseKeeper, words: str) -> None:
        """Give the job back with its checkpoint, or drop what counts no more."""
        if keeper.lost is not None:
            self.say(f"job {job.id} is no longer this worker's ({keeper.lost.code}): {words}; nothing is handed in")
            self.counts["lost"] += 1
            self.folder.forget(job.id)
            return
        self.counts["givenBack"] += 1
        try:
            self.client.give_back(job.id, self.identity, job.attempt, words)
        except DatasigilError as error:
            self.say(f"job {job.id} could not be given back ({error.code}); its lease runs out by itself")
        else:
            self.say(
                f"job {job.id} was given back: {words}; this worker goes on from the checkpoint if it claims it again"
            )

    # Handing in -----------------------------------------------------------------------------------------------------

    def _hand_in_what_is_left(self) -> None:
        for entry in self.folder.waiting():
            self.say(f"job {entry['job']}: handing in what an earlier life left ({entry['outcome']})")
            self._hand_in(entry)

    def _hand_in(self, entry: Mapping[str, Any]) -> None:
        """Hand a result in; it stays in the outbox until the registry has answered."""
        job, answer = str(entry["job"]), None
        try:
            body = self._body(entry)
        except DatasigilError as error:
            self._replace(entry, f"the finished run cannot be read: {error.message}", error.place)
            return
        for draw in range(INDEX_DRAWS):
            try:
                answer = self._until_answered(partial(self.client.end, job, self.identity, int(entry["attempt"]), body))
                break
            except RegistryError as error:
                taken = error.code == "STATUS_INDEX_TAKEN"
                if taken and draw < INDEX_DRAWS - 1:
                    self._sign_again(job)
                    body = self._body(entry)
                elif error.status in (404, 409) and not taken:
                    self._lost(job, error)
                    return
                elif error.status in (401, 403) or entry["outcome"] == "failed":
                    raise  # it is the worker that is refused; the result stays
                else:
                    words = f"the registry did not take the result ({error.code}): {error.message}"
                    self._replace(entry, words, error.place)
                    return
        if answer is not None:
            self._handed_in(entry, answer)

    def _handed_in(self, entry: Mapping[str, Any], answer: JsonObject) -> None:
        job = str(entry["job"])
        self.counts[str(entry["outcome"])] += 1
        if entry["outcome"] == "finished":
            self._keep_bundle(job, answer)
        self.folder.drop(job)
        self.folder.forget(job)
        where = f", in the log as entry {answer['logIndex']}" if "logIndex" in answer else ""
        self.say(f"job {job}: {answer['state']}{where}")

    def _body(self, entry: Mapping[str, Any]) -> JsonObject:
        body = {name: entry[name] for name in ("outcome", "refusal", "error") if name in entry}
        if entry["outcome"] == "finished":
            out = self.folder.result(str(entry["job"]))
            for name, file in (("credential", CREDENTIAL), ("receipt", RECEIPT), ("card", CARD)):
                try:
                    body[name] = parse_json((out / file).read_bytes(), max_bytes=ENTRY_MAX_BYTES)
                except OSError as error:
                    raise DatasigilError(
                        "UNREADABLE",
                        "a file of the finished run cannot be read",
                        place=str(out / file),
                        found=error.strerror or "",
                    ) from None
        return body

    def _sign_again(self, job: str) -> None:
        """Sign the model credential with a fresh status index."""
        out = self.folder.result(job)
        receipt = parse_json((out / RECEIPT).read_bytes(), max_bytes=ENTRY_MAX_BYTES)
        subject = parse_json((out / CREDENTIAL).read_bytes())["credentialSubject"]
        for name, data in self.publishing.sign(receipt, subject["receiptDigest"], subject["cardDigest"]).items():
            write_file(out / name, data)

    def _lost(self, job: str, error: RegistryError) -> None:
        self.say(
            f"job {job}: this result is not taken ({error.code}: {error.message}); a finished run folder stays where it is"
        )
        self.counts["lost"] += 1
        self.folder.drop(job)
        self.folder.forget(job)

    def _replace(self, entry: Mapping[str, Any], words: str, place: str) -> None:
        """Hand in, in a result's place, why it cannot be handed in; its run folder stays."""
        self.say(f"job {entry['job']}: {words}")
        kept = {name: entry[name] for name in ("type", "formatVersion", "job", "attempt")}
        failure = _failure(DatasigilError("RESULT_REFUSED", words, place=place))
        replaced = {**kept, "outcome": "failed", "error": failure}
        self.folder.put(replaced)
        self._hand_in(replaced)

    def _keep_bundle(self, job: str, answer: JsonObject) -> None:
        try:
            write_bundle(self.folder.result(job) / MODEL_BUNDLE, self.client.bundle(str(answer["credential"])))
        except DatasigilError as error:
            self.say(
                f"the evidence bundle was not fetched ({error.code}): datasigil-verify fetch {answer['credential']}"
            )

    # Waiting --------------------------------------------------------------------------------------------------------

    def _until_answered(self, ask: Callable[[], T], keeper: LeaseKeeper | None = None) -> T | None:
        """Ask until the registry answers; None when told to stop, or when the lease is lost."""
        attempt = 0
        while True:
            try:
                return ask()
            except DatasigilError as error:
                if not may_pass(error):
                    raise
                if attempt == 0:
                    self.say(f"the registry does not answer ({error.code}); trying again")
            self._nap(WAIT_SECONDS[min(attempt, len(WAIT_SECONDS) - 1)])
            attempt += 1
            if self.stop() or (keeper is not None and keeper.lost is not None):
                return None

    def _nap(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stop() and (left := end - time.monotonic()) > 0:
            time.sleep(min(NAP_SECONDS, left))

    def _worth_keeping(self) -> frozenset[str]:
        """Return the jobs that are still open among those whose checkpoints lie here."""
        kept = set()
        for path in self.folder.runs.glob(f"job_*{PARTIAL_SUFFIX}"):
            job = path.name.removesuffix(PARTIAL_SUFFIX)
            try:
                state = str(self.client.job(job)["state"])
            except RegistryError as error:
                state = "gone" if error.status == 404 else "unknown"
            except DatasigilError:
                state = "unknown"
            if state in ("queued", "leased", "running", "unknown"):
                kept.add(job)
        return frozenset(kept)


def _job_of(answer: JsonObject) -> Job:
    """Return the job in the answer to a claim; its id becomes a file's name, so nothing else than the form of one passes.

    Raises:
        MalformedError: REGISTRY_ANSWER.
    """
    value: Any = answer["job"]
    if isinstance(value, dict):
        job, attempt, name, recipe, beat = (value.get(member) for member in _MEMBERS)
        plain = isinstance(job, str) and _JOB_ID.match(job) and isinstance(name, str) and isinstance(recipe, dict)
        if plain and isinstance(attempt, int) and isinstance(beat, int) and 0 < beat < DAY_SECONDS:
            return Job(str(job), attempt, str(name), dict(recipe or {}), float(beat))
    raise MalformedError("REGISTRY_ANSWER", "the registry's answer is not a job", expected=", ".join(_MEMBERS))


def _failure(error: DatasigilError) -> dict[str, str]:
    members = {
        "code": error.code,
        "message": error.message[:2_000],
        "place": error.place[:2_000],
        "expected": error.expected[:2_000],
        "found": error.found[:2_000],
        "nextAction": error.next_action[:2_000],
    }
    return {name: value for name, value in members.items() if value}


def _check_own(out: Path, recipe: Recipe) -> None:
    """Return if a run folder is the whole result of this recipe.

    Raises:
        ManifestMismatchError: RUN_CHANGED.
        DatasigilError: OUT_EXISTS, for a run of another recipe.
    """
    receipt = read_run(out)
    if receipt.document["recipe"]["digest"] != recipe.digest or not (out / CREDENTIAL).is_file():
        raise DatasigilError(
            "OUT_EXISTS",
            "another run's result lies in this job's place",
            place=str(out),
            next_action="move it away and submit the job anew",
        )


__all__ = ["AttachedWorker"]
