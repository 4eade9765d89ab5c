"""The evidence of a bundle, renewed: current checkpoint, log proof and status lists, held against the client's memory.

Here: fetching for credentials that passed steps 1 to 5, and the online check around it. Not here: sockets (`fetch`), verdicts
(`verification`), a registry's handover to another one (`handovers`).

The log is read as C2SP tlog-tiles (as of 5ba5ee8, 2026-07-22), so that a static host serves as well as a registry: inclusion and
consistency are computed from tiles that are hashed up to the signed root. Past 400 lines: one renewal, with its log, its handovers and its lists, is
one class, whose parts share what was fetched.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from datasigil.bundle import Bundle, LogEvidence
from datasigil.canonical import document_digest
from datasigil.client.handovers import LOGGED_HANDOVER, fetch_handovers, log_url, succession_of
from datasigil.datasets.manifest import ManifestSource
from datasigil.datasets.parts import PartProof
from datasigil.encoding import JsonObject, parse_json
from datasigil.errors import DatasigilError, LogError, MalformedError, StatusError
from datasigil.limits import CHECKPOINT_MAX_BYTES, STATUS_LIST_MAX_BYTES
from datasigil.record import dataclass, replace
from datasigil.report import PASSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datasigil.credentials.types import Credential, StatusEntry
    from datasigil.fetch import Fetcher, Response
    from datasigil.report import Report
    from datasigil.transparency.checkpoint import VerifiedCheckpoint
    from datasigil.transparency.client_state import ClientState
    from datasigil.transparency.proofs import LogProof
    from datasigil.transparency.tiles import TileTree
    from datasigil.trust.policy import LogRule, TrustPolicy
    from datasigil.verification import Outcome
    from datasigil.verification.plan import DataCheck

TILE_ANSWER_MAX_BYTES: Final = 64 * 1024
STATUS_ANSWER_MAX_BYTES: Final = 2 * STATUS_LIST_MAX_BYTES
_PROVEN_STEPS: Final = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A bundle with evidence fetched as current where that was possible, and what could not be fetched."""

    bundle: Bundle
    errors: tuple[DatasigilError, ...]


def fetcher_for(policy: TrustPolicy, *, named: Iterable[str] = (), dev: bool = False) -> Fetcher:
    """Return a fetcher for which the origins of the trust file's logs and mirrors, and `named`, are the user's choice.

    Raises:
        BlockedError: FETCH_URL, when one of them is not an http(s) URL.
    """
    from datasigil.fetch import Fetcher

    logs = (rule.url or f"https://{rule.origin}" for rule in policy.logs)
    return Fetcher.naming((*logs, *policy.mirrors, *named), dev=dev)


def proven_credentials(report: Report) -> frozenset[str]:
    """Return the digests of the credentials, ancestors included, that passed steps 1 to 5: the only ones whose URLs are used."""
    proven: set[str] = set()
    if report.credential is not None and is_proven(report):
        proven.add(report.credential.digest)
    for parent in report.parents:
        proven |= proven_credentials(parent)
    return frozenset(proven)


def is_proven(report: Report) -> bool:
    """Tell whether steps 1 to 5 of the plan passed, each at least once and none of them otherwise."""
    outcomes = {step: [check.outcome for check in report.checks if check.step == step] for step in _PROVEN_STEPS}
    return all(found and set(found) == {PASSED} for found in outcomes.values())


def check_online(
    bundle: Bundle,
    *,
    policy: TrustPolicy,
    at: datetime,
    fetcher: Fetcher,
    state: ClientState | None = None,
    data: DataCheck | None = None,
    manifest: ManifestSource | PartProof | None = None,
    **options: Any,
) -> Outcome:
    """Check with evidence of now: steps 1 to 5, then fetch, then the whole plan; `options` go to `verification.verify`.

    A URL is used only when the credential that names it passed steps 1 to 5. What cannot be fetched leaves the check
    INDETERMINATE, or INVALID when something else failed.
    """
    from datasigil.verification import verify

    first = verify(bundle, policy=policy, at=at, state=state, manifest=manifest, **options)
    proven = proven_credentials(first.report)
    if not proven:
        return (
            verify(bundle, policy=policy, at=at, state=state, data=data, manifest=manifest, **options)
            if data
            else first
        )
    renewed = refresh_evidence(bundle, policy=policy, fetcher=fetcher, at=at, state=state, proven=proven)
    return verify(
        renewed.bundle,
        policy=policy,
        at=at,
        state=state,
        data=data,
        manifest=manifest,
        retrieval_errors=renewed.errors,
        **options,
    )


