"""The arguments of `datasigil-train`.

Here: every command's options, help and example. Not here: what a command does; `run` names it as `module:function`, so that
nothing of it is imported before it is wanted. There is no flag that skips the gate, and none that asks about another time than now.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from datasigil.command_line.programs import command, dev_option, judging_options, program

_PROGRAM = "datasigil-train"
_EXIT_CODES = "Exit code: 0 done, 1 refused as INVALID, 2 wrong usage or a fault, 3 refused as INDETERMINATE, 130 stopped by Ctrl-C."


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong usage exits with 2, `--help` and `--version` with 0."""
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top, commands = program(
        _PROGRAM,
        "Train on credentialed data only: refuse what is not VALID, and record what was done.",
        "datasigil-train new clauses/ --bundle clauses.sigil.json -o recipe.yaml",
        "datasigil-train train recipe.yaml -o runs/clauses --key me --registry https://registry.example",
    )
    for add in (_new, _plan, _train, _eval, _card, _review, _release, _pack, _export, _replay, _work, _submit, _jobs):
        add(commands)
    return top


def _new(commands: Any) -> None:
    one = command(
        commands,
        "new",
        "new:run",
        "Write a recipe for a credentialed dataset.",
        "datasigil-train new clauses/ --bundle clauses.sigil.json -o recipe.yaml",
        notes="The gate judges the dataset first; without a credential nothing is looked at and nothing is written.",
    )
    one.add_argument("data", metavar="DIR", help="the dataset's folder")
    one.add_argument("--bundle", metavar="FILE", help="its evidence bundle (default: DIR/.datasigil/bundle.sigil.json)")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write the recipe (default: standard output)")
    one.add_argument(
        "--domain",
        choices=["law", "finance", "health"],
        help="write a folder: recipe.yaml, datasigil.toml with the sector's rules, evaluation.md",
    )
    one.add_argument("--name", help="name of the model (default: the dataset's name)")
    one.add_argument("--force", action="store_true", help="replace an existing recipe")
    judging_options(one)


def _train(commands: Any) -> None:
    one = command(
        commands,
        "train",
        "train:run",
        "Train a recipe on the bytes that the gate verified.",
        "datasigil-train train recipe.yaml -o runs/clauses",
        "datasigil-train train recipe.yaml -o runs/clauses --key me --registry https://registry.example",
        notes="Ctrl-C writes a checkpoint at the next step and says how to go on. Several processes: accelerate launch -m training_worker train "
        "RECIPE; each passes the gate, and they compare what they verified. " + _EXIT_CODES,
    )
    one.add_argument("recipe", metavar="RECIPE")
    one.add_argument("-o", "--output", metavar="DIR", help="result folder, which must not exist (default: runs/NAME)")
    one.add_argument("--resume", action="store_true", help="go on with an unfinished run in the same place")
    one.add_argument(
        "--key", metavar="NAME_OR_FILE", help="sign a ModelTrainingCredential with this key and register it"
    )
    one.add_argument("--registry", metavar="URL", help="registry you are logged in to (default: DATASIGIL_REGISTRY)")
    one.add_argument("--prices", metavar="FILE", help="a price list of your own, for the recipe's budget")
    one.add_argument("--no-publish", action="store_true", help="sign, but do not register")
    one.add_argument(
        "--publisher", metavar="TEXT", help="your name in the model credential (default: the DID of the key)"
    )
    judging_options(one)


def _plan(commands: Any) -> None:
    one = command(
        commands,
        "plan",
        "plan:run",
        "Pass the gate and say what training would do and take on this machine.",
        "datasigil-train plan recipe.yaml",
        "datasigil-train plan recipe.yaml --gpu a100-sxm --runs-per-month 8 --serving-hours 60",
        notes="Time and memory are measured in steps that are thrown away; --probe 0 estimates them instead. Hours on cards are estimates. "
        "Exit code 1 when the recipe's budget would be passed.",
    )
    one.add_argument("recipe", metavar="RECIPE")
    one.add_argument(
        "--probe", type=int, default=20, metavar="STEPS", help="steps to measure, 0 for none (default: 20)"
    )
    one.add_argument(
        "--gpu", metavar="NAME", help="card to reckon with (default: the recipe's budget.gpu, else this machine)"
    )
    one.add_argument(
        "--runs-per-month", type=_amount, metavar="N", help="training runs a month (default: the recipe's)"
    )
    one.add_argument(
        "--serving-hours", type=_amount, metavar="H", help="hours of serving a month (default: the recipe's)"
    )
    one.add_argument("--prices", metavar="FILE", help="a price list of your own, as training_worker/prices.yaml")
    judging_options(one)


