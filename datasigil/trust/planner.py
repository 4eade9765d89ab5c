"""The licence planner: whether several datasets may be used together for one purpose, and if not, exactly which stand in the way.

Lives here: `plan_licenses`, over what the licences and terms of each dataset came to. Not here: single expressions (`licensing`), what
licences say (`license_table`), establishing that a dataset says so (`verification.licensed`). A filter for people, not legal advice.

The question is whether there is one licence R for the result such that every dataset leaves a way to take it that accepts R. A dataset
without such a way blocks R. So a set of datasets conflicts exactly if it meets the blockers of every R, a *minimal* conflicting set is a
minimal hitting set of them, and what is left works once the blockers of some R are dropped. Unknown is no way at all: it blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from datasigil.record import dataclass
from datasigil.trust.license_table import DATA, LICENSES, LicenseTerms

NOT_LEGAL_ADVICE: Final = "This compares what licences and terms say; it is not legal advice."

NOTHING: Final = "nothing"
SHARES: Final = (NOTHING, "model", "data")
"""What of the result leaves the house: nothing, a model trained on the data, or data made from it."""

FREE: Final = ""
"""The result under any terms of one's own."""

DATASETS_MAX: Final = 256
CONFLICTS_MAX: Final = 32
"""How many minimal conflicting sets are listed; the decision does not depend on it."""


@dataclass(frozen=True, slots=True)
class IntendedUse:
    """What somebody means to do: the use, whether commercially, what leaves the house, and under which licence (empty: open)."""

    use: str
    commercial: bool = False
    share: str = NOTHING
    result_license: str = FREE