def _proven_beside(
    bundle: Bundle, proven: frozenset[str], *, policy: TrustPolicy, at: datetime, state: ClientState | None
) -> frozenset[str]:
    """Return the digests of approvals, audits, grants and lineage in a bundle that pass steps 1 to 5 by themselves.

    The report of the dataset does not list them; without this an approval that was withdrawn would count until its list is stale.
    """
    from datasigil.verification import verify

    found: set[str] = set()
    for one in bundle.walk():
        if document_digest(one.credential) not in proven | found:
            found |= proven_credentials(verify(one, policy=policy, at=at, state=state).report)
    return frozenset(found)


def refresh_evidence(
    bundle: Bundle,
    *,
    policy: TrustPolicy,
    fetcher: Fetcher,
    at: datetime,
    proven: frozenset[str],
    state: ClientState | None = None,
) -> Refreshed:
    """Fetch checkpoint, log proof and status lists of a bundle and its ancestors, as of now.

    Only credentials whose digest is in `proven` (see `proven_credentials`), and approvals and the like beside them that pass steps 1
    to 5 by themselves, name URLs that are fetched. What arrives is checked
    for form, the checkpoint also for its signature and against `state`; everything else is left to `verification`. A status list
    that verifies is remembered.
    """
    if document_digest(bundle.credential) in proven:
        proven |= _proven_beside(bundle, proven, policy=policy, at=at, state=state)
    work = _Refresh(policy, fetcher, at, state, proven)
    return Refreshed(work.renew(bundle), tuple(work.errors))


