"""The gate file, `gate.toml`: which bundles vouch for which folders, and which folders must be covered altogether.

Here: strict reading, format version 1 (DESIGN.md section 4, "Gate file"). Not here: opening what it names.

    type = "GateFile"
    formatVersion = 1
    roots = ["data"]

    [[datasets]]
    bundle = "contracts.sigil.json"   # may be left out for a folder: data/.datasigil/bundle.sigil.json
    data = "data/contracts"           # or a tar or zip file, or s3://BUCKET/FOLDER
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasigil.bundle import open_without_waiting
from datasigil.datasets.limits import GATE_DATASETS_MAX, GATE_FILE_BYTES_MAX
from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError, MalformedError
from datasigil.record import dataclass

_FORMAT_VERSION = 1
BUNDLE_IN_DATASET = ".datasigil/bundle.sigil.json"


@dataclass(frozen=True, slots=True)
class GateDataset:
    """One `[[datasets]]` table: the evidence bundle and the folder or archive of its data, both resolved against the gate file.

    Data that is not on this machine has an `address`; `data` is then the same text, and no path.
    """

    bundle: Path
    data: Path
    address: str = ""

    @property
    def place(self) -> str:
        """What the data is called in reports."""
        return self.address or str(self.data)


@dataclass(frozen=True, slots=True)
class GateFile:
    """A parsed gate file; `path` is where it was read from, if anywhere."""

    datasets: tuple[GateDataset, ...]
    roots: tuple[Path, ...] = ()
    path: Path | None = None


def read_gate_file(path: Path) -> GateFile:
    """Read and parse the gate file at `path`.

    Raises: DatasigilError UNREADABLE; MalformedError as `parse_gate_file`, GATE_FILE for what is too large or no text.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            data = file.read(GATE_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"the gate file cannot be read: {error.strerror}",
            place=display_path(str(path)),
            expected="a readable gate.toml",
            next_action="name the gate file, or write one",
        ) from None
    try:
        found = parse_gate_file(data, path.parent)
    except MalformedError as error:
        # A gate file is the user's own configuration: whatever is wrong with it is wrong usage, under one code, with its name.
        raise MalformedError(
            "GATE_FILE",
            error.message,
            place=f"{display_path(str(path))}: {error.place}" if error.place else display_path(str(path)),
            expected=error.expected,
            found=error.found,
            next_action=error.next_action or "correct the gate file; `datasigil-verify gate --help` shows one",
        ) from None
    return GateFile(found.datasets, found.roots, path)


def parse_gate_file(data: bytes, base: Path) -> GateFile:
    """Parse a gate file; relative paths are resolved against `base`, the folder it lies in. Opens nothing.

    Raises: MalformedError LIMIT, ENCODING or GATE_FILE.
    """
    if len(data) > GATE_FILE_BYTES_MAX:
        raise MalformedError("LIMIT", "the gate file is too large", expected=f"at most {GATE_FILE_BYTES_MAX} bytes")
    table = _toml(data)
    _closed(table, ("type", "formatVersion", "datasets", "roots"), "")
    if table.get("type") != "GateFile":
        raise _wrong("type", 'type = "GateFile"', table.get("type"))
    if type(table.get("formatVersion")) is not int or table["formatVersion"] != _FORMAT_VERSION:
        raise _wrong("formatVersion", f"formatVersion = {_FORMAT_VERSION}", table.get("formatVersion"))
    datasets = tuple(
        _dataset(one, f"datasets[{index}]", base) for index, one in enumerate(_list(table, "datasets", required=True))
    )
    _refuse_doubles(datasets)
    roots = _list(table, "roots")
    return GateFile(datasets, tuple(_path(root, f"roots[{index}]", base) for index, root in enumerate(roots)))


def _toml(data: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError("ENCODING", "the gate file is not UTF-8", place=f"byte {error.start}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MalformedError(
            "GATE_FILE",
            f"the gate file is not TOML: {error}",
            expected="TOML 1.0",
            next_action="correct the line that is named",
        ) from None


def _dataset(value: object, place: str, base: Path) -> GateDataset:
    if not isinstance(value, dict):
        raise _wrong(place, "a [[datasets]] table", value)
    _closed(value, ("bundle", "data"), f"{place}.")
    named = value.get("data")
    if isinstance(named, str) and _is_address(named):
        if "bundle" not in value:
            raise _wrong(f"{place}.bundle", "the path of the bundle, which is read before the data is", None)
        return GateDataset(_path(value["bundle"], f"{place}.bundle", base), Path(named), named)
    data = _path(named, f"{place}.data", base)
    if "bundle" not in value:
        return GateDataset(data / BUNDLE_IN_DATASET, data)
    return GateDataset(_path(value["bundle"], f"{place}.bundle", base), data)


def _refuse_doubles(datasets: Sequence[GateDataset]) -> None:
    seen: set[str] = set()
    for index, dataset in enumerate(datasets):
        if dataset.place in seen:
            raise _wrong(f"datasets[{index}].data", "each place named once", dataset.place)
        seen.add(dataset.place)


def _is_address(value: str) -> bool:
    return "://" in value


def _path(value: object, place: str, base: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _wrong(place, "a path", value)
    if _is_address(value):
        raise _wrong(place, "a path on this machine", value)
    return base / value


def _list(table: Mapping[str, object], name: str, *, required: bool = False) -> list[Any]:
    value = table.get(name, [])
    if not isinstance(value, list) or (required and not value):
        raise _wrong(name, "at least one [[datasets]] table" if required else "an array", value)
    if len(value) > GATE_DATASETS_MAX:
        raise MalformedError("LIMIT", "the gate file names too much", place=name, expected=f"<= {GATE_DATASETS_MAX}")
    return value


def _closed(table: Mapping[str, object], known: Sequence[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, 1)
            raise MalformedError(
                "GATE_FILE",
                f"the gate file has an unknown key {display_path(key[:100])!r}",
                place=f"{prefix}{display_path(key[:100])}",
                expected=f"'{near[0]}'" if near else f"one of {', '.join(known)}",
                next_action="correct or remove the key",
            )


def _wrong(place: str, expected: str, found: object) -> MalformedError:
    return MalformedError(
        "GATE_FILE",
        f"the gate file's {place} is refused",
        place=place,
        expected=expected,
        found="nothing" if found is None else display_path(str(found)[:200]),
        next_action="correct the gate file; `datasigil-verify gate --help` shows one",
    )
