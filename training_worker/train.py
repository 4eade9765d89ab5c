"""`datasigil-train train`: one recipe, one gate, one run folder, and its credential in the registry's log.

Here: what the user asked for, what they are told, and registering at the end. Not here: the run (`run`).
"""

from __future__ import annotations

import shutil
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from datasigil.errors import DatasigilError
from datasigil.report.terminal import INTERRUPTED, OK, Console, escape
from training_worker import places
from training_worker.gate_settings import gate_settings
from training_worker.online import MODEL_BUNDLE, Publishing
from training_worker.prices import read_prices
from training_worker.progress import Progress
from training_worker.recipe import Recipe, parse_recipe, read_recipe_bytes
from training_worker.run import Finished, RunRequest, summary, train
from training_worker.run_folder import PARTIAL_SUFFIX
from training_worker.sign_model import CREDENTIAL
from training_worker.stopping import Interrupted, StopRequest

NAME_MAX_CHARACTERS = 60  # of a result folder named after its recipe


def run(given: Namespace, console: Console) -> int:
    """Train a recipe; exit 0 when the run folder is whole and, where asked for, registered."""
    path = Path(given.recipe)
    raw = read_recipe_bytes(path)
    recipe = parse_recipe(raw, place=str(path))
    out = Path(given.output) if given.output else Path("runs") / folder_name(recipe.name)
    if places.launch_rank():
        return _follow(recipe, raw, out, given)
    publishing = _publishing(given)
    progress = Progress("quiet" if console.quiet else "json" if console.json else "text", console.err)
    with StopRequest(progress.say) as stop:
        request = RunRequest(
            recipe,
            raw,
            path.resolve().parent,
            gate_settings(given),
            out,
            resume=given.resume,
            sign=publishing.sign if publishing else None,
            progress=progress,
            asked_to_stop=stop,
            prices=read_prices(Path(given.prices)) if given.prices else None,
        )
        try:
            finished = train(request)
        except Interrupted as stopped:
            again = f"datasigil-train train {escape(given.recipe)} -o {escape(str(out))} --resume"
            console.err.write(f"{stopped}; the checkpoint lies in {escape(str(out))}.partial\nto go on: {again}\n")
            return INTERRUPTED
    return _conclude(finished, publishing, given, console)


def _follow(recipe: Recipe, raw: bytes, out: Path, given: Namespace) -> int:
    """Train beside the first process of a launch: through a gate of its own, leaving nothing behind."""
    with tempfile.TemporaryDirectory(prefix="datasigil-rank-") as work, StopRequest(lambda _: None) as stop:
        own = Path(work) / "run"
        unfinished = out.with_name(out.name + PARTIAL_SUFFIX)
        if given.resume and unfinished.is_dir():
            shutil.copytree(
                unfinished, own.with_name(own.name + PARTIAL_SUFFIX), ignore=shutil.ignore_patterns("snapshot-*")
            )
        request = RunRequest(
            recipe,
            raw,
            Path(given.recipe).resolve().parent,
            gate_settings(given),
            own,
            resume=given.resume,
            progress=Progress("quiet"),
            asked_to_stop=stop,
            prices=read_prices(Path(given.prices)) if given.prices else None,
        )
        try:
            train(request)
        except Interrupted:
            return INTERRUPTED
    return OK


def folder_name(name: str) -> str:
    """Return the name of the result folder of a recipe's name."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)
    return plain.strip("-").lower()[:NAME_MAX_CHARACTERS] or "run"


def _publishing(given: Namespace) -> Publishing | None:
    """Open the key before anything else is done: a wrong passphrase after an hour of training would be a pity."""
    if given.key is None:
        return None
    url = places.named_registry(given.registry)
    if not url:
        raise DatasigilError(
            "USAGE",
            "--key needs the registry you are logged in to",
            expected="--registry URL, or DATASIGIL_REGISTRY",
            next_action="add --registry URL",
        )
    return Publishing.open(url, given.key, given.publisher, dev=places.is_dev(given.dev))


def _conclude(finished: Finished, publishing: Publishing | None, given: Namespace, console: Console) -> int:
    result = summary(finished)
    # The figures are told before registering, which may fail: the run is whole either way.
    if not console.json:
        console.result({}, finished.table + "\n")
    if publishing is not None and not given.no_publish:
        result["published"] = _register(finished.folder, publishing)
    console.result(result, _where(finished.folder, publishing, result))
    return 0


def _register(folder: Path, publishing: Publishing) -> dict[str, Any]:
    try:
        return publishing.publish(folder)
    except DatasigilError as error:
        error.message = f"the run is whole and signed, but not registered: {error.message}"
        error.next_action = (
            f"datasigil publish {folder / CREDENTIAL} -o {folder / MODEL_BUNDLE} --registry {publishing.client.url}"
        )
        raise


def _where(folder: Path, publishing: Publishing | None, result: dict[str, Any]) -> str:
    place = escape(str(folder))
    lines = [
        f"run folder {place}",
        "  adapter_model.safetensors, head.safetensors, classifier.json   the model",
        "  receipt.json, examples.json                                    what it consumed and how it ran",
        "  card.json, README.md                                           the model card, each fact with its source",
        "  evidence/                                                      the credentials it rests on",
    ]
    if publishing is None:
        lines.append("not signed: --key NAME --registry URL adds a ModelTrainingCredential")
    elif "published" in result:
        published = result["published"]
        lines.append("  model-credential.json, model.sigil.json                        signed, and its evidence bundle")
        lines.append(
            f"registered in the log as entry {published['logIndex']}: {escape(published['id'])}, SHA-256 {escape(published['digest'])}"
        )
    else:
        lines.append("  model-credential.json                                          signed, not registered")
    lines.append(f"next: datasigil-verify card {place}")
    return "\n".join(lines) + "\n"


__all__ = ["folder_name", "run"]
