"""The arguments of `datasigil-verify`.

Here: every command's options, help and example. Not here: what a command does; `run` names it as `module:function`, so that nothing
of it is imported before it is wanted. Over 400 lines because it is one table: a user's whole command line, read in one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datasigil.command_line.programs import (
    command,
    command_group,
    dev_option,
    judging_options,
    offline_option,
    policy_option,
    program,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_PROGRAM = "datasigil-verify"
# Those of datasigil.trust, which is not loaded for --help; a test holds them together.
_USES = ("ai-training", "pre-training", "fine-tuning", "gen-ai", "ai-augment", "evaluation", "research")
_SHARES = ("nothing", "model", "data")
_GATE_FILE = """  type = "GateFile"
  formatVersion = 1
  roots = ["data"]                       # every file below must belong to a dataset named here

  [[datasets]]
  bundle = "data/contracts.sigil.json"
  data = "data/contracts"                # a folder, an archive, or s3://…"""
_DIGESTS = ("default", "sha256", "blake3", "all")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong usage exits with 2, `--help` and `--version` with 0.

    What follows `--` after `exec` is another program's command line, kept as it is in `program`.
    """
    words = list(argv)
    rest: list[str] = []
    if words[:1] == ["exec"] and "--" in words:
        at = words.index("--")
        words, rest = words[:at], words[at + 1 :]
    given = parser(words[0] if words else "").parse_args(words)
    given.program = rest
    return given


def parser(wanted: str = "") -> argparse.ArgumentParser:
    """Return the parser of the whole command line, or of the one command that is wanted: the others cost time to make."""
    known = {
        "check": _check, "gate": _gate, "exec": _exec, "fetch": _fetch, "refresh": _refresh, "inspect": _inspect, "trust": _trust, "policy": _policy,
        "card": _card, "recompute": _recompute, "log": _log, "completion": _completion,
    }  # fmt: skip
    top, commands = program(
        _PROGRAM,
        "Check what a dataset's credential says against its log, its status, its files and your own trust file.",
        "datasigil-verify check contracts.sigil.json --data contracts/ --offline",
        "datasigil-verify check contracts/",
    )
    if wanted in known:
        commands.metavar = "COMMAND"  # wrong usage of one command does not say that there is no other
    for add in (known[wanted],) if wanted in known else known.values():
        add(commands)
    return top


def _check(commands: Any) -> None:
    one = command(
        commands, "check", "check:run", "Check a bundle, a credential or a dataset's folder.",
        "datasigil-verify check contracts.sigil.json --data contracts/",
        "datasigil-verify check contracts/ --offline --json",
        "datasigil-verify check hf://example-org/leases@2f1c0d9e8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e",
        "datasigil-verify check contracts.sigil.json --data some/ --partial --proof some.part.json",
        "datasigil-verify check contracts.sigil.json --at 2026-11-02T09:30:00Z",
        notes="Exit code: 0 VALID, 1 INVALID, 2 wrong usage, 3 INDETERMINATE. A folder is checked with all its files.",
    )  # fmt: skip
    one.add_argument(
        "evidence",
        metavar="BUNDLE|CREDENTIAL|DIR|hf://…",
        help="an evidence bundle, a bare credential, a dataset's folder, or a dataset in the Hugging Face Hub's cache (hf://ORG/NAME@REV)",
    )
    one.add_argument(
        "--data",
        metavar="DIR|ARCHIVE|s3://…",
        help="the dataset's files: a folder, a tar or zip file (read, never unpacked), or s3://, gs:// or hf://; without it only the credential is checked",
    )
    one.add_argument("--partial", action="store_true", help="the folder holds a part of the dataset")
    one.add_argument(
        "--proof",
        metavar="FILE",
        help="with --partial: what `datasigil prove` wrote about this part, in place of the whole manifest",
    )
    one.add_argument(
        "--digest",
        choices=_DIGESTS,
        metavar="DIGEST",
        help="which digests to compute: sha256, blake3, all, or default (the cheapest that establishes the bytes)",
    )
    one.add_argument("--at", metavar="TIME", help="ask about this time (RFC 3339, UTC) instead of now")
    judging_options(one)


def _gate(commands: Any) -> None:
    one = command(
        commands, "gate", "gating:run", "Refuse unless every dataset of a gate file is VALID, whole, and covers its roots.",
        "datasigil-verify gate gate.toml",
        notes="Exit code as for `check`. There is no option that skips a check, and none that asks about the past. A gate file:\n\n" + _GATE_FILE,
    )  # fmt: skip
    one.add_argument("gate", metavar="GATE_FILE", help="the gate file, usually gate.toml")
    one.add_argument(
        "--github", action="store_true", help="write annotations for GitHub Actions, and its job summary (GITHUB_STEP_SUMMARY)"
    )  # fmt: skip
    judging_options(one)


def _exec(commands: Any) -> None:
    one = command(
        commands, "exec", "executing:run", "Run a program on verified copies of a gate file's datasets, or do not run it.",
        "datasigil-verify exec gate.toml -- python train.py",
        "datasigil-verify exec gate.toml --work /scratch -o receipt.json -- accelerate launch sft.py --epochs 3",
        notes=(
            "The program runs unchanged. It finds the read-only copies by environment: DATASIGIL_DATA_0, DATASIGIL_DATA_1 and so on, in the\n"
            "order of the gate file; DATASIGIL_DATA for the first; DATASIGIL_DATASETS names a JSON file that lists them.\n"
            "A receipt says which bytes were offered to it, not what it read of them.\n"
            "Exit code: the program's own once it runs; before that, as for `gate`. --json writes a refusal as JSON."
        ),
    )  # fmt: skip
    one.add_argument("gate", metavar="GATE_FILE", help="the gate file, usually gate.toml; then -- and the command")
    one.add_argument(
        "-o", "--output", metavar="FILE", help="where the receipt goes (default: offered-TIME.json in this folder)"
    )
    one.add_argument(
        "--result", metavar="DIR", help="the folder that the program writes: the receipt names its manifest"
    )
    one.add_argument("--work", metavar="DIR", help="where the copies go (default: the system's temporary folder)")
    judging_options(one)


def _fetch(commands: Any) -> None:
    one = command(
        commands, "fetch", "fetching:run", "Get a credential's evidence bundle from a registry.",
        "datasigil-verify fetch https://registry.example/credentials/urn:uuid:… -o contracts.sigil.json",
        "datasigil-verify fetch sha256:9f86d081… --registry https://registry.example",
        notes="Fetching verifies nothing; `check` does.",
    )  # fmt: skip
    one.add_argument(
        "what",
        metavar="URL|ID|sha256:DIGEST",
        help="a credential's address, its id, or the SHA-256 of something that it names",
    )
    one.add_argument(
        "--registry", metavar="URL", help="the registry to ask, for an id or a digest (or DATASIGIL_REGISTRY)"
    )
    one.add_argument("-o", "--output", metavar="FILE", help="where to write (default: NAME.sigil.json in this folder)")
    dev_option(one)


def _refresh(commands: Any) -> None:
    one = command(
        commands, "refresh", "refreshing:run", "Renew a bundle's status lists and log proof.",
        "datasigil-verify refresh contracts.sigil.json",
        notes="Nothing is fetched for a credential whose issuer or proof your trust file does not accept.",
    )  # fmt: skip
    one.add_argument("bundle", metavar="BUNDLE", help="the bundle to renew, in place unless -o says otherwise")
    one.add_argument("-o", "--output", metavar="FILE", help="write the renewed bundle here instead")
    policy_option(one)
    dev_option(one)


def _inspect(commands: Any) -> None:
    one = command(
        commands, "inspect", "inspecting:run", "Show what a file says, without checking any of it.",
        "datasigil-verify inspect contracts.sigil.json",
        notes="Reads bundles, credentials, manifests, status lists and checkpoints. A claim shown here is only a claim.",
    )  # fmt: skip
    one.add_argument("file", metavar="FILE", help="the file to look at")


def _trust(commands: Any) -> None:
    group = command_group(
        commands, "trust", "Say whose word counts.", "datasigil-verify trust add contracts.sigil.json"
    )
    one = command(
        group, "add", "trusting:add", "Show who signed a bundle, then pin that issuer and its log in your trust file.",
        "datasigil-verify trust add contracts.sigil.json",
        "datasigil-verify trust add contracts.sigil.json --policy datasigil.toml --yes",
        notes="Compare the fingerprint with the issuer over another channel first: nothing in a bundle vouches for itself.",
    )  # fmt: skip
    one.add_argument("bundle", metavar="BUNDLE", help="a bundle by the issuer to be trusted")
    one.add_argument("--name", help="what you call the issuer (default: what it calls itself)")
    one.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    one.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="ROLE",
        help="a role that you give the issuer beside the one it states, such as auditor (may be repeated)",
    )
    one.add_argument("--with-parents", action="store_true", help="pin the issuers of the datasets that it rests on too")
    offline_option(one)
    dev_option(one)
    policy_option(
        one, "the trust file to add to (default: DATASIGIL_POLICY, else the one in your configuration folder)"
    )


def _policy(commands: Any) -> None:
    group = command_group(
        commands,
        "policy",
        "Start or explain a trust file; plan a use of several datasets.",
        "datasigil-verify policy explain",
    )
    one = command(
        group, "init", "policies:init", "Write a new trust file.",
        "datasigil-verify policy init --profile law -o datasigil.toml",
    )  # fmt: skip
    one.add_argument(
        "--profile",
        choices=("none", "law", "finance", "health"),
        default="none",
        metavar="SECTOR",
        help="what a sector asks of a dataset: law, finance, health, or none (the default)",
    )
    one.add_argument(
        "-o", "--output", metavar="FILE", help="where to write (default: the trust file in your configuration folder)"
    )
    one = command(
        group,
        "explain",
        "policies:explain",
        "Say in sentences what a trust file means.",
        "datasigil-verify policy explain --policy datasigil.toml",
    )
    policy_option(one)
    one = command(
        group, "plan", "planning:run", "Say whether datasets may be used together, or which exactly stand in the way.",
        "datasigil-verify policy plan contracts.sigil.json leases/ --use fine-tuning --commercial",
        "datasigil-verify policy plan gate.toml --share model --result-license Apache-2.0",
        notes=(
            "Names the minimal conflicting sets, and what to drop or obtain. What is unknown blocks. Not legal advice.\n"
            "Exit code: 0 allowed, 1 not allowed, 2 wrong usage, 3 nothing but evidence that cannot be had now stands in the way."
        ),
    )  # fmt: skip
    one.add_argument(
        "datasets",
        metavar="BUNDLE|CREDENTIAL|DIR|GATE_FILE",
        nargs="+",
        help="the datasets, or a gate file that names them",
    )
    one.add_argument(
        "--use", choices=_USES, metavar="USE", help=f"what for: {', '.join(_USES)} (default: your trust file's)"
    )
    one.add_argument("--commercial", action="store_true", help="the use is commercial (default: your trust file's)")
    one.add_argument(
        "--share",
        choices=_SHARES,
        metavar="WHAT",
        help="what is passed on: nothing (the default), model, or data made from it",
    )
    one.add_argument("--result-license", metavar="SPDX", help="the licence under which it is to be passed on")
    judging_options(one)


def _card(commands: Any) -> None:
    one = command(
        commands, "card", "carding:run", "Check every fact that a model card cites.",
        "datasigil-verify card run/",
        notes="Exit code as for `check`.",
    )  # fmt: skip
    one.add_argument("folder", metavar="MODEL_DIR", help="the folder with the card, the receipt and the weights")
    judging_options(one)


def _recompute(commands: Any) -> None:
    one = command(
        commands, "recompute", "recomputing:run", "Make a curated dataset again from its parents and compare it with its lineage.",
        "datasigil-verify recompute clean.sigil.json --recipe clean.recipe.toml",
        "datasigil-verify recompute clean.lineage.sigil.json --recipe clean.recipe.toml --data raw=/data/raw --result clean/",
        notes="Exit code: 0 the same, bit by bit, and the evidence VALID; 1 something differs or is refused; 3 the evidence is INDETERMINATE.",
    )  # fmt: skip
    one.add_argument(
        "evidence", metavar="BUNDLE", help="the bundle of the lineage credential, or of the dataset that it made"
    )
    one.add_argument("--recipe", metavar="FILE", required=True, help="the recipe; its digest is in the lineage")
    one.add_argument(
        "--data", metavar="INPUT=DIR", action="append", default=[], help="where an input's data lies here (default: as the recipe says)"
    )  # fmt: skip
    one.add_argument(
        "--parent", metavar="INPUT=BUNDLE", action="append", default=[], help="where an input's bundle lies here (default: as the recipe says)"
    )  # fmt: skip
    one.add_argument("--result", metavar="DIR", help="compare this folder with the result as well")
    one.add_argument("--work", metavar="DIR", help="where the result is made (default: the system's temporary folder)")
    judging_options(one)


def _log(commands: Any) -> None:
    group = command_group(
        commands, "log", "Watch a transparency log.", "datasigil-verify log monitor https://registry.example/log"
    )
    one = command(
        group, "monitor", "monitoring:run", "Derive a log's tree from its entries and compare it with what it signed, now and before.",
        "datasigil-verify log monitor https://registry.example/log",
        notes="Run it again and again: it remembers the largest tree that it saw, and keeps both notes of a split view.",
    )  # fmt: skip
    one.add_argument("url", metavar="URL", help="the log's address")
    one.add_argument(
        "--key", metavar="VKEY", help="the log's verifier key, for a log that your trust file does not name"
    )
    one.add_argument("--issuer", metavar="DID", help="list the new entries by this issuer, such as yourself")
    policy_option(one)
    dev_option(one, "a log")


def _completion(commands: Any) -> None:
    one = command(
        commands, "completion", "completing:run", "Write a script that completes this command line in a shell.",
        "datasigil-verify completion bash > ~/.local/share/bash-completion/completions/datasigil-verify",
    )  # fmt: skip
    one.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
