"""Every limit of the core as a named constant with its unit.

Lives here: numbers. Not here: the checks that use them, and the limits of the registry (`service/limits`) and of the
worker (`training_worker/limits`).
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# Documents.
CREDENTIAL_MAX_BYTES = 1 * MIB
BUNDLE_MAX_BYTES = 64 * MIB
MANIFEST_MAX_BYTES = 1 * GIB
MANIFEST_EMBED_MAX_BYTES = 8 * MIB
POLICY_MAX_BYTES = 1 * MIB
GATE_FILE_MAX_BYTES = 1 * MIB
JSON_MAX_DEPTH = 32
INTEGER_MAX = 2**53 - 1
NUMBER_MAX_CHARACTERS = 32
PROOFS_MAX = 8
PARENT_DEPTH_MAX = 16
PARENTS_MAX = 256

# Manifests and files.
MANIFEST_MAX_ENTRIES = 5_000_000
PATH_MAX_BYTES = 4096
CHUNK_BYTES = 16 * MIB
CHUNKED_FILE_MIN_BYTES = 32 * MIB

# Status lists (Bitstring Status List v1.0).
STATUS_LIST_MIN_BITS = 131_072
STATUS_LIST_MIN_BYTES = 16 * KIB
STATUS_LIST_MAX_BYTES = 8 * MIB
STATUS_LISTS_TOGETHER_MAX_BYTES = 24 * MIB  # all lists of one bundle, expanded
STATUS_SIZE_MAX_BITS = 8

# Time.
CLOCK_SKEW_SECONDS = 60
FRESHNESS_ONLINE_SECONDS = 24 * 3600
FRESHNESS_OFFLINE_SECONDS = 7 * 24 * 3600

# Transparency log.
CHECKPOINT_MAX_BYTES = 64 * KIB
NOTE_SIGNATURES_MAX = 64
PROOF_HASHES_MAX = 64
TILE_HEIGHT = 8
TILE_WIDTH = 256

# RDF canonicalisation of documents that others wrote.
RDF_CPU_SECONDS = 2
RDF_MEMORY_BYTES = 256 * MIB

# Network (the only users are `fetch` and `remote`).
FETCH_TIMEOUT_SECONDS = 10.0
FETCH_MAX_BYTES = 16 * MIB
FETCH_MAX_REDIRECTS = 3
