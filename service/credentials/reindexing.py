"""Deriving again by what registered credentials are found.

Lives here: search words, facets, digests and references of every stored document, compared or written anew. Not here: what they are
(`indexing`). An upgrade that finds credentials by more than before runs this once: `python -m service reindex`.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from datasigil.credentials.types import parse_credential
from datasigil.datasets.manifest import Manifest, parse_manifest
from datasigil.encoding import parse_json
from datasigil.limits import MANIFEST_MAX_BYTES
from service.credentials.indexing import known_digests, search_terms
from service.credentials.repository import insert_derived, public_manifest
from service.database import open_database, translated
from service.settings import Settings
from service.tables import CREDENTIALS, KNOWN_DIGESTS, SEARCH_TERMS

_ROWS_PER_TRANSACTION = 500


def reindex(settings: Settings) -> int:
    """Write the derived rows of every credential anew; return how many credentials there are. Safe while the registry runs.

    Raises:
        DatasigilError: when the database cannot be reached, or a stored document no longer parses.
    """
    database = open_database(settings.sqlalchemy_url)
    done, last = 0, -1
    try:
        while True:
            with translated(), database.writer.begin() as connection:
                rows = _after(connection, last)
                for seq, document, digest, public in rows:
                    _rewrite(connection, seq, document, public_manifest(connection, digest) if public else None)
            if not rows:
                return done
            done, last = done + len(rows), rows[-1][0]
    finally:
        database.close()


def _after(connection: Connection, seq: int) -> list[tuple[int, bytes, str, bool]]:
    columns = CREDENTIALS.c
    rows = connection.execute(
        select(columns.seq, columns.document, columns.manifest_digest, columns.manifest_public)
        .where(columns.seq > seq)
        .order_by(columns.seq)
        .limit(_ROWS_PER_TRANSACTION)
    )
    return [(row[0], bytes(row[1]), row[2], bool(row[3])) for row in rows]


def _rewrite(connection: Connection, seq: int, document: bytes, manifest: bytes | None) -> None:
    credential = parse_credential(parse_json(document))
    connection.execute(delete(SEARCH_TERMS).where(SEARCH_TERMS.c.credential_seq == seq))
    connection.execute(delete(KNOWN_DIGESTS).where(KNOWN_DIGESTS.c.credential_seq == seq))
    insert_derived(connection, seq, known_digests(credential, _manifest(manifest)), search_terms(credential))


def _manifest(body: bytes | None) -> Manifest | None:
    if body is None:
        return None
    assert len(body) <= MANIFEST_MAX_BYTES
    return parse_manifest(body)
