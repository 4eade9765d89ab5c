"""Costs of the transparency log, ours beside the limit and the naive way, CPU time, one process.

    python benchmarks/log/run.py [--entries 1000000] [--quick]

Limit: one SHA-256 of 65 bytes (an inner node), the least that an append costs and the unit of a proof's verification.
Naive: the whole tree hashed again for every root or proof (RFC 9162 section 2.1 read literally).
Ours must stay flat as the log grows: append O(1) amortised, root and proofs O(log n).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasigil import merkle
from datasigil.transparency.tiles import MemoryTileStore, TileTree

BATCH = 64
PROOFS = 2000


def cpu_us(action: Callable[[], object], times: int = 1) -> float:
    start = time.process_time()
    for _ in range(times):
        action()
    return (time.process_time() - start) / times * 1e6


def leaves(start: int, end: int) -> list[bytes]:
    return [merkle.leaf_hash(index.to_bytes(8, "big")) for index in range(start, end)]


def naive_root(hashes: list[bytes]) -> bytes:
    """Level by level over all leaves; the last, lone node of a level moves up."""
    while len(hashes) > 1:
        pairs = [merkle.node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
        hashes = pairs + (hashes[-1:] if len(hashes) % 2 else [])
    return hashes[0]


def grow(tree: TileTree, to: int) -> float:
    """Append up to `to` entries in batches; return CPU microseconds an entry, hashing of the leaves excluded."""
    spent = 0.0
    for start in range(tree.size, to, 50_000):
        batch = leaves(start, min(start + 50_000, to))
        spent += cpu_us(lambda batch=batch: [tree.append(batch[at : at + BATCH]) for at in range(0, len(batch), BATCH)])
    return spent


def measure(tree: TileTree, to: int) -> dict[str, float]:
    before = tree.size
    row = {"append": grow(tree, to) / (to - before)}
    recent = [random.randrange(max(0, to - 100_000), to) for _ in range(PROOFS)]
    olds = [random.randrange(1, to) for _ in range(PROOFS)]
    root = tree.root
    row["root"] = cpu_us(lambda: tree.root, PROOFS)
    row["inclusion, cold"] = cpu_us(lambda: [tree.inclusion(index) for index in recent]) / PROOFS
    proofs: list[list[bytes]] = []
    row["inclusion"] = cpu_us(lambda: proofs.extend(tree.inclusion(index) for index in recent)) / PROOFS
    for old in olds:
        tree.consistency(old)
    row["consistency"] = cpu_us(lambda: [tree.consistency(old) for old in olds]) / PROOFS
    hashes = [tree.leaf(index) for index in recent]
    cases = list(zip(hashes, recent, proofs, strict=True))
    row["verify inclusion"] = cpu_us(lambda: [merkle.verify_inclusion(h, i, to, p, root) for h, i, p in cases]) / PROOFS
    row["open"] = cpu_us(lambda: TileTree.open(tree.store, to, root), 20)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="stop at 100,000 entries")
    arguments = parser.parse_args()
    entries = 100_000 if arguments.quick else arguments.entries
    random.seed(9162)
    data = b"\x01" * 65
    limit = cpu_us(lambda: sha256(data).digest(), 200_000)
    print(f"limit: one node hash {limit:.2f} us\n")
    tree, sizes = (
        TileTree(MemoryTileStore()),
        sorted({10_000, 100_000, entries} - {size for size in (10_000, 100_000) if size > entries}),
    )
    rows = {size: measure(tree, size) for size in sizes}
    print(f"{'CPU us':18}" + "".join(f"{size:>12,}" for size in sizes) + "   last/first")
    for name in rows[sizes[0]]:
        first, last = rows[sizes[0]][name], rows[sizes[-1]][name]
        print(f"{name:18}" + "".join(f"{rows[size][name]:12.2f}" for size in sizes) + f"{last / first:12.1f}x")
    whole = leaves(0, entries)
    naive = cpu_us(lambda: naive_root(whole))
    assert naive_root(whole) == tree.root
    print(
        f"\nnaive root or proof at {entries:,}: {naive / 1e6:.2f} s; ours {naive / rows[entries]['inclusion']:,.0f} times cheaper"
    )
    print(
        f"append costs {rows[entries]['append'] / limit:.1f} times the one hash that it cannot do without (batches of {BATCH})"
    )


if __name__ == "__main__":
    main()
