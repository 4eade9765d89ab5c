"""What this registry holds about credentials, as it stood at one released checkpoint, for deciding.

Lives here: status lists, policies and bundles, read when they are first asked for and kept while the checkpoint is the released one, two
seconds at most, so that what another process changes is seen as well; and what is established about bytes that stay the same. Not here: the
decision (`decision`), bundles for clients (`bundles`).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from datasigil.bundle import Bundle, parse_bundle
from datasigil.encoding import JsonObject, parse_json
from datasigil.record import replace
from datasigil.trust.policy import TrustPolicy
from datasigil.verification.memory import Memory
from service.credentials.bundles import bundle_of, contexts, log_evidence, presented_keys, schemas
from service.credentials.repository import Registered, registered
from service.credentials.schemas import VerifyCredentialRequest
from service.limits import ANSWER_SECONDS, EVIDENCE_ENTRIES, EVIDENCE_REQUESTS_BYTES, EVIDENCE_SECONDS, INLINE_MAX_BYTES
from service.policy import registry_policy
from service.status_lists.repository import signed_list
from service.transparency_log.writing import Released

if TYPE_CHECKING:
    from service.state import State

_ANSWERED = timedelta(seconds=ANSWER_SECONDS)


class NotBriefError(Exception):
    """What was asked for takes more time than the event loop has."""


@dataclass(frozen=True)
class Gathered:
    """The evidence about one document, None if it is not registered here, and the policy under which it is judged."""

    bundle: Bundle | None
    policy: TrustPolicy


@dataclass
class View:
    """The registry's evidence at one released checkpoint."""

    source: (
        Released | None
    )  # as the writer let it out; every batch lets out another object, also one that only signs a list again
    released: Released  # with the witnesses' lines that are known
    until: float  # monotonic seconds
    policies: dict[str, TrustPolicy] = field(default_factory=dict)
    lists: dict[str, JsonObject | None] = field(default_factory=dict)
    bundles: dict[str, Bundle | None] = field(default_factory=dict)
    answers: dict[bytes, tuple[datetime, bytes]] = field(
        default_factory=dict
    )  # request: as of when it was answered, and what
    answer_bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether it is time to begin anew: strangers' documents must not fill the memory."""
        return len(self.bundles) + len(self.policies) > EVIDENCE_ENTRIES


