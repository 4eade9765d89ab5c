"""Step 8: the credential is neither revoked nor suspended, by lists that its issuer consented to and that are recent.

Lives here: choosing and judging status lists (Bitstring Status List v1.0 section 3.2). Not here: decoding them
(`credentials.status_list`), fetching them (`client`).

A set bit in an authentic list counts whatever the list's age; a clear one counts only while the list is fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from datasigil.credentials.status_list import StatusList, parse_status_list
from datasigil.credentials.types import Credential, StatusEntry
from datasigil.encoding import Instant, JsonObject
from datasigil.errors import DatasigilError, StatusError, UntrustedError
from datasigil.limits import CLOCK_SKEW_SECONDS, STATUS_LISTS_TOGETHER_MAX_BYTES
from datasigil.record import dataclass
from datasigil.transparency.client_state import RememberedStatusList
from datasigil.verification.findings import Findings, Situation
from datasigil.verification.issuer import require_signed, rule_of, unpinned
from datasigil.verification.logged import Logged

_WORDS = {"revocation": ("REVOKED", "revoked"), "suspension": ("SUSPENDED", "suspended")}
_UNDETERMINED = frozenset(
    {
        "STATUS_MISSING",
        "STATUS_STALE",
        "STATUS_ROLLBACK",
        "STATUS_HANDOVER",
        "KEY_HISTORY",
        "CLIENT_STATE",
        "STATUS_LATER",
    }
)


@dataclass(frozen=True)
class StatusFound:
    """What the lists said: digests of those that decided, and what happened after the time asked for."""

    since: str = ""  # as-of mode: "revoked by 2026-11-20T…", empty when nothing later is known


@dataclass(frozen=True)
class _Lists:
    """The bundle's lists, parsed; one that cannot be parsed spoils only the entry that it claims to be for."""

    parsed: tuple[StatusList, ...]
    broken: tuple[tuple[str, DatasigilError], ...]  # (claimed id, what is wrong)


def check_status(
    credential: Credential,
    documents: Sequence[JsonObject],
    presented: Sequence[JsonObject],
    logged: Logged | None,
    situation: Situation,
    findings: Findings,
) -> StatusFound:
    """Step 8 for every status entry of the credential (revocation and suspension are both in every profile credential)."""
    lists = _parse(documents, situation)
    since = []
    for entry in credential.status:
        code, word = _WORDS[entry.purpose]
        try:
            _refuse_foreign(lists, credential)
            judged = _Judge(entry, credential, presented, logged, situation).judge(lists)
        except DatasigilError as error:
            (findings.undetermined if error.code in _UNDETERMINED else findings.failed)(8, error, name=entry.purpose)
            continue
        findings.saw("status list", judged.list.digest)
        findings.passed(
            8,
            f"not {word} by the list of {judged.list.valid_from}",
            name=entry.purpose,
            found=f"entry {entry.index} of {entry.list_id}",
        )
        if judged.later:
            since.append(f"{word} by {judged.later}")
            findings.warn(f"{code}_SINCE", f"it has been {word} since: a list of {judged.later} says so")
    return StatusFound("; ".join(since))


def _parse(documents: Sequence[JsonObject], situation: Situation) -> _Lists:
    parsed, broken, expanded = [], [], 0
    parse = parse_status_list if situation.memory is None else situation.memory.status_list
    for document in documents:
        try:
            one = parse(document)
            expanded += len(one.bits)
            if expanded > STATUS_LISTS_TOGETHER_MAX_BYTES:
                raise StatusError(
                    "STATUS_SIZE", "the status lists are too large together", place="/statusLists",
                    expected=f"at most {STATUS_LISTS_TOGETHER_MAX_BYTES} bytes expanded", found=f"{expanded} bytes and more",
                )  # fmt: skip
            parsed.append(one)
        except DatasigilError as error:
            broken.append((str(document.get("id"))[:2048], error))
    return _Lists(tuple(parsed), tuple(broken))


def _refuse_foreign(lists: _Lists, credential: Credential) -> None:
    """Refuse lists that no entry of the credential names: somebody swapped them in."""
    wanted = {entry.list_id for entry in credential.status}
    for identifier, error in lists.broken:
        if identifier not in wanted:
            raise error
    for one in lists.parsed:
        if one.id not in wanted:
            raise StatusError(
                "STATUS_ID", "the bundle holds a status list that the credential does not name", place="/statusLists", expected=" or ".join(sorted(wanted)),
                found=one.id[:200],
            )  # fmt: skip


@dataclass(frozen=True)
class _Judged:
    list: StatusList
    later: Instant | None = None  # when a later list first says that the bit is set


