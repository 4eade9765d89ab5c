"""HTTP face of the log: C2SP tlog-tiles paths, and proofs for convenience.

Lives here: checkpoint, tiles, entry bundles, inclusion and consistency proofs, all for the released tree. Not here: the tree
(`datasigil.transparency.tiles`) and its growth (`writing`). Spec: C2SP tlog-tiles, tlog-proof as of 5ba5ee8 (2026-07-22).
"""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection

from datasigil.encoding import b64_encode
from datasigil.errors import MalformedError
from datasigil.limits import TILE_WIDTH
from datasigil.merkle import HASH_BYTES
from datasigil.transparency.proofs import LogProof, ProofText
from datasigil.transparency.tiles import ENTRIES_LEVEL, Tile, parse_tile_path
from service.documentation import READ_PROBLEMS, binary, problems
from service.problems import Problem
from service.replies import FOREVER, REVALIDATE, json_reply, stored_reply
from service.requests import Whole
from service.state import State, StateDep
from service.transparency_log.repository import first_checkpoint, read_entries, read_tile
from service.transparency_log.schemas import ConsistencyReply
from service.transparency_log.store import first_proof
from service.transparency_log.writing import Released

router = APIRouter(prefix="/log", tags=["transparency log"])

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
# What `parse_tile_path` reads (tlog-tiles): a level or `entries`, the index in groups of three digits, the width if partial.
TILE = r"^(entries|[0-9]|[1-5][0-9]|6[0-3])/((?!x000/)(x[0-9]{3}/){1,4})?[0-9]{3}(\.p/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$"
Size = Annotated[Whole, Query(ge=0, le=2**53 - 1)]


@router.get(
    "/checkpoint",
    responses={**READ_PROBLEMS, **binary("A signed note", "text/plain"), **problems(304)},
    response_class=Response,
)
async def checkpoint(request: Request, state: StateDep) -> Response:
    """The newest released checkpoint, with the time key's cosignature."""
    note = state.released.note
    return stored_reply(request, note, etag=hashlib.sha256(note).hexdigest(), media_type=TEXT)


@router.get(
    "/tile/{tile:path}",
    responses={**READ_PROBLEMS, **binary("Hashes or entries", "application/octet-stream"), **problems(400, 404)},
    response_class=Response,
)
async def tile(
    tile: Annotated[str, Path(max_length=80, json_schema_extra={"pattern": TILE})], state: StateDep
) -> Response:
    """A tile of hashes, or `entries/N`, the bundle of entries of one level-0 tile."""
    try:
        wanted = parse_tile_path(f"tile/{tile}")
    except MalformedError as error:
        raise Problem("BAD_PARAMETER", "Not a tile path", pointer="/tile", expected=error.expected) from None
    released = state.released
    if not _within(wanted, released.size):
        raise Problem("NOT_FOUND", "The log has not reached this tile")
    if wanted.level == ENTRIES_LEVEL:
        data = await state.database.point(_entry_bundle, wanted)
    else:
        data = (await state.database.point(read_tile, wanted.level, wanted.index) or b"")[: wanted.width * HASH_BYTES]
    if not data:
        raise Problem("NOT_FOUND", "The log does not have this tile")
    return Response(data, media_type=BYTES, headers={"Cache-Control": FOREVER})


@router.get(
    "/proof",
    responses={**READ_PROBLEMS, **binary("A tlog-proof", "text/plain"), **problems(400, 404)},
    response_class=Response,
)
async def inclusion(state: StateDep, index: Size) -> Response:
    """The inclusion proof of an entry in the released tree, checkpoint included."""
    released = state.released
    if index >= released.size:
        raise Problem("NOT_FOUND", "The log has no entry with this index")
    proof = await state.database.read(proof_text, state, index, released)
    return Response(proof, media_type=TEXT, headers={"Cache-Control": REVALIDATE})


@router.get("/consistency", response_model=ConsistencyReply, responses={**READ_PROBLEMS, **problems(400, 404)})
async def consistency(state: StateDep, old: Annotated[Whole, Query(ge=1, le=2**53 - 1)]) -> Response:
    """The proof that the tree of size `old` is a prefix of the released one."""
    released = state.released
    if old > released.size:
        raise Problem("NOT_FOUND", "The log has not reached this size")
    hashes = await state.database.read(state.proofs.consistency, old, size=released.size, root=released.root)
    return json_reply(ConsistencyReply(oldSize=old, size=released.size, hashes=[b64_encode(one) for one in hashes]))


def proof_text(connection: Connection, state: State, index: int, released: Released) -> str:
    """The tlog-proof text of an entry in a released tree."""
    hashes = state.proofs.inclusion(connection, index, size=released.size, root=released.root)
    return ProofText.of(LogProof(index, tuple(hashes), released.note))


def first_proof_text(
    connection: Connection, state: State, index: int, released: Released, note: bytes | None = None
) -> str | None:
    """The tlog-proof under the first checkpoint that covered an entry, or None where none is kept that the present keys signed."""
    keys = (state.keys.log_key, state.keys.time_key)
    note = first_checkpoint(connection, index) if note is None else note
    return first_proof(
        connection, state.proofs, index, keys, note, size=released.size, root=released.root, last=released.note
    )


def _within(tile: Tile, size: int) -> bool:
    """Whether the released tree has this tile in this width."""
    level = 0 if tile.level == ENTRIES_LEVEL else tile.level
    return tile.index * TILE_WIDTH + tile.width <= size >> (8 * level)


def _entry_bundle(connection: Connection, tile: Tile) -> bytes:
    start = tile.index * TILE_WIDTH
    entries = read_entries(connection, start, start + tile.width)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
