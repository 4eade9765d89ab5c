"""Run one of the recipes beside this file on its data: law, finance or health.

Here: the synthetic rows of finance and health, a credential for them from a registry that lives in memory, and the run through the whole worker.
Not here: the recipes. The rows are made from a seed and describe nobody.

Usage: python examples/recipes/run.py law|finance|health [--out FOLDER]
"""

import argparse
import csv
import io
import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

import yaml  # noqa: E402 - the checkout must be found first
from trainees import Case  # noqa: E402 - same

from training_worker.progress import Progress  # noqa: E402 - same

ROWS = 360
NAMES = {
    "law": "Contract clauses (synthetic)",
    "finance": "Complaint narratives (synthetic)",
    "health": "Triage notes (synthetic)",
}
COMPLAINTS = {
    "card": ("was charged twice on my statement", "closed my card without notice", "reported the lost card and fraud went on", "raised the rate on purchases"),
    "mortgage": ("lost my escrow payment", "started foreclosure while my modification was pending", "misapplied the principal I paid", "delayed the appraisal until the lock expired"),
    "transfer": ("sent the wire to another account", "held my remittance for ten days", "refused to trace a transfer that never arrived", "charged a fee for a failed transfer"),
    "debt": ("calls me at work about a debt that is not mine", "reported a paid collection", "will not validate what I owe", "threatened to garnish my wages"),
}  # fmt: skip
NOTES = {
    "routine": ("needs a repeat of the usual inhaler", "asks for a travel vaccination", "has had mild back pain since gardening", "wants blood pressure tablets renewed"),
    "urgent": ("has a fever of 39 and a productive cough", "cut the hand, bleeding stopped, may need stitches", "has pain on passing urine and flank ache", "vomited since morning, drinks little"),
    "emergency": ("has crushing chest pain into the left arm", "cannot speak clearly, face droops on one side", "is short of breath at rest, lips blue", "collapsed after a wasp sting, throat swelling"),
}  # fmt: skip


def finance() -> dict[str, bytes]:
    """Return complaint narratives by product."""
    draw, lines = random.Random(7), []
    for number in range(ROWS):
        product = list(COMPLAINTS)[number % len(COMPLAINTS)]
        text = f"In month {draw.randint(1, 12)} they {draw.choice(COMPLAINTS[product])}; I wrote {draw.randint(2, 9)} times, reference {draw.randint(1000, 9999)}."
        lines.append(json.dumps({"narrative": text, "product": product, "company": f"company-{number // 9}"}))
    return {"complaints.jsonl": ("\n".join(lines) + "\n").encode()}


def health() -> dict[str, bytes]:
    """Return triage notes by urgency, two or three of each invented patient."""
    draw, out = random.Random(7), io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["note", "urgency", "patient"])
    for number in range(ROWS):
        urgency = list(NOTES)[draw.randrange(len(NOTES))]
        rows.writerow(
            [
                f"Caller, {draw.randint(18, 90)}, {draw.choice(NOTES[urgency])}, for {draw.randint(1, 9)} hours.",
                urgency,
                f"patient-{number // 3}",
            ]
        )
    return {"notes.csv": out.getvalue().encode()}


def law() -> dict[str, bytes]:
    """Return the contract clauses of this repository."""
    return {
        path.name: path.read_bytes() for path in sorted((HERE.parent / "contract-clauses").iterdir()) if path.is_file()
    }


def case_of(domain: str, out: Path) -> Case:
    """Return a domain's data below `out` with its credential, evidence and recipe."""
    out.mkdir(parents=True)
    case = Case(out)
    case.world.files = {"law": law, "finance": finance, "health": health}[domain]()
    case.world.write_files(case.data)
    case.document = case.world.issue(subject={"name": NAMES[domain]})
    case.world.publish(case.document)
    case.evidence()
    recipe = yaml.safe_load((HERE / f"{domain}.yaml").read_text("utf-8"))
    recipe["data"][0]["credential"] = case.document["id"]
    case.recipe_path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return case


def main() -> None:
    """Issue, fill in, train."""
    parser = argparse.ArgumentParser(description="Run a recipe of this folder.")
    parser.add_argument("domain", choices=["law", "finance", "health"])
    parser.add_argument("--out", type=Path, help="folder that must not exist (default: runs/DOMAIN)")
    given = parser.parse_args()
    finished = case_of(given.domain, given.out or Path("runs") / given.domain).train(progress=Progress("text"))
    print(f"{finished.table}\nrun folder {finished.folder}")


if __name__ == "__main__":
    main()
