"""What a long-lived process has established once about bytes that it meets again and again.

Lives here: status lists parsed and their signatures, checkpoints under the keys of a policy; if asked for, credentials
parsed and their signatures. Not here: anything that depends on the time of
a check, on freshness, on revocation or on a policy's judgement: those are decided anew each time, and one check without memory decides
alike. Only what was established is kept, never a refusal.

A document is known by its identity: whoever hands one in with a memory never changes it afterwards. The memory holds on to it, so that no
other document can take its identity.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar, cast

from datasigil.credentials.status_list import StatusList, parse_status_list
from datasigil.credentials.types import Credential, parse_credential
from datasigil.encoding import Instant, JsonObject, JsonValue
from datasigil.transparency.checkpoint import VerifiedCheckpoint
from datasigil.transparency.note import VerifierKey
from datasigil.transparency.proofs import VerifiedInclusion, included_under, parse_log_proof
from datasigil.trust.rules import IssuerRule, LogRule
from datasigil.verification.issuer import SignedBy, require_signed
from datasigil.verification.logged import require_origin

T = TypeVar("T")

MEMORY_ENTRIES = 1_024


class Memory:
    """Facts by what they are about, the least recently used forgotten first; for any number of threads."""

    def __init__(self, entries: int = MEMORY_ENTRIES) -> None:
        self.credentials = False  # whether credentials are remembered as well: only where they are small, and the same objects come again
        self._entries = entries
        self._facts: OrderedDict[Hashable, tuple[object, object]] = OrderedDict()
        self._lock = threading.Lock()

    def with_credentials(self) -> Memory:
        """Return this memory in a form that remembers credentials as well."""
        other = copy.copy(self)
        other.credentials = True
        return other

    def credential(self, document: JsonObject) -> Credential:
        """Return a credential parsed.  Raises: as `parse_credential`."""
        if not self.credentials:
            return parse_credential(document)
        return self._once(("credential", id(document)), document, lambda: parse_credential(document))

    def status_list(self, document: JsonObject) -> StatusList:
        """Return a status list parsed.  Raises: as `parse_status_list`."""
        return self._once(("list", id(document)), document, lambda: parse_status_list(document))

    def signed(
        self,
        document: Mapping[str, JsonValue] | Credential,
        issuer: str,
        rule: IssuerRule | None,
        presented: Sequence[JsonObject],
        at: Instant,
    ) -> SignedBy:
        """Return the proofs of a document that must be by `issuer`.  Raises: as `require_signed`."""
        if not issuer.startswith("did:key:") or (rule is not None and rule.keys):
            return require_signed(
                document, issuer, rule, presented, at
            )  # other keys may be presented, or pinned, next time
        known = self._once(
            ("signed", id(document), issuer), document, lambda: require_signed(document, issuer, rule, presented, at)
        )
        if any(proof.expires is not None and proof.expires <= at for proof, _ in known.proofs):
            return require_signed(document, issuer, rule, presented, at)
        return known

    def checkpoint(self, note: bytes, rule: LogRule, witnesses: tuple[VerifierKey, ...]) -> VerifiedCheckpoint:
        """Return a checkpoint under a log's keys and the witnesses that a policy names.  Raises: as `LogRule.open`."""
        return self._once(("checkpoint", note, rule, witnesses), note, lambda: rule.open(note, witnesses))

    def included(self, text: str, entry: bytes, rule: LogRule, witnesses: tuple[VerifierKey, ...]) -> VerifiedInclusion:
        """Return the proof that an entry is in a log, from its text; only its checkpoint is remembered, a path is followed in less time.

        Raises: as `require_entry` without a client's state.
        """
        proof = parse_log_proof(text)
        require_origin(proof, rule.origin)
        return included_under(self.checkpoint(proof.checkpoint, rule, witnesses), proof, entry)

    def _once(self, key: Hashable, subject: Any, establish: Callable[[], T]) -> T:
        with self._lock:
            held = self._facts.get(key)
            if held is not None:
                self._facts.move_to_end(key)
                return cast("T", held[1])
        fact = establish()
        with self._lock:
            self._facts[key] = (subject, fact)
            if len(self._facts) > self._entries:
                self._facts.popitem(last=False)
        return fact