class _Judge:
    """Judges the lists of one status entry."""

    def __init__(
        self,
        entry: StatusEntry,
        credential: Credential,
        presented: Sequence[JsonObject],
        logged: Logged | None,
        situation: Situation,
    ) -> None:
        self.entry = entry
        self.credential = credential
        self.presented = presented
        self.logged = logged
        self.situation = situation

    def judge(self, lists: _Lists) -> _Judged:
        """Return the list that shows the bit clear.  Raises: StatusError and the errors of the list's own proof."""
        for identifier, error in lists.broken:
            if identifier == self.entry.list_id:
                raise error
        candidates = [self._authentic(one) for one in lists.parsed if one.id == self.entry.list_id]
        known = self._remembered()
        _refuse_equivocation([*candidates, *([known] if known is not None else [])])
        if not candidates:
            self._refuse_set([known] if known is not None else [])
            raise self._missing()
        return self._as_of(candidates, known) if self.situation.as_of else self._now(candidates, known)

    def _now(self, candidates: Sequence[StatusList], known: StatusList | None) -> _Judged:
        self._refuse_set([*candidates, *([known] if known is not None else [])])
        newest = max(candidates, key=_age_key)
        if known is not None and _remember(known).is_newer_than(_remember(newest)):
            newest = known  # an older list is no evidence of now; the remembered one is, and it is as clear
        self._require_recent(newest)
        return _Judged(newest)

    def _as_of(self, candidates: Sequence[StatusList], known: StatusList | None) -> _Judged:
        """The list nearest before T decides; later ones tell what has happened since."""
        every = [*candidates, *([known] if known is not None else [])]
        then = [one for one in every if self._tells_of_then(one)]
        later = sorted((one for one in every if one not in then), key=_age_key)
        self._refuse_set(then)
        marked = next((one.valid_from for one in later if self._is_set(one)), None)
        if not then:
            # A revocation is never taken back, so a clear bit later was clear at T too; a suspension may have come and gone.
            if marked is None and self.entry.purpose == "revocation" and later:
                self._require_recent(later[0])
                return _Judged(later[0])
            raise StatusError(
                "STATUS_LATER", "the bundle's status list is from after the time you asked about", place=self.entry.list_id, expected=f"a list of {self.situation.at} or before",
                found=str(later[0].valid_from), next_action="check with the bundle as it was then",
            )  # fmt: skip
        nearest = max(then, key=_age_key)
        self._require_recent(nearest)
        return _Judged(nearest, marked)

    def _tells_of_then(self, one: StatusList) -> bool:
        """A clear bit just after T was clear at T, clocks being what they are; a bit that was set after T was not set at T."""
        limit = self.situation.at if self._is_set(one) else self.situation.latest
        return one.valid_from <= limit

    def _authentic(self, one: StatusList) -> StatusList:
        """Return a list that is for this purpose, by the signer that the credential consents to, and replays its log."""
        entry = self.entry
        if one.purpose != entry.purpose:
            raise StatusError(
                "STATUS_PURPOSE",
                "the status list is for another purpose",
                place=one.id,
                expected=entry.purpose,
                found=one.purpose,
            )
        origin = self._keeper(one)
        rule, _ = rule_of(one.issuer, self.presented, self.situation)
        require = require_signed if self.situation.memory is None else self.situation.memory.signed
        signed = require(one.document, one.issuer, rule, self.presented, self.situation.at)
        if not signed.accepted:
            raise unpinned(one.issuer, signed)
        if any(pin.compromised is not None for _, pin in signed.accepted):
            # Lists are not in the log, so nothing can show that one was made before the compromise.
            raise UntrustedError(
                "KEY_COMPROMISED", "the status list is signed with a key that is marked compromised", place=one.id
            )
        self._require_replay(one, origin)
        return one

    def _keeper(self, one: StatusList) -> str:
        """Return the log that a list must replay: its signer is the one that the credential names, or took over from it.

        Raises:
            StatusError: STATUS_ISSUER; STATUS_HANDOVER, when the client remembers a list by a registry that took over and nothing here shows how.
        """
        entry = self.entry
        if one.issuer == entry.issuer:
            return self.credential.log_origin
        from datasigil.verification.handover import succession

        found = succession(entry.issuer, self.credential.log_origin, self.presented, self.situation)
        step = found.by(one.issuer)
        if step is not None and one.replay is not None and one.replay[1] > step.handover.tree_size:
            return step.handover.after.origin
        why = f"; a handover that does not count: {'; '.join(found.refused)}" if found.refused else ""
        raise StatusError(
            "STATUS_ISSUER", "the status list is not by the signer that the credential names, or one that took over from it", place=one.id, expected=entry.issuer,
            found=f"{one.issuer}{why}"[:1000],
        )  # fmt: skip

    def _require_replay(self, one: StatusList, origin: str) -> None:
        if one.replay is None or one.replay[0] != origin:
            raise StatusError(
                "STATUS_REPLAY", "the status list does not say that it replays the credential's log", place=one.id, expected=f"a replay of {origin}",
                found="none" if one.replay is None else one.replay[0],
            )  # fmt: skip
        if self.logged is not None and one.replay[1] <= self.logged.index:
            raise StatusError(
                "STATUS_STALE", "the status list is older than the credential's own log entry", place=one.id, expected=f"a replay of more than {self.logged.index} entries",
                found=f"{one.replay[1]} entries", next_action="run `datasigil-verify refresh` on the bundle",
            )  # fmt: skip

    def _is_set(self, one: StatusList) -> bool:
        return one.value(self.entry.index, self.entry.size) != 0

    def _refuse_set(self, lists: Sequence[StatusList]) -> None:
        """Refuse when any of these authentic lists has the bit set."""
        code, word = _WORDS[self.entry.purpose]
        for one in sorted(lists, key=_age_key, reverse=self.entry.purpose == "suspension"):
            if self._is_set(one):
                raise StatusError(
                    code,
                    f"its issuer has {word} it",
                    place=one.id,
                    expected="a clear status bit",
                    found=f"bit {self.entry.index} set in the list of {one.valid_from}",
                )
            if self.entry.purpose == "suspension":
                return  # suspensions can be lifted: only the newest list tells

    def _require_recent(self, one: StatusList) -> None:
        situation, seconds = self.situation, int(self.situation.max_age.total_seconds())
        stale = one.valid_from.plus(seconds) < situation.at or (
            one.valid_until is not None and one.valid_until.plus(CLOCK_SKEW_SECONDS) < situation.at
        )
        # Asked about the past, evidence dated around that time counts on both sides of it; asked about now, no list is from the future.
        early = one.valid_from > (situation.at.plus(seconds) if situation.as_of else situation.latest)
        if stale or early:
            limit = f"at most {situation.max_age} old at {situation.at}"
            raise StatusError(
                "STATUS_STALE", "the status list is too old" if stale else "the status list is dated after this check", place=one.id, expected=limit,
                found=f"{one.valid_from} to {one.valid_until or 'no end'}", next_action="run `datasigil-verify refresh` on the bundle",
            )  # fmt: skip

    def _remembered(self) -> StatusList | None:
        """Return the client's newest list with this id, verified again like one from a bundle."""
        if self.situation.state is None:
            return None
        stored = self.situation.state.newest_status_list(self.entry.list_id)
        if stored is None:
            return None
        try:
            return self._authentic(parse_status_list(stored.document))
        except StatusError as error:
            if error.code != "STATUS_ISSUER":
                raise
            # It verified when it was remembered, with a handover that this bundle does not hold.
            raise StatusError(
                "STATUS_HANDOVER", "you have seen a list by a registry that took over, and this bundle does not show how it came to that", place=error.place,
                expected="the handover among the bundle's issuerKeys", found=error.found,
                next_action="run `datasigil-verify refresh` on the bundle",
            ) from None  # fmt: skip

    def _missing(self) -> StatusError:
        return StatusError(
            "STATUS_MISSING", f"there is no list to tell whether it is {_WORDS[self.entry.purpose][1]}", place=self.entry.list_id, expected="a signed status list",
            found="none", next_action="run `datasigil-verify refresh` on the bundle",
        )  # fmt: skip


def _refuse_equivocation(lists: Sequence[StatusList]) -> None:
    """Two lists that say they replay the same log up to the same entry must have the same bits."""
    for first in lists:
        for second in lists:
            if first.replay == second.replay and first.bits != second.bits:
                raise StatusError(
                    "STATUS_EQUIVOCATION", "two status lists replay one log differently", place=first.id, expected="the same bits",
                    found=f"lists of {first.valid_from} and {second.valid_from}", next_action="report both lists to the registry's operator and to other users",
                )  # fmt: skip


def _remember(one: StatusList) -> RememberedStatusList:
    return RememberedStatusList(one.id, one.valid_from, sha256(one.bits).hexdigest(), one.replay, dict(one.document))


def _age_key(one: StatusList) -> tuple[Instant, int]:
    return one.valid_from, one.replay[1] if one.replay is not None else -1
