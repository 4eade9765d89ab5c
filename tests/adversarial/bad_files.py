"""Group F of the threat model and its neighbours on the side of files, as one table.

Here: the cases; `tests/datasigil/datasets/test_bad_input.py` runs each of them through a check of the folder, the making of a manifest, or the parser. Each case
is the baseline dataset plus one change. `expected` is the reason code, or VALID for what must not be refused.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasigil.canonical import jcs

VALID = "VALID"
BASE = {
    "README.md": b"# Leases\n",
    "empty.txt": b"",
    "data/a.jsonl": b'{"text": "a"}\n',
    "data/b.jsonl": b'{"text": "b"}\n' * 50,
    "data/deep/c.csv": b"text,label\nc,1\n",
    "blob.bin": bytes(range(256)) * 2000,  # larger than one read
}


@dataclass(frozen=True)
class Case:
    """One change, where it is judged (`check`, `partial`, `build`, `manifest`), and what must come of it."""

    name: str
    face: str
    change: Callable[[Any], Any]
    expected: str


def write(root: Path, path: str, data: bytes = b"x") -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def raw(root: Path, name: bytes, data: bytes = b"x") -> None:
    """Write a file whose name is these bytes."""
    descriptor = os.open(os.fsencode(root) + b"/" + name, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, data)
    os.close(descriptor)


def bind(place: Path) -> None:
    """Put a socket there; its path may be longer than a socket's address may be."""
    here = os.getcwd()
    os.chdir(place.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(place.name)
    finally:
        os.chdir(here)


def replaced(root: Path, path: str, put: Callable[[Path], object]) -> None:
    place = root / path
    if place.is_dir():
        place.rename(root.parent / "was-here")
    else:
        place.unlink()
    put(place)


def flip(root: Path, path: str, at: int) -> None:
    place = root / path
    data = bytearray(place.read_bytes())
    data[at] ^= 1
    place.write_bytes(data)


def same_bytes(root: Path, path: str) -> None:
    """Move the file out and link to it: the right bytes behind a link."""
    (root / path).rename(root.parent / "outside")
    (root / path).symlink_to(root.parent / "outside")


def grow(root: Path, path: str) -> None:
    with open(root / path, "ab") as file:
        file.write(b"\n")


def sparse(root: Path, path: str, size: int) -> None:
    with open(root / path, "wb") as file:
        file.truncate(size)


# Bytes, names and kinds on the disk, judged against the manifest of the baseline --------------------------------------

BYTES = [
    Case("first byte changed", "check", lambda r: flip(r, "README.md", 0), "FILE_DIGEST"),
    Case("last byte changed", "check", lambda r: flip(r, "README.md", -1), "FILE_DIGEST"),
    Case("byte of a large file changed", "check", lambda r: flip(r, "blob.bin", 300_000), "FILE_DIGEST"),
    Case("last byte of a large file changed", "check", lambda r: flip(r, "blob.bin", -1), "FILE_DIGEST"),
    Case("one byte appended", "check", lambda r: grow(r, "data/a.jsonl"), "FILE_DIGEST"),
    Case("one byte appended to the empty file", "check", lambda r: grow(r, "empty.txt"), "FILE_DIGEST"),
    Case("one byte appended to a large file", "check", lambda r: grow(r, "blob.bin"), "FILE_DIGEST"),
    Case("cut by one byte", "check", lambda r: os.truncate(r / "data/a.jsonl", 13), "FILE_DIGEST"),
    Case("cut to nothing", "check", lambda r: os.truncate(r / "data/a.jsonl", 0), "FILE_DIGEST"),
    Case("line ends changed", "check", lambda r: write(r, "README.md", b"# Leases\r\n"), "FILE_DIGEST"),
    Case("a mark put in front", "check", lambda r: write(r, "README.md", b"\xef\xbb\xbf# Leases\n"), "FILE_DIGEST"),
    Case("same size, zeros", "check", lambda r: sparse(r, "blob.bin", 512_000), "FILE_DIGEST"),
    Case("sparse and huge", "check", lambda r: sparse(r, "README.md", 1 << 42), "FILE_DIGEST"),
    Case("two files swapped", "check", lambda r: (os.rename(r / "README.md", r / "t"), os.rename(r / "data/a.jsonl", r / "README.md"), os.rename(r / "t", r / "data/a.jsonl")), "FILE_DIGEST"),
    Case("two files joined and split elsewhere", "check", lambda r: (write(r, "data/a.jsonl", BASE["data/a.jsonl"][:5]), write(r, "README.md", BASE["README.md"] + BASE["data/a.jsonl"][5:])), "FILE_DIGEST"),
    Case("a file is missing", "check", lambda r: (r / "README.md").unlink(), "FILE_MISSING"),
    Case("the empty file is missing", "check", lambda r: (r / "empty.txt").unlink(), "FILE_MISSING"),
    Case("a folder is missing", "check", lambda r: (r / "data").rename(r.parent / "gone"), "FILE_MISSING"),
    Case("everything is missing", "check", lambda r: [(r / one).rename(r.parent / f"gone-{number}") for number, one in enumerate(os.listdir(r))], "FILE_MISSING"),
    Case("renamed", "check", lambda r: (r / "README.md").rename(r / "README.txt"), "FILE_MISSING"),
    Case("moved to another folder", "check", lambda r: (r / "README.md").rename(r / "data/README.md"), "FILE_MISSING"),
    Case("case of a name changed", "check", lambda r: (r / "README.md").rename(r / "readme.md"), "FILE_MISSING"),
]  # fmt: skip

EXTRA = [
    Case("an extra file", "check", lambda r: write(r, "extra.txt"), "EXTRA_FILE"),
    Case("an extra empty file", "check", lambda r: write(r, "extra.txt", b""), "EXTRA_FILE"),
    Case("an extra file deep down", "check", lambda r: write(r, "data/deep/er/still/x"), "EXTRA_FILE"),
    Case("an extra hidden file", "check", lambda r: write(r, ".DS_Store"), "EXTRA_FILE"),
    Case("an extra file that begins like a listed one", "check", lambda r: write(r, "README.md.bak"), "EXTRA_FILE"),
    Case("an extra copy of a listed file", "check", lambda r: write(r, "copy.md", BASE["README.md"]), "EXTRA_FILE"),
    Case("a file beside the evidence folder", "check", lambda r: write(r, ".datasigil2/x"), "EXTRA_FILE"),
    Case("a file called as the evidence folder", "check", lambda r: write(r, ".datasigil"), "EXTRA_FILE"),
    Case("an evidence folder below", "check", lambda r: write(r, "data/.datasigil/x"), "EXTRA_FILE"),
    Case("a file sorted before all", "check", lambda r: write(r, "!first"), "EXTRA_FILE"),
    Case("a file sorted after all", "check", lambda r: write(r, "~last"), "EXTRA_FILE"),
    Case("a name with an escape sequence", "check", lambda r: raw(r, b"\x1b[2Jx"), "EXTRA_FILE"),
    Case("a name with a line break", "check", lambda r: raw(r, b"a\nb"), "EXTRA_FILE"),
    Case("a name that reverses text", "check", lambda r: write(r, "a\u202etxt.exe"), "EXTRA_FILE"),
    Case("a script", "check", lambda r: write(r, "dataset.py", b"import os\n"), "EXTRA_FILE"),
    Case("a name that is not UTF-8", "check", lambda r: raw(r, b"\xff\xfe"), "PATH"),
    Case("an overlong UTF-8 name", "check", lambda r: raw(r, b"a\xc0\xafb"), "PATH"),
    Case("a surrogate in a name", "check", lambda r: raw(r, b"\xed\xa0\x80"), "PATH"),
    Case("a backslash in a name", "check", lambda r: raw(r, b"data\\a.jsonl"), "PATH"),
    Case("a drive letter in a name", "check", lambda r: raw(r, b"C:x"), "PATH"),
    Case("an NFD name", "check", lambda r: write(r, unicodedata.normalize("NFD", "é.txt")), "PATH"),
    Case("a name that differs in case", "check", lambda r: write(r, "readme.MD"), "COLLISION"),
    Case("a name that differs in full case folding", "check", lambda r: write(r, "EMPTY.TXT"), "COLLISION"),
    Case("a folder that differs in case", "check", lambda r: write(r, "DATA/a.jsonl"), "COLLISION"),
]

KINDS = [
    Case("a link to a file with the right bytes", "check", lambda r: same_bytes(r, "README.md"), "SYMLINK"),
    Case("a link to the right file inside", "check", lambda r: replaced(r, "README.md", lambda p: p.symlink_to("data/a.jsonl")), "SYMLINK"),
    Case("a link in place of a large file", "check", lambda r: same_bytes(r, "blob.bin"), "SYMLINK"),
    Case("a link to a folder with the right files", "check", lambda r: same_bytes(r, "data"), "SYMLINK"),
    Case("a link to a folder below", "check", lambda r: same_bytes(r, "data/deep"), "SYMLINK"),
    Case("a dangling link", "check", lambda r: replaced(r, "README.md", lambda p: p.symlink_to("nowhere")), "SYMLINK"),
    Case("a link to itself", "check", lambda r: replaced(r, "README.md", lambda p: p.symlink_to("README.md")), "SYMLINK"),
    Case("a loop of links", "check", lambda r: ((r / "l1").symlink_to("l2"), (r / "l2").symlink_to("l1")), "SYMLINK"),
    Case("a link to the dataset itself", "check", lambda r: (r / "again").symlink_to("."), "SYMLINK"),
    Case("a link to the folder above", "check", lambda r: (r / "data/up").symlink_to(".."), "SYMLINK"),
    Case("a link to the root of the disk", "check", lambda r: (r / "disk").symlink_to("/"), "SYMLINK"),
    Case("a link to /proc/self/mem", "check", lambda r: replaced(r, "README.md", lambda p: p.symlink_to("/proc/self/mem")), "SYMLINK"),
    Case("an extra link", "check", lambda r: (r / "extra").symlink_to("README.md"), "SYMLINK"),
    Case("a hidden link", "check", lambda r: (r / ".link").symlink_to("/etc/passwd"), "SYMLINK"),
    Case("a pipe", "check", lambda r: os.mkfifo(r / "pipe"), "SPECIAL_FILE"),
    Case("a pipe in place of a file", "check", lambda r: replaced(r, "README.md", os.mkfifo), "SPECIAL_FILE"),
    Case("a pipe in place of the empty file", "check", lambda r: replaced(r, "empty.txt", os.mkfifo), "SPECIAL_FILE"),
    Case("a pipe in place of a large file", "check", lambda r: replaced(r, "blob.bin", os.mkfifo), "SPECIAL_FILE"),
    Case("a socket", "check", lambda r: bind(r / "socket"), "SPECIAL_FILE"),
    Case("a socket in place of a file", "check", lambda r: replaced(r, "README.md", bind), "SPECIAL_FILE"),
    Case("a folder in place of a file", "check", lambda r: replaced(r, "README.md", lambda p: p.mkdir()), "FILE_MISSING"),
    Case("a file in place of a folder", "check", lambda r: replaced(r, "data", lambda p: p.write_bytes(b"x")), "FILE_MISSING"),
    Case("a folder full of files in place of a file", "check", lambda r: replaced(r, "README.md", lambda p: write(p.parent, "README.md/x")), "EXTRA_FILE"),
]  # fmt: skip

PART = [
    Case("a part with a changed file", "partial", lambda r: ((r / "README.md").unlink(), flip(r, "blob.bin", 0)), "FILE_DIGEST"),
    Case("a part with an unlisted file", "partial", lambda r: ((r / "README.md").unlink(), write(r, "x")), "EXTRA_FILE"),
    Case("a part with a link", "partial", lambda r: ((r / "blob.bin").unlink(), same_bytes(r, "README.md")), "SYMLINK"),
    Case("a part with nothing in it", "partial", lambda r: [(r / one).rename(r.parent / f"gone-{number}") for number, one in enumerate(os.listdir(r))], "FILE_MISSING"),
    Case("a part with one file", "partial", lambda r: [(r / one).unlink() for one in ("README.md", "empty.txt", "blob.bin")], VALID),
    Case("a part with all files", "partial", lambda r: None, VALID),
]  # fmt: skip

# What must stay VALID -------------------------------------------------------------------------------------------------

HONEST = [
    Case("unchanged", "check", lambda r: None, VALID),
    Case("times changed", "check", lambda r: os.utime(r / "README.md", (1, 1)), VALID),
    Case("time before 1970", "check", lambda r: os.utime(r / "README.md", (-10, -10)), VALID),
    Case("permissions changed", "check", lambda r: os.chmod(r / "README.md", 0o444), VALID),
    Case("made executable", "check", lambda r: os.chmod(r / "README.md", 0o755), VALID),
    Case("a folder read-only", "check", lambda r: os.chmod(r / "data", 0o555), VALID),
    Case("an empty folder", "check", lambda r: (r / "nothing/at/all").mkdir(parents=True), VALID),
    Case("an empty folder called as a file elsewhere", "check", lambda r: (r / "data/README.md").mkdir(), VALID),
    Case("evidence inside", "check", lambda r: write(r, ".datasigil/bundle.sigil.json"), VALID),
    Case("a link among the evidence", "check", lambda r: ((r / ".datasigil").mkdir(), (r / ".datasigil/link").symlink_to("/etc")), VALID),
    Case("the same bytes written anew", "check", lambda r: write(r, "README.md", BASE["README.md"]), VALID),
    Case("another inode", "check", lambda r: (write(r, "t", BASE["README.md"]), os.rename(r / "t", r / "README.md")), VALID),
    Case("a second hard link outside", "check", lambda r: os.link(r / "README.md", r.parent / "hard"), VALID),
    Case("two names of one inode inside", "check", lambda r: ((r / "README.md").unlink(), write(r.parent, "o", BASE["README.md"]), os.link(r.parent / "o", r / "README.md")), VALID),
    Case("reached through a link at the top", "check", lambda r: (r.rename(r.parent / "real"), r.symlink_to(r.parent / "real")), VALID),
    Case("a sparse file with the right bytes", "build", lambda r: sparse(r, "holes.bin", 1 << 20), VALID),
    Case("a name with spaces and emoji", "build", lambda r: write(r, "two words/🦜 parrot.txt"), VALID),
    Case("NFC accents", "build", lambda r: write(r, "Zürich/é.txt"), VALID),
    Case("Chinese, Arabic and Hindi names", "build", lambda r: [write(r, name) for name in ("合同.txt", "عقد.txt", "अनुबंध.txt")], VALID),
    Case("control characters in a name", "build", lambda r: raw(r, b"bell\x07tab\t"), VALID),
    Case("a name of 255 bytes", "build", lambda r: write(r, "n" * 255), VALID),
    Case("a deep folder", "build", lambda r: write(r, "/".join(["d"] * 60) + "/x"), VALID),
    Case("names with dots", "build", lambda r: [write(r, name) for name in ("...", ".a", "a.", "..a", "a..b")], VALID),
    Case("names that sort around the separator", "build", lambda r: [write(r, name) for name in ("data-more", "data.more", "data!", "data0", "datb/x")], VALID),
    Case("a name that begins with a dash", "build", lambda r: write(r, "-rf"), VALID),
    Case("names with shell and glob characters", "build", lambda r: [write(r, name) for name in ("$HOME", "*", "a;b", "`x`", "a'b\"c")], VALID),
    Case("two thousand files in a folder", "build", lambda r: [write(r, f"many/{number}") for number in range(2000)], VALID),
    Case("the same bytes under many names", "build", lambda r: [write(r, f"same/{number}", b"same") for number in range(5)], VALID),
]  # fmt: skip

# What no manifest is made of ------------------------------------------------------------------------------------------

BUILD = [
    Case("make: a link", "build", lambda r: (r / "link").symlink_to("README.md"), "SYMLINK"),
    Case("make: a linked folder", "build", lambda r: (r / "link").symlink_to("data"), "SYMLINK"),
    Case("make: a dangling link", "build", lambda r: (r / "link").symlink_to("nowhere"), "SYMLINK"),
    Case("make: a loop", "build", lambda r: (r / "link").symlink_to("link"), "SYMLINK"),
    Case("make: a pipe", "build", lambda r: os.mkfifo(r / "pipe"), "SPECIAL_FILE"),
    Case("make: a socket", "build", lambda r: bind(r / "socket"), "SPECIAL_FILE"),
    Case("make: not UTF-8", "build", lambda r: raw(r, b"\xff"), "PATH"),
    Case("make: not UTF-8 deep down", "build", lambda r: raw(r / "data/deep", b"caf\xe9"), "PATH"),
    Case("make: a backslash", "build", lambda r: raw(r, b"a\\b"), "PATH"),
    Case("make: a drive letter", "build", lambda r: raw(r, b"C:"), "PATH"),
    Case("make: a stream name", "build", lambda r: write(r, "d/E:x"), "PATH"),
    Case("make: an NFD name", "build", lambda r: write(r, "e\u0301"), "PATH"),
    Case("make: NFC and NFD of one name", "build", lambda r: (write(r, "\u00e9"), write(r, "e\u0301")), "COLLISION"),
    Case("make: two cases of one name", "build", lambda r: (write(r, "A.txt"), write(r, "a.txt")), "COLLISION"),
    Case("make: full case folding", "build", lambda r: (write(r, "straße"), write(r, "STRASSE")), "COLLISION"),
    Case("make: folders in two cases", "build", lambda r: (write(r, "Data/x"), write(r, "dAta/y")), "COLLISION"),
    Case("make: a file and a folder in two cases", "build", lambda r: (write(r, "Q"), write(r, "q/x")), "COLLISION"),
    Case("make: the Kelvin sign and k", "build", lambda r: (write(r, "\u212a"), write(r, "k")), "COLLISION"),
    Case("make: a final sigma", "build", lambda r: (write(r, "ΟΔΟΣ"), write(r, "οδος")), "COLLISION"),
    Case("make: a ligature", "build", lambda r: (write(r, "ﬁle"), write(r, "file")), "COLLISION"),
    Case("make: nothing", "build", lambda r: [(r / one).rename(r.parent / f"gone-{number}") for number, one in enumerate(os.listdir(r))], "EMPTY_DATASET"),
    Case("make: only evidence", "build", lambda r: ([(r / one).rename(r.parent / f"gone-{number}") for number, one in enumerate(os.listdir(r))], write(r, ".datasigil/x")), "EMPTY_DATASET"),
    Case("make: a file in place of the folder", "build", lambda r: (r.rename(r.parent / "gone"), r.write_bytes(b"x")), "DATA_FOLDER"),
    Case("make: no folder", "build", lambda r: r.rename(r.parent / "gone"), "DATA_FOLDER"),
]  # fmt: skip


# Manifests ------------------------------------------------------------------------------------------------------------


def text(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Change the document and write it in canonical form again."""

    def changed(data: bytes) -> bytes:
        document = json.loads(data)
        change(document)
        return jcs(document)

    return changed


def entry(at: int, **changes: Any) -> Callable[[bytes], bytes]:
    return text(lambda document: document["entries"][at].update(changes))


def path(name: str) -> Callable[[bytes], bytes]:
    return entry(0, path=name)


MANIFEST = [
    *[
        Case(f"manifest: the path {name[:40]!r}", "manifest", path(name), "PATH")
        for name in (
            "../../etc/passwd", "/etc/passwd", "a/../../b", "a\\..\\b", "C:\\x", "\\\\host\\x", "..", ".", "", "./README.md", "a//b", "a/", "/",
            "a/./b", "a/..", "C:x", "a/C:/x", "e\u0301", "README.md\u0000", "x" * 4097,
        )
    ],
    Case("manifest: a path twice", "manifest", entry(1, path="README.md"), "DUP_PATH"),
    Case("manifest: two cases of a path", "manifest", entry(1, path="readme.md"), "COLLISION"),
    Case("manifest: a file that is also a folder", "manifest", entry(0, path="data"), "COLLISION"),
    Case("manifest: unsorted", "manifest", text(lambda document: document["entries"].reverse()), "MANIFEST_FORM"),
    Case("manifest: a path among the ignored", "manifest", entry(0, path=".datasigil/x"), "MANIFEST_FORM"),
    Case("manifest: no entries", "manifest", text(lambda document: document.update(entries=[])), "MANIFEST_FORM"),
    Case("manifest: evidence not ignored", "manifest", text(lambda document: document.update(ignored=[])), "MANIFEST_FORM"),
    Case("manifest: a negative size", "manifest", entry(0, size=-1), "MANIFEST_FORM"),
    Case("manifest: a size beyond 2^53", "manifest", lambda data: data.replace(b'"size":512000', b'"size":9007199254740993'), "MANIFEST_FORM"),
    Case("manifest: a size as text", "manifest", entry(0, size="9"), "MANIFEST_FORM"),
    Case("manifest: a size of true", "manifest", entry(0, size=True), "MANIFEST_FORM"),
    Case("manifest: a digest in capitals", "manifest", entry(0, sha256="AB" * 32), "DIGEST"),
    Case("manifest: a short digest", "manifest", entry(0, sha256="ab" * 31), "DIGEST"),
    Case("manifest: a digest left out", "manifest", text(lambda document: document["entries"][0].pop("blake3")), "MANIFEST_FORM"),
    Case("manifest: an unknown member", "manifest", entry(0, mode=0o644), "UNKNOWN_PROPERTY"),
    Case("manifest: a chunk tree for a small file", "manifest", entry(0, chunks={"count": 1, "root": "0" * 64}), "MANIFEST_FORM"),
    Case("manifest: a large file without a chunk tree", "manifest", entry(0, size=1 << 26), "MANIFEST_FORM"),
    Case("manifest: another chunk size", "manifest", text(lambda document: document.update(chunkSize=1 << 20)), "MANIFEST_FORM"),
    Case("manifest: another version", "manifest", text(lambda document: document.update(formatVersion=2)), "MANIFEST_VERSION"),
    Case("manifest: another type", "manifest", text(lambda document: document.update(type="Manifest")), "MANIFEST_FORM"),
    Case("manifest: MD5", "manifest", text(lambda document: document.update(digests=["md5"])), "MANIFEST_FORM"),
    Case("manifest: a space", "manifest", lambda data: data.replace(b":", b": ", 1), "MANIFEST_FORM"),
    Case("manifest: a key twice", "manifest", lambda data: data.replace(b'{"chunkSize"', b'{"chunkSize":1,"chunkSize"', 1), "DUP_KEY"),
    Case("manifest: cut short", "manifest", lambda data: data[:-1], "PARSE"),
    Case("manifest: bytes after its end", "manifest", lambda data: data + b"x", "PARSE"),
    Case("manifest: nothing", "manifest", lambda data: b"", "PARSE"),
    Case("manifest: UTF-16", "manifest", lambda data: data.decode().encode("utf-16-le"), "ENCODING"),
]  # fmt: skip

CASES = [*BYTES, *EXTRA, *KINDS, *PART, *HONEST, *BUILD, *MANIFEST]
ERRNOS = {"EIO": errno.EIO, "ESTALE": errno.ESTALE, "EACCES": errno.EACCES, "ENOMEM": errno.ENOMEM}