@dataclass(frozen=True, slots=True)
class Way:
    """One way to take a dataset's licence that allows the use: licence ids that all hold together; none for a grant."""

    ids: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()
    reach: tuple[str, ...] = SHARES  # what may leave the house by it, beyond what the licences themselves say


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a dataset cannot be used whatever the others are; `unknown` says that nobody forbade it, but nobody allowed it."""

    code: str
    message: str
    found: str = ""
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A dataset, or one that it was made from: the ways that its licence leaves, or why there is none."""

    name: str
    expression: str
    ways: tuple[Way, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One dataset of the mix with everything that it was made from; `label` is how the user knows it."""

    label: str
    parts: tuple[Part, ...]
    contact: str = ""  # whom to ask for a grant


@dataclass(frozen=True, slots=True)
class Conflict:
    """A minimal conflicting set: together they cannot be used so, and without any one of them the rest of the set can."""

    datasets: tuple[str, ...]
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    unknown: bool  # whether all of it is that something is not known

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "datasets": list(self.datasets),
            "reasons": list(self.reasons),
            "codes": list(self.codes),
            "unknown": self.unknown,
        }


@dataclass(frozen=True, slots=True)
class WayOut:
    """Datasets to drop, or to get other terms for, so that the rest may be used together under `result`."""

    datasets: tuple[str, ...]
    result: str  # the result's licence then; empty: terms of one's own
    obtain: tuple[str, ...]  # the same in words: what to obtain, and from whom

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"drop": list(self.datasets), "resultLicense": self.result, "orObtain": list(self.obtain)}


@dataclass(frozen=True, slots=True)
class LicensePlan:
    """The answer: allowed, under which result licences and duties; or the minimal conflicting sets and the ways out."""

    intended: IntendedUse
    datasets: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    ways_out: tuple[WayOut, ...]
    results: tuple[
        str, ...
    ]  # licences that the result may be passed on under, when allowed; empty text: one's own terms
    duties: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.conflicts

    def to_json(self) -> dict[str, Any]:
        """Return the members of the versioned JSON document that are the plan's own."""
        return {
            "allowed": self.allowed,
            "use": self.intended.use,
            "commercial": self.intended.commercial,
            "share": self.intended.share,
            "resultLicense": self.intended.result_license,
            "datasets": list(self.datasets),
            "conflicts": [one.to_json() for one in self.conflicts],
            "waysOut": [one.to_json() for one in self.ways_out],
            "resultLicenses": list(self.results),
            "duties": list(self.duties),
            "notice": NOT_LEGAL_ADVICE,
        }


def plan_licenses(candidates: Sequence[Candidate], intended: IntendedUse) -> LicensePlan:
    """Return whether the candidates may be used together as intended; the order of candidates does not matter to the answer.

    Raises:
        ValueError: for no candidates, more than DATASETS_MAX, or two with one label.
    """
    labels = [one.label for one in candidates]
    if not labels or len(labels) > DATASETS_MAX or len(set(labels)) != len(labels):
        raise ValueError(f"1 to {DATASETS_MAX} candidates, each with a label of its own")
    blockers = {
        result: frozenset(one.label for one in candidates if not _accepts(one, result, intended))
        for result in _results(candidates, intended)
    }
    free = tuple(sorted(result for result, blocked in blockers.items() if not blocked))
    if free:
        return LicensePlan(intended, tuple(labels), (), (), free, _duties(candidates, intended, free))
    by_label = {one.label: one for one in candidates}
    conflicts = tuple(
        _conflict(sorted(one), by_label, intended) for one in _minimal_hitting_sets(set(blockers.values()))
    )
    return LicensePlan(intended, tuple(labels), conflicts, tuple(_ways_out(blockers, by_label, intended)), (), ())


def _results(candidates: Sequence[Candidate], intended: IntendedUse) -> tuple[str, ...]:
    """Return the licences of the result that can make a difference: the stated one, or one's own and every one that a part asks for."""
    if intended.share == NOTHING:
        return (FREE,)
    if intended.result_license:
        return (intended.result_license,)
    asked = {
        result
        for one in candidates
        for part in one.parts
        for way in part.ways
        for name in way.ids
        if _binds(name, intended)
        for result in _terms(name).results
    }
    return (FREE, *sorted(asked))


def _terms(name: str) -> LicenseTerms:
    return LICENSES[_base(name)]


def _base(name: str) -> str:
    return name.partition(" WITH ")[0]


def _binds(name: str, intended: IntendedUse) -> bool:
    """Say whether the share-alike terms of a licence reach what leaves the house; for a model that is not settled, so they do."""
    terms = LICENSES.get(_base(name))
    return (
        terms is not None
        and terms.share_alike
        and (intended.share == "data" or (intended.share == "model" and terms.binds != DATA))
    )


def _accepts(candidate: Candidate, result: str, intended: IntendedUse) -> bool:
    return all(
        not part.obstacles and any(_accepted(way, result, intended) for way in part.ways) for part in candidate.parts
    )


def _accepted(way: Way, result: str, intended: IntendedUse) -> bool:
    """Say whether every licence of a way lets the result be passed on under `result`."""
    if intended.share == NOTHING:
        return True
    return intended.share in way.reach and all(_license_accepts(name, result, intended) for name in way.ids)


def _license_accepts(name: str, result: str, intended: IntendedUse) -> bool:
    terms, wanted = LICENSES.get(_base(name)), LICENSES.get(_base(result))
    if terms is None:
        return True  # allowed by name in the trust file, whose owner has read it
    if intended.share == "data" and not terms.adapt:
        return False
    if _binds(name, intended) and result not in terms.results:
        return False
    # Whoever gets the result must not be told that commercial use is free when a source forbids it.
    return terms.commercial or not result or (wanted is not None and not wanted.commercial)


def _minimal_hitting_sets(blockers: set[frozenset[str]]) -> list[frozenset[str]]:
    """Return minimal sets that meet every set of blockers, smaller ones first, at most CONFLICTS_MAX."""
    needed = [one for one in blockers if not any(other < one for other in blockers)]
    hits = {frozenset[str]()}
    for one in sorted(needed, key=_size_first):
        grown = {hit for hit in hits if hit & one}
        grown |= {hit | {label} for hit in hits if not hit & one for label in one}
        minimal = [hit for hit in grown if not any(other < hit for other in grown)]
        hits = set(sorted(minimal, key=_size_first)[: 4 * CONFLICTS_MAX])
    # Where the bound above has cut a smaller set off, its extension may hold more than it needs.
    return sorted({_reduced(hit, needed) for hit in hits}, key=_size_first)[:CONFLICTS_MAX]


def _reduced(hit: frozenset[str], needed: Sequence[frozenset[str]]) -> frozenset[str]:
    for label in sorted(hit):
        if all((hit - {label}) & one for one in needed):
            hit -= {label}
    return hit


def _size_first(labels: frozenset[str]) -> tuple[int, list[str]]:
    return len(labels), sorted(labels)


def _conflict(labels: list[str], by_label: dict[str, Candidate], intended: IntendedUse) -> Conflict:
    if len(labels) == 1:
        found = tuple(_alone(by_label[labels[0]], intended))
        unknown = all(obstacle.unknown for _, obstacle in found)
        reasons = tuple(_sentence(part, obstacle) for part, obstacle in found)
        return Conflict(tuple(labels), reasons, tuple(dict.fromkeys(one.code for _, one in found)), unknown)
    reasons = tuple(f"{label}: {words}" for label in labels for words in _asks(by_label[label], intended))
    return Conflict(tuple(labels), reasons, ("LICENSE_CONFLICT",), False)


def _sentence(part: Part, obstacle: Obstacle) -> str:
    found = f" ({obstacle.found})" if obstacle.found else ""
    return f"{part.name}: {obstacle.message}{found}"


def _alone(candidate: Candidate, intended: IntendedUse) -> Iterator[tuple[Part, Obstacle]]:
    """Yield what stands in the way of one dataset by itself."""
    found = [(part, obstacle) for part in candidate.parts for obstacle in part.obstacles]
    for part in candidate.parts:
        single = Candidate(candidate.label, (part,))
        if not part.obstacles and not any(_accepts(single, one, intended) for one in _results([single], intended)):
            found.append((part, Obstacle("LICENSE_CONFLICT", _refusal(part, intended), part.expression)))
    if not found:  # each part would do by itself
        words = "; ".join(_asks(candidate, intended))
        found.append(
            (candidate.parts[0], Obstacle("LICENSE_CONFLICT", f"what it was made from does not go together: {words}"))
        )
    yield from found


def _refusal(part: Part, intended: IntendedUse) -> str:
    if not any(intended.share in way.reach for way in part.ways):
        return f"nothing granted lets the {intended.share} be passed on"
    known = [LICENSES[_base(name)] for way in part.ways for name in way.ids if _base(name) in LICENSES]
    if intended.share == "data" and known and not any(terms.adapt for terms in known):
        return "its licence lets nothing that is made from it be passed on"
    if intended.result_license:
        return f"its licence does not let the {intended.share} be passed on under {intended.result_license}"
    return "its own licences ask for different licences of the result"


def _asks(candidate: Candidate, intended: IntendedUse) -> Iterator[str]:
    """Yield in words which results each part accepts, where it does not accept any."""
    for part in candidate.parts:
        choices = []
        for way in part.ways:
            sets = [set(_terms(name).results) for name in way.ids if _binds(name, intended)]
            if not sets and all(LICENSES[_base(name)].commercial for name in way.ids if _base(name) in LICENSES):
                break
            choices.append(
                " or ".join(sorted(set.intersection(*sets))) or "no licence" if sets else "no commercial use"
            )
        else:
            if choices:
                yield f"{part.name} ({part.expression}) asks that the result be under {', or under '.join(dict.fromkeys(choices))}"


def _ways_out(
    blockers: dict[str, frozenset[str]], by_label: dict[str, Candidate], intended: IntendedUse
) -> Iterator[WayOut]:
    """Yield what to drop, smallest first; a way that drops everything is none."""
    every = frozenset(by_label)
    kept: list[tuple[frozenset[str], str]] = []
    for result, blocked in sorted(blockers.items(), key=lambda item: (len(item[1]), sorted(item[1]), item[0])):
        if not any(other <= blocked for other, _ in kept):
            kept.append((blocked, result))
    for blocked, result in kept[:CONFLICTS_MAX]:
        obtain = tuple(_obtain(by_label[label], result, intended) for label in sorted(blocked))
        yield WayOut(tuple(sorted(blocked)) if blocked != every else (), result, obtain)


def _obtain(candidate: Candidate, result: str, intended: IntendedUse) -> str:
    who = candidate.contact or "its rightsholder"
    unknown = [one for part in candidate.parts for one in part.obstacles if one.unknown]
    if unknown and all(one.unknown for part in candidate.parts for one in part.obstacles):
        return f"{candidate.label}: ask {who} to say it ({unknown[0].code}), or have it read and allow it by name in your trust file"
    purpose = f"{intended.use}{', commercially' if intended.commercial else ''}"
    sharing = (
        "" if intended.share == NOTHING else f", passing the {intended.share} on under {result or 'terms of your own'}"
    )
    return f"{candidate.label}: a grant to you from {who} for {purpose}{sharing}"


def _duties(candidates: Iterable[Candidate], intended: IntendedUse, free: Sequence[str]) -> tuple[str, ...]:
    """Return what the easiest accepted way of each part asks for in return."""
    found: list[str] = []
    for candidate in candidates:
        for part in candidate.parts:
            ways = [way for way in part.ways if any(_accepted(way, result, intended) for result in free)]
            easiest = min(ways, key=lambda way: len(way.duties))
            found += [f"{candidate.label}: {duty}" for duty in easiest.duties]
    return tuple(dict.fromkeys(found))
