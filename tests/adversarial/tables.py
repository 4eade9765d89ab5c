"""Every adversarial case, in one list. Here: `ALL`, and running one of them. Not here: the cases themselves (one module per group)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adversarial import (
    group_c,
    group_history,
    group_j,
    group_k,
    group_l,
    group_m,
    group_p,
    group_s,
    group_t,
    group_v,
    group_y,
)
from adversarial.sites import Site, site_of, watched
from adversarial.stage import USAGE, Case, Given, Stage, report_of

from datasigil.credentials import did
from datasigil.errors import DatasigilError
from datasigil.report import Report

GROUPS = (group_j, group_m, group_c, group_p, group_k, group_t, group_s, group_l, group_history, group_y, group_v)
ALL: tuple[Case, ...] = tuple(one for group in GROUPS for one in group.CASES)
REFUSED: tuple[Case, ...] = tuple(one for one in ALL if one.decision != "VALID")
ACCEPTED: tuple[Case, ...] = tuple(one for one in ALL if one.decision == "VALID")


@dataclass(frozen=True)
class Result:
    """What became of a case, and which place in the code said so."""

    decision: str
    code: str
    site: Site | None = None
    report: Report | None = None
    given: Given | None = None

    def fits(self, case: Case) -> bool:
        """Say whether this is what the case asks for."""
        return (self.decision, self.code) == (case.decision, case.code)


def run(case: Case) -> Result:
    """Build a case on a stage of its own and run the plan; exceptions that are no verdict and no usage error get through."""
    given = case.build(Stage())
    with watched() as seen:
        try:
            report = report_of(given)
        except DatasigilError as error:
            return Result(USAGE, error.code, site_of(error), given=given)
    outcome = {"INVALID": "failed", "INDETERMINATE": "undetermined"}.get(report.decision, "")
    sites = (site for found, code, site in seen if (found, code) == (outcome, report.code))
    return Result(report.decision, report.code, next(sites, None), report, given)


@contextmanager
def forgetting() -> Iterator[None]:
    """Run without what earlier runs left in caches: a check that is switched off must not be remembered as passed."""
    caches = (did.resolve_did_key,)
    for cache in caches:
        cache.cache_clear()
    try:
        yield
    finally:
        for cache in caches:
            cache.cache_clear()
