"""Makes the frozen log vectors of this folder with hashlib and cryptography alone, none of the code under test.

    python tests/vectors/transparency/make.py

A second implementation, written from RFC 9162 (recursive definitions) and the C2SP specifications: entry-v1.json, checkpoint.note,
log.tlog-proof, consistency.json and keys.json. They change only with a format version; the tests read what is committed.
`make_bundle.py` makes the bundle, which needs the whole of datasigil.
"""

import hashlib
import json
from base64 import b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = Path(__file__).resolve().parent
ORIGIN = "vectors.example/log"
COSIGNED_AT = 1_793_611_800  # 2026-11-02T09:30:00Z
SIZE, INDEX, OLD_SIZE = 300, 261, 77


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(f"datasigil vector {name}".encode()))


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]


def vkey(name: str, kind: int, private: Ed25519PrivateKey) -> str:
    public = private.public_key().public_bytes_raw()
    return f"{name}+{key_id(name, kind, public).hex()}+{b64encode(bytes([kind]) + public).decode()}"


def line(name: str, kind: int, private: Ed25519PrivateKey, signature: bytes) -> str:
    public = private.public_key().public_bytes_raw()
    return f"— {name} {b64encode(key_id(name, kind, public) + signature).decode()}\n"


def entry(number: int) -> bytes:
    document = {
        "v": 1,
        "kind": "issue",
        "credentialDigest": sha256(f"credential {number}".encode()).hex(),
        "issuerDigest": sha256(b"did:example:issuer").hex(),
        "typeDigest": sha256(b"DatasetCredential").hex(),
    }
    # RFC 8785: sorted keys, no spaces; every value here is ASCII or a small integer.
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1."""
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:]))


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*path(m - k, leaves[k:]), tree_hash(leaves[:k])]


def subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162 section 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), tree_hash(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), tree_hash(leaves[:k])]


def main() -> None:
    log, time, witness = key("log"), key("time"), key("witness")
    entries = [entry(number) for number in range(SIZE)]
    root = tree_hash(entries)
    text = f"{ORIGIN}\n{SIZE}\n{b64encode(root).decode()}\n"
    message = f"cosignature/v1\ntime {COSIGNED_AT}\n{text}".encode()
    stamp = COSIGNED_AT.to_bytes(8, "big")
    note = text + "\n" + line(ORIGIN, 1, log, log.sign(text.encode()))
    note += line(f"{ORIGIN}/time", 4, time, stamp + time.sign(message))
    note += line("witness.example", 4, witness, stamp + witness.sign(message))
    hashes = "".join(b64encode(value).decode() + "\n" for value in path(INDEX, entries))
    (HERE / "entry-v1.json").write_bytes(entries[INDEX])
    (HERE / "checkpoint.note").write_bytes(note.encode())
    (HERE / "log.tlog-proof").write_bytes(f"c2sp.org/tlog-proof@v1\nindex {INDEX}\n{hashes}\n{note}".encode())
    consistency = {
        "oldSize": OLD_SIZE,
        "oldRoot": tree_hash(entries[:OLD_SIZE]).hex(),
        "size": SIZE,
        "root": root.hex(),
        "proof": [value.hex() for value in subproof(OLD_SIZE, entries, whole=True)],
    }
    keys = {
        "log": vkey(ORIGIN, 1, log),
        "time": vkey(f"{ORIGIN}/time", 4, time),
        "witness": vkey("witness.example", 4, witness),
        "cosignedAt": COSIGNED_AT,
    }
    for name, document in (("consistency.json", consistency), ("keys.json", keys)):
        (HERE / name).write_bytes(json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")


if __name__ == "__main__":
    main()