def _eval(commands: Any) -> None:
    one = command(
        commands,
        "eval",
        "eval:run",
        "Judge a finished run on the test split of a recipe, through the gate.",
        "datasigil-train eval runs/clauses --recipe newer.yaml",
    )
    one.add_argument("run_folder", metavar="RUN")
    one.add_argument(
        "--recipe", metavar="RECIPE", required=True, help="whose test split; it must have the run's labels"
    )
    judging_options(one)


def _card(commands: Any) -> None:
    one = command(
        commands,
        "card",
        "card_command:run",
        "Check a run folder's card against its receipt, files and evidence, and take what only people can say.",
        "datasigil-train card runs/clauses",
        "datasigil-train card runs/clauses --questions > answers.yaml",
        "datasigil-train card runs/clauses --facts answers.yaml",
        "datasigil-train card model/ --offered offered.json --evidence clauses.sigil.json",
        notes="Exit code: 0 every fact agrees with its source, 1 something does not.",
    )
    one.add_argument("run_folder", metavar="RUN")
    action = one.add_mutually_exclusive_group()
    action.add_argument(
        "--render", action="store_true", help="write README.md and documents/ anew from card.json first"
    )
    action.add_argument(
        "--questions", action="store_true", help="write a file that asks for every fact that is missing"
    )
    action.add_argument(
        "--facts",
        metavar="FILE",
        help="take the answers in FILE into the card; reviews of the card as it was are void then",
    )
    action.add_argument(
        "--offered", metavar="RECEIPT", help="make a card for what another trainer left: the receipt of datasigil-verify exec --result"
    )  # fmt: skip
    one.add_argument(
        "--evidence", metavar="BUNDLE", action="append", default=[], help="with --offered: an offered dataset's bundle; may be repeated"
    )  # fmt: skip
    one.add_argument("--name", metavar="TEXT", help="with --offered: what the model is called (default: its folder)")
    _key_options(one, "sign a new ModelTrainingCredential over the new card with this key", required=False)
    one.add_argument("--publisher", metavar="TEXT", help="your name in it (default: the DID of the key)")


def _review(commands: Any) -> None:
    one = command(
        commands,
        "review",
        "review:run",
        "Sign a model card off, or reject it, as the expert who reviewed it.",
        "datasigil-train review runs/clauses --key me --name 'Dr. A. Example' --qualification 'attorney at law' --verdict accepted",
        notes="The review is a credential over the card's digest: any change of the card voids it.",
    )
    one.add_argument("run_folder", metavar="RUN")
    one.add_argument("--name", required=True, metavar="TEXT", help="the reviewer's name")
    one.add_argument("--qualification", required=True, metavar="TEXT", help="what qualifies the reviewer")
    one.add_argument("--verdict", required=True, choices=("accepted", "accepted-with-conditions", "rejected"))
    one.add_argument("--conditions", metavar="TEXT", help="with accepted-with-conditions: which")
    one.add_argument(
        "--level",
        choices=("self", "commercial", "buyer", "membership", "unspecified", "3rdParty"),
        default="unspecified",
        help="UNTP assessor level: self for your own model, 3rdParty for somebody else's (default: unspecified)",
    )
    _key_options(one, "the reviewer's key", required=True)


def _release(commands: Any) -> None:
    one = command(
        commands,
        "release",
        "release:run",
        "Release a model whose card is complete, reviewed and VALID; refuse a draft.",
        "datasigil-train release runs/clauses --policy datasigil.toml",
        notes=_EXIT_CODES,
    )
    one.add_argument("run_folder", metavar="RUN")
    judging_options(one)


def _pack(commands: Any) -> None:
    one = command(
        commands,
        "pack",
        "pack:run",
        "Make one zip with a first page, for an auditor without a network.",
        "datasigil-train pack runs/clauses -o clauses-audit.zip",
    )
    one.add_argument("run_folder", metavar="RUN")
    one.add_argument("-o", "--output", metavar="FILE", help="the zip, which must not exist (default: RUN.zip)")


def _export(commands: Any) -> None:
    one = command(
        commands,
        "export",
        "export:run",
        "Write a finished run's model for other programs: the adapter alone, merged with its base, or as ONNX.",
        "datasigil-train export runs/clauses onnx --recipe recipe.yaml -o clauses-onnx",
        notes="The export is compared with the trained model on probe texts before it is kept.",
    )
    one.add_argument("run_folder", metavar="RUN")
    one.add_argument("form", choices=("adapter", "merged", "onnx"))
    one.add_argument(
        "--recipe",
        metavar="RECIPE",
        help="the recipe of the run, where its base model is found (default: RUN/recipe.yaml)",
    )
    one.add_argument("-o", "--output", metavar="DIR", help="folder to write, which must not exist (default: RUN-FORM)")


