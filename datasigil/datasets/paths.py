"""Path rules of a manifest, and how a path is shown to people.

Here: which spelling of a path is allowed (DESIGN.md section 4, "Paths"), which two spellings may not stand in one
dataset (Unicode 15 section 3.13, D145: canonical caseless match), and escaping for human eyes.
Not here: opening anything. Control characters other than NUL are allowed in names, as file systems allow them;
`display_path` is what makes them harmless in a report.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice
from operator import eq
from typing import Final
from unicodedata import is_normalized, normalize

from datasigil.datasets.limits import PATH_BYTES_MAX
from datasigil.errors import MalformedError

EVIDENCE_FOLDER = ".datasigil/"
_BUCKETS: Final = 64  # sorted one by one, so that a million hashes never stand in memory as objects together

# Most paths of most datasets: decided by one pass of C code. A colon, a leading dot or a character beyond ASCII goes
# through the rules one by one.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@ -]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+=@ -]*)*").fullmatch
_DRIVE = re.compile(r"(?:^|/)[A-Za-z]:").search


def path_problem(path: str) -> str:
    """Say in a few words why `path` may not stand in a manifest, or return the empty string.

    Does not check normalisation (see `not_nfc`) nor collisions, which need their neighbours.
    """
    if len(path) < PATH_BYTES_MAX // 4 and _PLAIN(path):
        return ""
    if not path:
        return "it is empty"
    try:
        encoded = path.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    if len(encoded) > PATH_BYTES_MAX:
        return f"it is longer than {PATH_BYTES_MAX} bytes"
    return _spelling_problem(path)


def _spelling_problem(path: str) -> str:
    if "\0" in path:
        return "it contains a NUL character"
    if "\\" in path:
        return "it contains a backslash; '/' is the only separator"
    if path.startswith("/"):
        return "it is absolute; paths are relative to the dataset's folder"
    if _DRIVE(path):
        return "it contains a drive letter"
    for segment in path.split("/"):
        if segment == "..":
            return "it contains '..'"
        if segment in {"", "."}:
            return "it contains an empty or '.' segment"
    return ""


def not_nfc(path: str) -> bool:
    """Tell whether `path` is spelled otherwise than in Unicode Normalization Form C."""
    return not path.isascii() and not is_normalized("NFC", path)


def fold(path: str) -> str:
    """Return the key under which spellings that some file system takes for one name are equal (Unicode D145)."""
    if path.isascii():
        return path.lower()
    return normalize("NFD", normalize("NFD", path).casefold())


def display_path(path: str) -> str:
    """Spell `path` so that it cannot move a cursor, break a line or reorder text: other characters are escaped."""
    if path.isprintable() and "\\" not in path:
        return path
    return "".join(_display_character(character) for character in path)


def _display_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    point = ord(character)
    if 0xDC80 <= point <= 0xDCFF:  # a byte of a name that is not UTF-8 (PEP 383)
        return f"\\x{point - 0xDC00:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def storable_path(path: str) -> str:
    """Return `path` unless it is not UTF-8, in which case its bytes are spelled in hexadecimal so that JSON can carry it."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path


def folder_of(path: str) -> str:
    """Return the folder of `path` without the trailing `/`; the dataset's own folder is the empty string."""
    return path.rpartition("/")[0]


def check_paths(paths: Sequence[str], *, place: str = "/entries") -> None:
    """Refuse a list of paths that breaks a rule alone or two of which collide; `place` points to the list, if it has one.

    Raises: MalformedError PATH, DUP_PATH or COLLISION. Collisions are named before normalisation: an NFC and an NFD
    spelling of one name are a collision. The order of the list is not checked.
    """
    for index, path in enumerate(paths):
        problem = path_problem(path)
        if problem:
            raise _path_error(path, problem, _place(place, index, path))
    found = next(find_collisions(paths), None)
    if found is not None:
        _raise_collision(*found, place)
    for index, path in enumerate(paths):
        if not_nfc(path):
            raise _path_error(path, "it is not in Unicode form NFC", _place(place, index, path))


