"""Which files a dataset may hold and which of them may be parsed: formats sniffed against names.

Here: the refusal of code and pickle anywhere in a dataset, and of content that is not the text its name promises. Not
here: parsing (`records`), hashing (`verified_files`).
"""

from __future__ import annotations

from collections.abc import Iterable

from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError
from training_worker.limits import SNIFF_BYTES

# Names under which something runs, or unpickles, when a training library loads a folder.
CODE_SUFFIXES = frozenset(
    [
        ".py",
        ".pyc",
        ".pyo",
        ".pyd",
        ".pyw",
        ".pyx",
        ".ipynb",
        ".so",
        ".dll",
        ".dylib",
        ".exe",
        ".com",
        ".bat",
        ".cmd",
        ".ps1",
        ".sh",
        ".bash",
        ".js",
        ".mjs",
        ".jar",
        ".class",
        ".wasm",
    ]
)
PICKLE_SUFFIXES = frozenset(
    [
        ".pkl",
        ".pickle",
        ".pck",
        ".pt",
        ".pth",
        ".bin",
        ".ckpt",
        ".joblib",
        ".dill",
        ".npy",
        ".npz",
        ".h5",
        ".hdf5",
        ".keras",
        ".msgpack",
    ]
)
TEXT_SUFFIXES = frozenset({".jsonl", ".csv", ".txt"})

_MAGIC = (
    (b"\x80\x02", "pickle"),
    (b"\x80\x03", "pickle"),
    (b"\x80\x04", "pickle"),
    (b"\x80\x05", "pickle"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstandard"),
    (b"\x7fELF", "ELF"),
    (b"MZ", "a Windows program"),
    (b"#!", "a script"),
    (b"%PDF", "PDF"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\x93NUMPY", "NumPy"),
    (b"\x89HDF", "HDF5"),
    (b"SQLite format 3", "SQLite"),
)


def suffix(path: str) -> str:
    """Return the lower-case last suffix of a manifest path, with its dot."""
    name = path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].casefold() if "." in name else ""


def refuse_code(paths: Iterable[str]) -> None:
    """Refuse a dataset that holds code or pickles, whether or not a recipe names them.

    Raises:
        DatasigilError: FORMAT, naming the first such file.
    """
    for path in paths:
        kind = (
            "code"
            if suffix(path) in CODE_SUFFIXES
            else "a pickle or binary model"
            if suffix(path) in PICKLE_SUFFIXES
            else ""
        )
        if kind:
            raise DatasigilError(
                "FORMAT",
                "the dataset holds a file that can run when it is loaded; it was not opened",
                place=display_path(path),
                expected="data only, such as .jsonl, .csv or .txt",
                found=f"{kind} ({suffix(path)})",
                next_action="ask the publisher for a version of the dataset without it",
            )


def check_text_format(path: str, head: bytes) -> None:
    """Refuse a file to be parsed whose first bytes are not the text that its name promises.

    Raises:
        DatasigilError: FORMAT.
    """
    if suffix(path) not in TEXT_SUFFIXES:
        raise DatasigilError(
            "FORMAT",
            "the worker does not read this format",
            place=display_path(path),
            expected=", ".join(sorted(TEXT_SUFFIXES)),
            found=suffix(path) or "no suffix",
        )
    head = head[:SNIFF_BYTES]
    for magic, name in _MAGIC:
        if head.startswith(magic):
            raise _disguised(path, name)
    if b"\0" in head:
        raise _disguised(path, "binary data")


def _disguised(path: str, found: str) -> DatasigilError:
    return DatasigilError(
        "FORMAT",
        "the content is not what the file's name says",
        place=display_path(path),
        expected=f"text in {suffix(path)}",
        found=found,
    )


__all__ = ["CODE_SUFFIXES", "PICKLE_SUFFIXES", "TEXT_SUFFIXES", "check_text_format", "refuse_code", "suffix"]