def _replay(commands: Any) -> None:
    one = command(
        commands,
        "replay",
        "replay:run",
        "Verify everything again, train again, and compare.",
        "datasigil-train replay runs/clauses --recipe recipe.yaml",
        notes="Says REPRODUCED (equal bytes), WITHIN_TOLERANCE or DIVERGED (exit code 1).",
    )
    one.add_argument("run_folder", metavar="RUN")
    one.add_argument(
        "--recipe", metavar="RECIPE", required=True, help="the recipe of the run; its data is verified again"
    )
    one.add_argument(
        "--tolerance", default="0.02", metavar="F1", help="largest difference of test macro-F1 (default: 0.02)"
    )
    judging_options(one)


def _work(commands: Any) -> None:
    one = command(
        commands,
        "work",
        "attached.command:run",
        "Train what a registry's queue asks for, on data below one folder, under your own trust file.",
        "datasigil-train work --registry https://registry.example --key trainer --data /srv/datasets --runs /srv/runs",
        notes="Log in first: datasigil login --registry URL --key KEY --scope publish --scope work. A job is judged like any other recipe: the "
        "registry cannot make this worker train on what your trust file does not find VALID, nor name a file outside --data. Ctrl-C gives the "
        "job back with its checkpoint. " + _EXIT_CODES,
    )
    one.add_argument("--registry", metavar="URL", help="registry you are logged in to (default: DATASIGIL_REGISTRY)")
    one.add_argument("--key", metavar="NAME_OR_FILE", required=True, help="signs the model credentials")
    one.add_argument("--publisher", metavar="TEXT", help="your name in them (default: the DID of the key)")
    one.add_argument(
        "--data", metavar="DIR", default=".", help="the only folder that jobs may name data in (default: .)"
    )
    one.add_argument("--runs", metavar="DIR", default="runs", help="where result folders go (default: runs)")
    one.add_argument(
        "--worker", metavar="NAME", help="tells several workers of one user and key apart (default: worker)"
    )
    one.add_argument("--until-empty", action="store_true", help="end when no job is waiting")
    one.add_argument("--prices", metavar="FILE", help="a price list of your own, for budgets in recipes")
    judging_options(one)


def _submit(commands: Any) -> None:
    one = command(
        commands,
        "submit",
        "attached.asking:submit",
        "Ask a registry's workers to train a recipe.",
        "datasigil-train submit recipe.yaml --registry https://registry.example --key me --public",
        notes="Paths in the recipe are relative to the worker's --data folder.",
    )
    one.add_argument("recipe", metavar="RECIPE")
    one.add_argument("--for-worker", metavar="DID", help="whose workers may claim it (default: your own)")
    one.add_argument("--public", action="store_true", help="let everybody see state, progress and result on its page")
    _queue_options(one)


def _jobs(commands: Any) -> None:
    one = command(
        commands,
        "jobs",
        "attached.asking:jobs",
        "Show the training jobs that you asked for or train, or one of them.",
        "datasigil-train jobs --registry https://registry.example --key me",
        "datasigil-train jobs job_0123456789abcdef01234567 --registry https://registry.example --key me --follow",
        notes="Exit code: 1 when the job was refused or failed.",
    )
    one.add_argument("job", metavar="JOB", nargs="?")
    action = one.add_mutually_exclusive_group()
    action.add_argument("--follow", action="store_true", help="until it is over")
    action.add_argument("--cancel", action="store_true", help="call it off; its worker stops at the next heartbeat")
    _queue_options(one)


def _queue_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("--registry", metavar="URL", help="registry you are logged in to (default: DATASIGIL_REGISTRY)")
    one.add_argument("--key", metavar="NAME_OR_FILE", required=True, help="the key you are logged in with")
    dev_option(one)


def _amount(text: str) -> float:
    """Return a number of at least 0."""
    value = float(text)
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1000000, found {text[:40]!r}")
    return value


def _key_options(one: argparse.ArgumentParser, text: str, *, required: bool) -> None:
    one.add_argument("--key", metavar="NAME_OR_FILE", required=required, help=text)
    one.add_argument("--registry", metavar="URL", help="registry you are logged in to (default: DATASIGIL_REGISTRY)")
    one.add_argument("--no-publish", action="store_true", help="sign, but do not register")
    dev_option(one)


__all__ = ["parse", "parser"]
