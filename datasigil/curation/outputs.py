"""Where a recipe's records go: one file, or the parts of a split.

Here: what must hold between the keys of `output`. Not here: their forms (`recipe`), writing (`running`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from datasigil.curation.forms import fault
from datasigil.datasets.paths import fold, path_problem


def check_output(output: Mapping[str, Any]) -> None:
    """Check what belongs together in a recipe's table `output`.

    Raises:
        MalformedError: CURATION_RECIPE.
    """
    split = output.get("split")
    if split is None:
        _check_file(output.get("file", "data.jsonl"), "output.file")
        return
    if "file" in output:
        raise fault("output.file", "a split writes a file for each part", expected="either file or split", found=output["file"])  # fmt: skip
    if ("members" in split) == ("shares" in split):
        raise fault("output.split", "a split says who belongs where", expected="either members or shares")
    parts = [*split.get("members", split.get("shares", {})), *([split["others"]] if "others" in split else [])]
    folded: dict[str, str] = {}
    for name in dict.fromkeys(parts):
        if name == "drop":
            continue
        _check_file(f"{name}.jsonl", f"output.split: {name}")
        if folded.setdefault(fold(name), name) != name:
            raise fault(
                f"output.split: {name}",
                "two parts would be one file on some systems",
                expected="names that differ in more than case",
                found=folded[fold(name)],
            )
    if "shares" in split:
        _check_shares(split)
    else:
        _check_members(split["members"])


def _check_shares(split: Mapping[str, Any]) -> None:
    if "others" in split:
        raise fault("output.split.others", "shares leave nobody out", expected="others only beside members")
    total = sum(Fraction(one) for one in split["shares"].values())
    if total != 1:
        raise fault("output.split.shares", "the shares do not add up", expected="1 together", found=str(float(total)))


def _check_members(members: Mapping[str, tuple[str, ...]]) -> None:
    seen: dict[str, str] = {}
    for part, values in members.items():
        for value in values:
            if value in seen:
                raise fault(f"output.split.members.{part}", "a value belongs to two parts", expected=f"only in {seen[value]}", found=value)  # fmt: skip
            seen[value] = part


def _check_file(name: str, place: str) -> None:
    problem = path_problem(name)
    if problem or "/" in name or not name.endswith(".jsonl") or name.startswith("."):
        raise fault(place, f"not a name for a file of records: {problem or 'it must be NAME.jsonl'}", expected="a name such as train.jsonl", found=name)  # fmt: skip
