"""The tiled tree against RFC 9162's definitions and the C2SP tile coordinates."""

import random
from hashlib import sha256
from time import process_time

import pytest
from simulator import flip_bit

from datasigil import merkle
from datasigil.errors import LogError, MalformedError
from datasigil.transparency.checkpoint import EMPTY_ROOT
from datasigil.transparency.tiles import (
    ENTRIES_LEVEL,
    MemoryTileStore,
    Tile,
    TileTree,
    parse_tile_path,
    tiles_of,
)

LEAVES = [sha256(index.to_bytes(4, "big")).digest() for index in range(1100)]
SIZES = (1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1023, 1024, 1025, 1100)


def tree_of(size: int, batch: int = 97) -> TileTree:
    tree = TileTree(MemoryTileStore())
    for start in range(0, size, batch):
        tree.append(LEAVES[start : min(start + batch, size)])
    return tree


class CountingStore(MemoryTileStore):
    reads = 0

    def read_tile(self, tile):
        self.reads += 1
        return super().read_tile(tile)


# Coordinates --------------------------------------------------------------------------------------------------------

PATHS = {
    "tile/0/x001/x234/067": Tile(0, 1_234_067),
    "tile/0/000": Tile(0, 0),
    "tile/0/000.p/1": Tile(0, 0, 1),
    "tile/1/017.p/255": Tile(1, 17, 255),
    "tile/63/999": Tile(63, 999),
    "tile/2/x001/000": Tile(2, 1000),
    "tile/entries/x001/x234/067.p/8": Tile(ENTRIES_LEVEL, 1_234_067, 8),
}


@pytest.mark.parametrize("path", PATHS)
def test_tile_paths_read_back_as_written(path):
    assert parse_tile_path(path) == PATHS[path]
    assert PATHS[path].path == path


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000",
        "tile/100/000", "tile/0/x000/001", "tile/0/x000/000", "tile/0/001/002", "tile/0/x001", "tile/0/X001/002", "tile/0/x1/002",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.P/1",
        "tile/0/000/", "/tile/0/000", "tile//000", "tile/0/../0/000", "tile/0/0٣0", "tile/entries", "tile/entries/0",
        "tile/Entries/000", "tile/0/000\n", "tile/0/" + "x999/" * 20 + "999", "tile/0/000?", "tile/0/000.p/1/2",
    ],
)  # fmt: skip
def test_other_spellings_of_tile_paths_are_refused(path):
    with pytest.raises(MalformedError) as caught:
        parse_tile_path(path)
    assert caught.value.code == "TILE_PATH"