def find_collisions(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of spellings that one file system or another cannot tell apart, folders and files alike.

    The pair is (the later, the earlier); equal strings are yielded too: the caller names them duplicates. Names are
    looked at by a hash of eight bytes first, so that a million of them take ten megabytes; only what shares one is
    looked at in full.
    """
    suspects = _shared_hashes(paths)
    if suspects:
        yield from _exact_collisions([path for path in paths if _is_suspect(path, suspects)])


def _shared_hashes(paths: Iterable[str]) -> frozenset[int]:
    """Return the hashes that two names share; a folder whose files do not stand together may be among them."""
    buckets = [array("q") for _ in range(_BUCKETS)]
    last_folder = ""
    for path in paths:
        folder = folder_of(path)
        if folder != last_folder:
            _hash_new_folders(folder, last_folder, buckets)
            last_folder = folder
        key = hash(fold(path))
        buckets[key % _BUCKETS].append(key)
    shared: set[int] = set()
    for bucket in buckets:
        keys = sorted(bucket)
        shared.update(compress(keys, map(eq, keys, islice(keys, 1, None))))
    return frozenset(shared)


def _hash_new_folders(folder: str, last: str, buckets: Sequence[array[int]]) -> None:
    """Count the folders of `folder` that are not `last` or folders of it."""
    while folder and folder != last and not last.startswith(f"{folder}/"):
        key = hash(fold(folder))
        buckets[key % _BUCKETS].append(key)
        folder = folder_of(folder)


def _is_suspect(path: str, suspects: frozenset[int]) -> bool:
    while path:
        if hash(fold(path)) in suspects:
            return True
        path = folder_of(path)
    return False


def _exact_collisions(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    folders: dict[str, str] = {"": ""}
    files: dict[str, str] = {}
    last_folder = ""
    for path in paths:
        folder = folder_of(path)
        if folder != last_folder:
            yield from _enter_folder(folder, folders)
            last_folder = folder
        key = fold(path)
        if key in files:
            yield path, files[key]
        else:
            files[key] = path
    for key in files.keys() & folders.keys():
        yield files[key], f"{folders[key]}/"


def _enter_folder(folder: str, folders: dict[str, str]) -> Iterator[tuple[str, str]]:
    while folder:
        key = fold(folder)
        if key in folders:
            if folders[key] != folder:
                yield folder, folders[key]
            return
        folders[key] = folder
        folder = folder_of(folder)  # its own parents may be new too


def _place(place: str, index: int, path: str) -> str:
    return f"{place}/{index}/path" if place else display_path(path)


def _path_error(path: str, problem: str, place: str) -> MalformedError:
    return MalformedError(
        "PATH",
        f"the path {display_path(path)!r} is refused: {problem}",
        place=place,
        expected="a relative path in UTF-8 NFC with '/' between names",
        found=display_path(path),
        next_action="rename the file, then make the manifest again",
    )


def _raise_collision(later: str, earlier: str, place: str) -> None:
    place = place or display_path(later)
    if later == earlier:
        raise MalformedError(
            "DUP_PATH",
            f"the path {display_path(later)!r} is listed twice",
            place=place,
            expected="every path once",
            found=display_path(later),
            next_action="make the manifest again with 'datasigil manifest'",
        )
    raise MalformedError(
        "COLLISION",
        f"{display_path(later)!r} and {display_path(earlier)!r} are one name on some file systems",
        place=place,
        expected="names that differ after Unicode normalisation and case folding",
        found=f"{display_path(later)} and {display_path(earlier)}",
        next_action="rename one of them, then make the manifest again",
    )


def check_ignored(ignored: Iterable[str], *, place: str = "/ignored") -> None:
    """Refuse an `ignored` list that breaks a path rule; a trailing `/` names a folder with all it holds.

    Raises: MalformedError PATH.
    """
    for index, path in enumerate(ignored):
        bare = path.removesuffix("/")
        problem = path_problem(bare) or ("it is not in Unicode form NFC" if not_nfc(bare) else "")
        if problem:
            raise _path_error(path, problem, f"{place}/{index}")


def is_ignored(path: str, ignored: Iterable[str]) -> bool:
    """Tell whether the file `path` is named by `ignored`: exactly, or below a folder that ends in `/`."""
    return any(path == name or (name.endswith("/") and path.startswith(name)) for name in ignored)