class _Refresh:
    """One renewal: each log's checkpoint and each list is fetched once, however many credentials share it."""

    def __init__(
        self, policy: TrustPolicy, fetcher: Fetcher, at: datetime, state: ClientState | None, proven: frozenset[str]
    ) -> None:
        self._policy, self._fetcher, self._at, self._state, self._proven = policy, fetcher, at, state, proven
        self._logs: dict[str, tuple[VerifiedCheckpoint, TileTree] | None] = {}
        self._lists: dict[str, JsonObject | None] = {}
        self._handovers: dict[str, tuple[JsonObject, ...]] = {}
        self._log_failures: dict[str, DatasigilError] = {}
        self.errors: list[DatasigilError] = []

    def renew(self, bundle: Bundle) -> Bundle:
        """Return the bundle, ancestors included, with what could be fetched."""
        from datasigil.credentials.types import parse_credential

        parents = tuple(self.renew(parent) for parent in bundle.parents)
        bundle = replace(bundle, parents=parents)
        if document_digest(bundle.credential) not in self._proven:
            return bundle
        credential = parse_credential(bundle.credential)
        log = self._log_evidence(credential, bundle.log)
        bundle = replace(bundle, log=log, issuer_keys=self._with_handovers(credential, bundle.issuer_keys))
        return replace(bundle, status_lists=self._status_lists(credential, bundle))

    # The log ---------------------------------------------------------------------------------------------------------

    def _log_evidence(self, credential: Credential, old: LogEvidence | None) -> LogEvidence | None:
        rule = self._policy.log(credential.log_origin)
        if rule is None or old is None:
            return old  # an unknown log and a missing proof are the plan's to name
        if rule.origin not in self._logs:
            before = len(self.errors)
            self._logs[rule.origin] = self._try(self._current_log, rule)
            if len(self.errors) > before:
                self._log_failures[rule.origin] = self.errors[-1]
        current = self._logs[rule.origin]
        return old if current is None else self._try(self._proof, credential, old, *current) or old

    def _current_log(self, rule: LogRule) -> tuple[VerifiedCheckpoint, TileTree]:
        from datasigil.transparency.tiles import TileTree

        url = log_url(rule)
        answer = self._fetcher.get(f"{url}/checkpoint", max_bytes=CHECKPOINT_MAX_BYTES, accept="text/plain")
        if answer.status != 200:
            raise _unexpected(answer, LogError, "LOG_RETRIEVAL", "the log's checkpoint could not be fetched")
        current = rule.open(answer.body, tuple(witness.key for witness in self._policy.witnesses))
        head = current.checkpoint
        tree = TileTree.open(HttpTiles(url, self._fetcher), head.size, head.root)
        if self._state is not None:
            remembered = self._state.newest_checkpoint(head.origin)
            old_size = remembered[0].size if remembered else 0
            grown = 0 < old_size < head.size
            self._state.observe_checkpoint(current, tree.consistency(old_size) if grown else ())
        return current, tree

    def _proof(
        self, credential: Credential, old: LogEvidence, current: VerifiedCheckpoint, tree: TileTree
    ) -> LogEvidence:
        """Return the evidence with a proof under the current checkpoint; a first proof that holds is kept: it shows by when."""
        from datasigil.transparency.proofs import LogProof, parse_log_proof

        first = parse_log_proof(old.proof)
        index = first.index
        if index >= current.checkpoint.size:
            raise LogError(
                "LOG_ROLLBACK", "the log no longer reaches the credential's entry", place=current.checkpoint.origin,
                expected=f"more than {index} entries", found=str(current.checkpoint.size),
                next_action="ask the log's operator; a mirror may be behind",
            )  # fmt: skip
        text = LogProof(index, tuple(tree.inclusion(index)), current.note).text()
        if first.checkpoint == current.note or not self._holds(credential, first):
            return replace(old, proof=text, current=None)
        return replace(old, current=text)

    def _holds(self, credential: Credential, first: LogProof) -> bool:
        """Say whether a log proof shows, under the trust file's keys, that the log held the credential at some time."""
        from datasigil.transparency.checkpoint import asserted_time
        from datasigil.transparency.entry import log_entry
        from datasigil.transparency.proofs import included_under

        rule = self._policy.log(credential.log_origin)
        entry = log_entry("issue", credential.digest, credential.issuer, credential.type)
        try:
            assert rule is not None
            asserted_time(included_under(rule.open(first.checkpoint), first, entry).checkpoint, rule.time_key)
        except DatasigilError:
            return False
        return True

    # Handovers -------------------------------------------------------------------------------------------------------

    def _with_handovers(self, credential: Credential, keys: tuple[JsonObject, ...]) -> tuple[JsonObject, ...]:
        """Return the presented keys with the log's handovers as they are now, if it has ended or cannot be reached.

        They are asked of the log itself, of the mirrors and of every log that the trust file names; `verification` decides whether they count.
        """
        rule = self._policy.log(credential.log_origin)
        if rule is None or (self._is_current(rule) and not any(one.get("type") == LOGGED_HANDOVER for one in keys)):
            return keys
        if rule.origin not in self._handovers:
            self._handovers[rule.origin] = fetch_handovers(rule, self._policy, self._fetcher)
        found = self._handovers[rule.origin]
        if not found:
            return keys
        failed = self._log_failures.pop(rule.origin, None)
        self.errors = [error for error in self.errors if error is not failed]  # the log is over, not out of reach
        fresh = [one.get("handover") for one in found]
        return (
            *(one for one in keys if one.get("type") != LOGGED_HANDOVER or one.get("handover") not in fresh),
            *found,
        )

    def _is_current(self, rule: LogRule) -> bool:
        held = self._logs.get(rule.origin)
        times = held[0].times_by(rule.time_key) if held is not None else ()
        limit = timedelta(seconds=self._policy.max_age_seconds(offline=False))
        return bool(times) and max(times) + limit >= self._at

    # Status ----------------------------------------------------------------------------------------------------------

    def _status_lists(self, credential: Credential, bundle: Bundle) -> tuple[JsonObject, ...]:
        kept = {str(one.get("id")): one for one in bundle.status_lists}
        for entry in credential.status:
            if entry.list_id not in self._lists:
                self._lists[entry.list_id] = self._try(self._fetch_list, entry, bundle.issuer_keys)
            found = self._lists[entry.list_id]
            if found is not None:
                kept[entry.list_id] = found
        return tuple(kept.values())

    def _fetch_list(self, entry: StatusEntry, presented: Sequence[JsonObject]) -> JsonObject:
        problem: DatasigilError | None = None
        steps = succession_of(entry, presented, self._policy, self._at).steps
        rules = (self._policy.log(step.handover.after.origin) for step in reversed(steps))
        after = (log_url(rule).removesuffix("/log") for rule in rules if rule is not None)
        places = [_on_mirror(place, entry.list_id) for place in (*self._policy.mirrors, *after)]
        for url in (*places[len(self._policy.mirrors) :], entry.list_id, *places[: len(self._policy.mirrors)]):
            try:
                document = self._list_at(url, entry)
                self._remember(document, entry, presented)
            except DatasigilError as error:
                problem = problem or error
            else:
                return document
        assert problem is not None
        raise problem

    def _list_at(self, url: str, entry: StatusEntry) -> JsonObject:
        try:
            answer = self._fetcher.get(
                url, max_bytes=STATUS_ANSWER_MAX_BYTES, accept="application/vc, application/json"
            )
        except DatasigilError as error:
            raise _retrieval(error, url) from None
        if answer.status != 200:
            raise _unexpected(answer, StatusError, "STATUS_RETRIEVAL", "the status list could not be fetched")
        try:
            document = parse_json(answer.body, max_bytes=STATUS_ANSWER_MAX_BYTES)
        except MalformedError as error:
            raise _retrieval(error, url) from None
        if not isinstance(document, dict) or document.get("id") != entry.list_id:
            raise StatusError(
                "STATUS_RETRIEVAL", "another document lies where the status list should", place=url, expected=entry.list_id,
                next_action="ask whoever runs the registry",
            )  # fmt: skip
        return document

    def _remember(self, document: JsonObject, entry: StatusEntry, presented: Sequence[JsonObject]) -> None:
        """Keep a list that verifies, and refuse one older than what was seen; one that does not verify is the plan's to name."""
        if self._state is None:
            return
        from datasigil.canonical import sha256_hex
        from datasigil.credentials.status_list import parse_status_list
        from datasigil.encoding import Instant
        from datasigil.transparency.client_state import RememberedStatusList
        from datasigil.verification.findings import Situation
        from datasigil.verification.issuer import require_signed, rule_of

        at = Instant.from_datetime(self._at)
        situation = Situation(self._policy, self._at, as_of=False, offline=False, state=None, period_at=at)
        try:
            found = parse_status_list(document)
            rule, _ = rule_of(found.issuer, presented, situation)
            signed = require_signed(document, found.issuer, rule, presented, at)
        except DatasigilError:
            return
        by_successor = succession_of(entry, presented, self._policy, self._at).by(found.issuer) is not None
        if not signed.accepted or (found.issuer != entry.issuer and not by_successor):
            return
        self._state.observe_status_list(
            RememberedStatusList(found.id, found.valid_from, sha256_hex(found.bits), found.replay, dict(document))
        )

    def _try(self, work: Any, *arguments: Any) -> Any:
        """Do one piece of the renewal; what goes wrong is kept for the report, and the old evidence stays."""
        try:
            return work(*arguments)
        except DatasigilError as error:
            self.errors.append(error)
            return None