def test_tree_of_70000_has_the_tiles_that_the_specification_counts():
    tiles = list(tiles_of(70_000))
    assert [sum(1 for t in tiles if t.level == level and t.width == 256) for level in (0, 1, 2)] == [273, 1, 0]
    assert [(t.level, t.index, t.width) for t in tiles if t.width < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


def test_tree_of_256_has_one_full_and_one_partial_tile():
    assert list(tiles_of(256)) == [Tile(0, 0, 256), Tile(1, 0, 1)]


@pytest.mark.parametrize(("start", "size"), [(0, 1), (1, 1), (1, 2), (200, 300), (255, 256), (256, 257), (300, 1100)])
def test_append_stores_exactly_the_tiles_that_are_new_or_wider(start, size):
    tree = tree_of(start)
    batch = tree.append(LEAVES[start:size])
    assert sorted(tile for tile, _ in batch.tiles) == sorted(tiles_of(size, start))
    assert all(len(data) == tile.width * 32 for tile, data in batch.tiles)


# Roots and proofs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_proofs_equal_those_of_the_whole_tree(size):
    tree, leaves = tree_of(size), LEAVES[:size]
    assert tree.root == tree.root_at(size) == merkle.root_of(leaves)
    for index in range(0, size, 1 + size // 60):
        assert tree.inclusion(index) == merkle.inclusion_proof(leaves, index)
        assert tree.leaf(index) == LEAVES[index]
    assert b"".join(tree.leaves(tile) for tile in range(-(-size // 256))) == b"".join(leaves)
    for old in range(1, size + 1, 1 + size // 60):
        assert tree.consistency(old) == merkle.consistency_proof(leaves, old)


def test_every_inclusion_proof_in_every_tree_up_to_300_leaves_verifies():
    tree = tree_of(300)
    for size in range(1, 301):
        root = tree.root_at(size)
        for index in range(size):
            merkle.verify_inclusion(LEAVES[index], index, size, tree.inclusion(index, size), root)


def test_every_consistency_proof_between_trees_up_to_300_leaves_verifies():
    tree = tree_of(300)
    roots = [tree.root_at(size) for size in range(301)]
    assert roots[1:] == [merkle.root_of(LEAVES[:size]) for size in range(1, 301)]
    for size in range(1, 301):
        for old in range(1, size + 1):
            merkle.verify_consistency(old, size, roots[old], roots[size], tree.consistency(old, size))


def test_batch_boundaries_do_not_change_the_tree():
    assert len({tree_of(700, batch).root for batch in (1, 2, 97, 255, 256, 257, 700)}) == 1


def test_empty_tree_has_the_root_of_nothing():
    tree = TileTree(MemoryTileStore())
    assert tree.root == tree.root_at(0) == EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize("size", SIZES)
def test_tree_opened_from_its_tiles_goes_on_as_if_it_had_never_stopped(size):
    tree = tree_of(size)
    again = TileTree.open(tree.store, size, tree.root)
    for one in (tree, again):
        one.append(LEAVES[:300])
    assert again.root == tree.root
    assert again.consistency(size) == tree.consistency(size)


def test_proofs_outside_the_tree_are_refused():
    tree = tree_of(10)
    for code, ask in [
        ("INCLUSION", lambda: tree.inclusion(10)),
        ("INCLUSION", lambda: tree.inclusion(-1)),
        ("INCLUSION", lambda: tree.inclusion(5, 5)),
        ("INCLUSION", lambda: tree.inclusion(0, 0)),
        ("INCLUSION", lambda: tree.leaf(10)),
        ("INCLUSION", lambda: tree.leaves(1)),
        ("INCLUSION", lambda: tree.leaves(-1)),
        ("TREE_SIZE", lambda: tree.inclusion(0, 11)),
        ("TREE_SIZE", lambda: tree.root_at(11)),
        ("TREE_SIZE", lambda: tree.root_at(-1)),
        ("TREE_SIZE", lambda: tree.consistency(1, 11)),
        ("CONSISTENCY", lambda: tree.consistency(0)),
        ("CONSISTENCY", lambda: tree.consistency(11, 10)),
    ]:
        with pytest.raises(LogError) as caught:
            ask()
        assert caught.value.code == code


# Transactions -------------------------------------------------------------------------------------------------------


def test_prepared_batch_changes_nothing_until_it_is_committed():
    tree = tree_of(300)
    root, tiles = tree.root, dict(tree.store.tiles)
    batch = tree.prepare(LEAVES[300:700])
    assert (tree.root, tree.size, tree.store.tiles) == (root, 300, tiles)
    tree.store.write_tiles(batch.tiles)
    tree.commit(batch)
    assert tree.root == batch.root == merkle.root_of(LEAVES[:700])


def test_abandoned_batch_leaves_no_trace():
    tree = tree_of(255)
    tree.prepare(LEAVES[500:900])
    tree.append(LEAVES[255:700])
    assert tree.root == merkle.root_of(LEAVES[:700])


def test_two_batches_prepared_on_one_state_cannot_both_be_committed():
    tree = tree_of(10)
    first, second = tree.prepare(LEAVES[10:12]), tree.prepare(LEAVES[20:30])
    tree.commit(first)
    with pytest.raises(LogError) as caught:
        tree.commit(second)
    assert caught.value.code == "TREE_MOVED"


def test_leaf_that_is_no_hash_is_refused():
    with pytest.raises(LogError):
        TileTree(MemoryTileStore()).append([b"entry"])


# Damage -------------------------------------------------------------------------------------------------------------


def test_every_kind_of_flipped_bit_is_found_before_anything_is_proved():
    size = 1100
    for key in sorted(tree_of(size).store.tiles):
        for bit in (0, 8 * 32 * 3 + 5):
            tree = tree_of(size)
            data = tree.store.tiles[key]
            tree.store.tiles[key] = flip_bit(data, bit % (8 * len(data)))
            with pytest.raises(LogError) as caught:
                again = TileTree.open(tree.store, size, tree.root)
                for index in range(0, size, 50):
                    merkle.verify_inclusion(LEAVES[index], index, size, again.inclusion(index), tree.root)
            assert caught.value.code == "TILE_CORRUPT"
            with pytest.raises(LogError):
                tree.check()


def test_check_passes_on_an_undamaged_tree():
    for size in SIZES:
        tree_of(size).check()


def test_missing_and_short_tiles_are_found():
    tree = tree_of(600)
    for broken in (None, b"", tree.store.tiles[0, 1][:-1], tree.store.tiles[0, 1] + b"x"):
        store = MemoryTileStore()
        store.tiles = dict(tree.store.tiles)
        if broken is None:
            del store.tiles[0, 1]
        else:
            store.tiles[0, 1] = broken
        again = TileTree.open(store, 600, tree.root)
        if broken is None or len(broken) < 256 * 32:
            with pytest.raises(LogError) as caught:
                again.inclusion(300)
            assert caught.value.code == "TILE_MISSING"


def test_store_that_returns_more_than_was_asked_is_refused():
    class Generous(MemoryTileStore):
        def read_tile(self, tile):
            return super().read_tile(tile) + b"\0" * 32

    tree = tree_of(300)
    store = Generous()
    store.tiles = tree.store.tiles
    with pytest.raises(LogError) as caught:
        TileTree.open(store, 300, tree.root)
    assert caught.value.code == "TILE_CORRUPT"


@pytest.mark.parametrize("size", [299, 301])
def test_tree_does_not_open_under_another_size(size):
    tree = tree_of(300)
    with pytest.raises(LogError):
        TileTree.open(tree.store, size, tree.root)


# Cost ---------------------------------------------------------------------------------------------------------------


def test_opening_reads_one_tile_a_level_and_a_proof_no_more_than_four():
    store = CountingStore()
    tree = TileTree(store)
    random.seed(1)
    leaves = [random.randbytes(32) for _ in range(70_000)]
    tree.append(leaves)
    again = TileTree.open(store, 70_000, tree.root)
    assert store.reads == 3
    store.reads = 0
    again.inclusion(12_345)
    assert store.reads <= 4
    again.inclusion(12_346)
    assert store.reads <= 4


def test_appending_costs_the_same_at_two_hundred_thousand_as_at_the_start():
    """Amortised O(1): counted in hashes, so that a busy machine cannot fail it, with a generous look at the clock."""
    tree = TileTree(MemoryTileStore())
    leaves = [sha256(index.to_bytes(4, "big")).digest() for index in range(50_000)]

    def seconds() -> float:
        start = process_time()
        for at in range(0, len(leaves), 250):
            tree.append(leaves[at : at + 250])
        return process_time() - start

    first = seconds()
    rest = [seconds() for _ in range(3)]
    assert min(rest) < 3 * first
