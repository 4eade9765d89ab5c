"""Proof that the adversarial cases bite: switch off the one check that caught a case, and the case turns red.

    python tests/adversarial/proof_of_bite.py [--group J] [--verbose]
    python tests/adversarial/proof_of_bite.py --count

For every case that must be refused: run it, read off the traceback which statement of datasigil refused it, replace that statement by
`pass` in the running program (nothing on disk changes), run the case again. It has to come out otherwise: VALID, or another
reason, or a crash. A case that comes out the same was caught by something else as well, or by nothing that the case names; the
script lists it and exits 1.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adversarial.places import place_of
from adversarial.sites import Site
from adversarial.stage import Case
from adversarial.tables import ACCEPTED, ALL, REFUSED, Result, forgetting, run


@cache
def _source(module: str) -> tuple[str, str]:
    """File name and text of a module of datasigil."""
    file = sys.modules[module].__file__
    assert file is not None
    return file, Path(file).read_text("utf-8")


class _Silence(ast.NodeTransformer):
    """Replaces the statements on some lines that refuse: a `raise`, or a call whose value nobody uses."""

    def __init__(self, lines: frozenset[int]) -> None:
        self.lines = lines
        self.done: set[int] = set()

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        """Replace a raise."""
        return self._replaced(node)

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        """Replace a call such as `findings.failed(…)` or a check that raises."""
        return self._replaced(node)

    def _replaced(self, node: ast.stmt) -> ast.stmt:
        here = {line for line in self.lines if node.lineno <= line <= (node.end_lineno or node.lineno)}
        self.done |= here
        return ast.copy_location(ast.Pass(), node) if here else node


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _outermost(site: Site) -> str:
    # A function made by another is made again at each call, so the maker is what has to change.
    return site.function.partition(".<locals>")[0]


@cache
def _function(module: str, name: str) -> FunctionType | None:
    """Find a function object by its module and qualified name, wherever it was imported to."""
    file, _ = _source(module)
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and (one.__code__.co_filename, one.__code__.co_qualname) == (file, name):
            return one
    return None


@cache
def _silenced(module: str, name: str, lines: frozenset[int]) -> tuple[FunctionType, CodeType] | None:
    """A function, and its code without the statements that refuse on these lines; None where that cannot be done."""
    file, text = _source(module)
    function, silence = _function(module, name), _Silence(lines)
    tree = silence.visit(ast.parse(text))
    if function is None or silence.done != set(lines):
        return None
    for code in _codes(compile(ast.fix_missing_locations(tree), file, "exec", dont_inherit=True)):
        same = code.co_qualname == name and code.co_firstlineno == function.__code__.co_firstlineno
        if same and code.co_freevars == function.__code__.co_freevars:
            return function, code
    return None


@contextmanager
def switched_off(sites: tuple[Site, ...]) -> Iterator[bool]:
    """Run with some checks switched off; yields whether that could be done."""
    lines: dict[tuple[str, str], set[int]] = {}
    for site in sites:
        lines.setdefault((site.module, _outermost(site)), set()).add(site.line)
    found = [_silenced(module, name, frozenset(numbers)) for (module, name), numbers in lines.items()]
    ready = [one for one in found if one is not None]
    originals = [(function, function.__code__) for function, _ in ready]
    try:
        for function, code in ready:
            function.__code__ = code
        with forgetting():
            yield len(ready) == len(found)
    finally:
        for function, code in originals:
            function.__code__ = code


DEPTH = 10
"""How many checks may stand behind each other before the script gives up."""


def bite(case: Case) -> tuple[str, tuple[Site, ...]]:
    """Switch off the check that catches a case, then whatever catches it instead for the same reason, until it turns red.

    Returns `VALID`, `other` or `crash` with the checks that had to go, or what is wrong.
    """
    sites: tuple[Site, ...] = ()
    while len(sites) < DEPTH:
        with switched_off(sites) as possible:
            if not possible:
                return f"cannot switch off {sites[-1]}", sites
            try:
                result = run(case)
            except Exception:  # without its check, hostile input runs into anything
                return ("crash", sites) if sites else ("crashes as it is", sites)
        if not result.fits(case):
            red = "VALID" if result.decision == "VALID" else "other"
            return (red, sites) if sites else (f"green run gives {result.decision}:{result.code}", sites)
        if result.site is None or result.site in sites:
            return f"stays {result.decision}:{result.code}, by {result.site}", sites
        sites = (*sites, result.site)
    return f"stays after {DEPTH} checks", sites


RED = ("VALID", "other", "crash")


def distinct(run_one: Callable[[Case], Result]) -> tuple[int, int]:
    """How many refusals count, each once for a check, a mutated field and a reason (house rule 9), and how many that stay VALID.

    The mutated field is read off what was handed in, so that two spellings of one wrong value count once.
    """
    refused = [(run_one(case), case.code) for case in REFUSED]
    counted = {(one.site.check, place_of(one.given), code) for one, code in refused if one.site and one.given}
    return len(counted), len({place_of(one.given) for one in map(run_one, ACCEPTED) if one.given})


def main(arguments: list[str]) -> int:
    """Switch off each check in turn and print what happens to its cases."""
    if "--count" in arguments:
        refused, accepted = distinct(run)
        print(
            f"{len(ALL)} cases: {len(REFUSED)} refused, {refused} distinct; {len(ACCEPTED)} VALID, {accepted} distinct"
        )
        return 0
    group = arguments[arguments.index("--group") + 1] if "--group" in arguments else ""
    outcomes = [(case, *bite(case)) for case in REFUSED if not group or case.group == group]
    if "--verbose" in arguments:
        for case, outcome, sites in outcomes:
            print(f"{outcome:<6} {case.decision}:{case.code:<24} {case}   [{', '.join(site.check for site in sites)}]")
    stuck = [(case, outcome) for case, outcome, _ in outcomes if outcome not in RED]
    for case, outcome in stuck:
        print(f"does not bite: {case} ({case.decision}:{case.code}): {outcome}")
    counts = Counter(outcome if outcome in RED else "does not bite" for _, outcome, _ in outcomes)
    depths = Counter(len(sites) for _, outcome, sites in outcomes if outcome in RED)
    checks = {(site.module, site.function, site.line) for _, _, sites in outcomes for site in sites}
    print(f"{len(outcomes)} cases, {len(checks)} checks switched off. Then: {_counted(counts)}.")
    print(
        "Checks that stood behind each other: "
        + _counted(Counter({f"{depth} deep": count for depth, count in depths.items()}))
        + "."
    )
    return 1 if stuck else 0


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