class HttpTiles:
    """A log's tiles behind its URL, as a `TileStore` that can only be read."""

    def __init__(self, url: str, fetcher: Fetcher) -> None:
        self._url, self._fetcher = url.rstrip("/"), fetcher

    def read_tile(self, tile: Any) -> bytes:
        """Return the hashes of a tile, not yet compared with anything.

        Raises:
            LogError: TILE_MISSING.
            FetchError: when the log cannot be reached.
        """
        answer = self._fetcher.get(
            f"{self._url}/{tile.path}", max_bytes=TILE_ANSWER_MAX_BYTES, accept="application/octet-stream"
        )
        if answer.status != 200:
            raise _unexpected(answer, LogError, "TILE_MISSING", "the log does not serve one of its tiles")
        return answer.body

    def write_tiles(self, tiles: Any) -> None:
        """Refuse: a client writes no tiles."""
        raise NotImplementedError("a client writes no tiles")


def _on_mirror(mirror: str, list_id: str) -> str:
    parts = urlsplit(list_id)
    return mirror.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")


def _retrieval(error: DatasigilError, url: str) -> StatusError:
    return StatusError(
        "STATUS_RETRIEVAL", f"the status list could not be fetched: {error.message}", place=url[:200], expected=error.expected,
        found=f"{error.code} {error.found}".strip(), next_action=error.next_action or "try again later",
    )  # fmt: skip


def _unexpected(answer: Response, kind: type[DatasigilError], code: str, message: str) -> DatasigilError:
    return kind(
        code, message, place=answer.url[:200], expected="HTTP 200", found=f"HTTP {answer.status}",
        next_action="try again later, or ask whoever runs the registry",
    )  # fmt: skip


__all__ = [
    "HttpTiles",
    "Refreshed",
    "check_online",
    "fetcher_for",
    "is_proven",
    "proven_credentials",
    "refresh_evidence",
]
