"""`datasigil-train new`: from a bundle and a folder to a recipe, through the gate.

Here: verifying, recognising, writing. Not here: the recognition itself (`scaffold`).
"""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from datasigil.bundle import DATASET_BUNDLE
from datasigil.errors import DatasigilError
from datasigil.report.terminal import Console
from training_worker.base_model import find_base_model
from training_worker.domains import domain_files, domain_header
from training_worker.gate import GateSettings, passed_bundle
from training_worker.gate_settings import gate_settings
from training_worker.recipe import Recipe, parse_recipe
from training_worker.recipe_sections import DEFAULT_BASE, Base
from training_worker.run_folder import write_file
from training_worker.scaffold import Finding, recipe_text, recognise


@dataclass(frozen=True, slots=True)
class NewRecipe:
    """A recipe that was written, and what was recognised."""

    text: str
    recipe: Recipe
    finding: Finding

    def document(self) -> dict[str, object]:
        """Return what `--json` prints."""
        members = {"recipe": self.text, "digest": self.recipe.digest, "notes": list(self.finding.notes)}
        return {"type": "NewRecipe", "formatVersion": 1, **members}


def run(given: Namespace, console: Console) -> int:
    """Write the recipe, or show it where no output is named."""
    data, output = Path(given.data), Path(given.output) if given.output else None
    if given.domain is not None:
        output = domain_folder(output, given.domain, force=given.force)
    bundle = Path(given.bundle) if given.bundle else data / DATASET_BUNDLE
    settings = gate_settings(given)
    written = new_recipe(bundle, data, output, given.name, settings, force=given.force, domain=given.domain)
    found = written.finding
    labels = f"{len(found.labels)} labels, {'several' if found.multi else 'one'} per row"
    console.say(
        f"gate: VALID; recognised {found.layout}: {found.rows} rows, {labels}, splits drawn by {found.drawn_by}"
    )
    for note in found.notes:
        console.say(f"  {note}")
    if output is not None:
        policy = f" --policy {output.parent / 'datasigil.toml'}" if given.domain else ""
        console.say(f"recipe written to {output}; next: datasigil-train train {output}{policy}")
        if policy:
            console.say(
                f"  that trust file has the sector's rules and trusts nobody yet: datasigil-verify trust add {bundle}{policy}"
            )
    console.result(written.document(), "" if output is not None else written.text)
    return 0


def domain_folder(output: Path | None, domain: str, *, force: bool) -> Path:
    """Return where a domain's recipe goes: recipe.yaml in the named folder, or in one named after the domain.

    Raises:
        DatasigilError: OUT_EXISTS, when one of the files is there.
    """
    folder = output or Path(domain)
    for name in ("recipe.yaml", *domain_files(domain)):
        if os.path.lexists(folder / name) and not force:
            raise DatasigilError(
                "OUT_EXISTS",
                "a file of the scaffold exists already",
                place=str(folder / name),
                next_action="add --force, or choose another -o",
            )
    return folder / "recipe.yaml"


def new_recipe(
    bundle: Path,
    data: Path,
    output: Path | None,
    name: str | None,
    settings: GateSettings,
    *,
    force: bool = False,
    domain: str | None = None,
) -> NewRecipe:
    """Verify a dataset, look at it, and write the recipe that trains on it.

    Raises:
        Refused: by the gate.
        DatasigilError: LAYOUT, OUT_EXISTS, BASE_MODEL, UNWRITABLE.
    """
    if output is not None and os.path.lexists(output) and not force:
        raise DatasigilError(
            "OUT_EXISTS",
            "the recipe exists already",
            place=str(output),
            next_action="add --force, or choose another -o",
        )
    with (
        tempfile.TemporaryDirectory(prefix="datasigil-new-") as work,
        passed_bundle(bundle, data, settings, work=Path(work)) as gate,
    ):
        dataset = gate.datasets[0]
        finding = recognise(dataset.files)
        base = find_base_model(Base.model_validate({"package": DEFAULT_BASE}), Path())
        folder = (output.resolve().parent if output else Path.cwd()).resolve()
        text = recipe_text(
            finding,
            name=name or str(dataset.credential["credentialSubject"]["name"]),
            credential=dataset.files.credential_id,
            credential_digest=dataset.files.credential_digest,
            bundle=_relative(bundle, folder),
            data=_relative(data, folder),
            base_digest=base.manifest.digest,
            package=DEFAULT_BASE,
        )
    text = domain_header(domain) + text if domain else text
    recipe = parse_recipe(text.encode("utf-8"), place="the new recipe")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        for beside, content in (domain_files(domain) if domain else {}).items():
            write_file(output.parent / beside, content.encode("utf-8"))
        write_file(output, text.encode("utf-8"))
    return NewRecipe(text, recipe, finding)


def _relative(path: Path, folder: Path) -> str:
    """Return `path` as the recipe names it, relative to the recipe's folder where that is possible."""
    try:
        return Path(os.path.relpath(path.resolve(), folder)).as_posix()
    except ValueError:  # another drive on Windows
        return path.resolve().as_posix()


__all__ = ["NewRecipe", "new_recipe", "run"]