class EvidenceMemory:
    """The newest view, and facts that outlive it; for any number of threads, which may at worst read the same twice."""

    def __init__(self) -> None:
        self.facts = Memory()
        self.brief_facts = self.facts.with_credentials()
        self.requests: OrderedDict[bytes, VerifyCredentialRequest] = OrderedDict()
        self._request_bytes = 0
        self._asked: dict[int, None] = {}  # hashes of the bytes of requests that came lately, the oldest first
        self._view: View | None = None
        self._documents: dict[
            str, tuple[str, JsonObject]
        ] = {}  # list URL: digest and document, the same object while it is the same

    def request(self, raw: bytes) -> VerifyCredentialRequest | None:
        """What was parsed from these bytes before, if they were few and came lately: the same object, with all that is known of it."""
        known = self.requests.get(raw)
        if known is not None:
            self.requests.move_to_end(raw)
        return known

    def asked_before(self, raw: bytes) -> bool:
        """Whether these bytes came before, lately; most never come again, and keeping them would cost more than it saves. For the event loop alone."""
        name = hash(raw)
        if name in self._asked:
            return True
        self._asked[name] = None
        if len(self._asked) > EVIDENCE_ENTRIES:
            del self._asked[next(iter(self._asked))]
        return False

    def keep(self, raw: bytes, parsed: VerifyCredentialRequest) -> None:
        """Remember a request that was asked before, and whose credential verified; for the event loop alone."""
        if len(raw) > INLINE_MAX_BYTES or raw in self.requests:
            return
        self.requests[raw] = parsed
        self._request_bytes += len(raw)
        while self._request_bytes > EVIDENCE_REQUESTS_BYTES:
            self._request_bytes -= len(self.requests.popitem(last=False)[0])

    def answer(self, state: State, raw: bytes, now: datetime) -> bytes | None:
        """What the same bytes were answered within the last second, as of a time that the answer names, on the evidence that still holds."""
        known = self.view(state).answers.get(raw)
        return known[1] if known is not None and known[0] <= now < known[0] + _ANSWERED else None

    def keep_answer(self, state: State, raw: bytes, now: datetime, answer: bytes) -> None:
        """Remember what a request was answered, as of `now`, until the next checkpoint."""
        view = self.view(state)
        if len(raw) <= INLINE_MAX_BYTES and view.answer_bytes < EVIDENCE_REQUESTS_BYTES:
            view.answers[raw] = (now, answer)
            view.answer_bytes += len(raw) + len(answer)

    def view(self, state: State) -> View:
        """The view at the released checkpoint.

        Raises:
            Problem: DATABASE_UNAVAILABLE, before the log could be opened for the first time.
        """
        source, released = state.sequencer.released, state.released
        now, held = time.monotonic(), self._view
        if (
            held is None
            or held.source is not source
            or held.released.note != released.note
            or held.until < now
            or held.full
        ):
            held = self._view = View(source, released, now + EVIDENCE_SECONDS)
        return held

    def remembered(self, view: View, document: JsonObject, digest: str, issuer: str) -> Gathered | None:
        """The evidence about a document with this digest and issuer, if the view holds it."""
        if digest not in view.bundles or issuer not in view.policies:
            return None
        bundle = view.bundles[digest]
        return Gathered(None if bundle is None else replace(bundle, credential=document), view.policies[issuer])

    def gathered(
        self,
        connection: Connection,
        state: State,
        view: View,
        document: JsonObject,
        digest: str,
        issuer: str,
        *,
        brief: bool = False,
        lasting: bool,
    ) -> Gathered:
        """The evidence about a document with this digest and issuer; the view keeps it if it is `lasting`.

        Raises:
            Problem: BUSY, when the released checkpoint does not cover it yet.
            NotBriefError: when `brief` is asked for, and there may be parents or there is a manifest.
            PolicyError: when the operator's trust file cannot be parsed.
        """
        policy = view.policies.get(issuer) or registry_policy(connection, state, issuer)
        view.policies[issuer] = policy
        found = registered(connection, digest)
        if found is not None and (found.related or found.manifest_public):
            if brief:
                raise NotBriefError
            return Gathered(parse_bundle(bundle_of(connection, state, digest, view.released)), policy)
        bundle = None if found is None else self._alone(connection, state, view, document, issuer, found)
        if lasting:
            view.bundles[digest] = bundle
        return Gathered(bundle, policy)

    def _alone(
        self, connection: Connection, state: State, view: View, document: JsonObject, issuer: str, found: Registered
    ) -> Bundle:
        """The bundle of a credential without parents and public manifest: `bundle_of` gives the same in bytes."""
        lists = (self._list(connection, view, entry["statusListCredential"]) for entry in document["credentialStatus"])
        return Bundle(
            credential=document,
            log=log_evidence(connection, state, found.log_index, view.released, document, first_note=found.first_note),
            status_lists=tuple(one for one in lists if one is not None),
            issuer_keys=presented_keys(connection, state, view.released, issuer, found.log_index, document),
            contexts=contexts(),
            schemas=schemas(document),
        )

    def _list(self, connection: Connection, view: View, url: str) -> Any:
        if url not in view.lists:
            held = signed_list(connection, url)
            if held is None:
                view.lists[url] = None
            else:
                data, digest = held
                before = self._documents.get(url)
                if before is None or before[0] != digest:
                    self._documents[url] = before = (digest, parse_json(data))
                view.lists[url] = before[1]
        return view.lists[url]
