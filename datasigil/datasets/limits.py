"""Bounds of the datasets package, with their units; nothing else lives here.

Format bounds (manifest v1) are part of the format: changing one needs a new `formatVersion`. Tuning numbers of the
hashing engine may change at any time and never change a verdict.
"""

from typing import Final

# Format bounds, manifest v1 (DESIGN.md section 4, threats.md "profile").
MANIFEST_BYTES_MAX: Final = 1 << 30
"""bytes; a manifest larger than this is refused before it is parsed."""
ENTRIES_MAX: Final = 5_000_000
"""entries in one manifest."""
FILE_BYTES_MAX: Final = (1 << 53) - 1
"""bytes; size of one file, and of the sum, so that it stays an I-JSON integer."""
CHUNK_BYTES: Final = 16 * 1024 * 1024
"""bytes in every chunk of a chunk tree but the last."""
CHUNKED_FILE_MIN_BYTES: Final = 32 * 1024 * 1024
"""bytes; files of this size or larger carry a chunk tree, smaller ones never do."""
PATH_BYTES_MAX: Final = 4096
"""UTF-8 bytes of one path inside a dataset (Linux PATH_MAX)."""
IGNORED_MAX: Final = 1000
"""paths in a manifest's `ignored` list."""

MANIFEST_EXPLAINED_BYTES_MAX: Final = 32 * 1024 * 1024
"""bytes; a refused manifest up to this size is parsed once more to say what is wrong, at ten times its size in memory."""

# Proofs about a part.
PART_BYTES_MAX: Final = 64 * 1024 * 1024
"""bytes of a document that proves a part of a dataset."""
PART_FILES_MAX: Final = 100_000
"""files in one such document; whoever has more of a dataset takes its manifest."""

# What a finding holds of a long list of failures.
FAILURES_KEPT: Final = 1000
"""failures kept with their details; the rest are counted by code."""

# Counting records.
FIELD_BYTES_MAX: Final = 16 * 1024 * 1024
"""bytes of one field of a table; a quote that is never closed would otherwise swallow the file."""

# Lineage.
LINEAGE_STEPS_MAX: Final = 10_000
"""steps in one lineage credential."""
LINEAGE_NODES_MAX: Final = 10_000
"""credentials in one lineage closure."""

# The gate file.
GATE_FILE_BYTES_MAX: Final = 1 << 20
"""bytes of a gate.toml."""
GATE_DATASETS_MAX: Final = 10_000
"""datasets or roots named by one gate file."""

# Archives.
ARCHIVE_RATIO_MAX: Final = 200
"""how many times its own size an archive may expand to; text packs 3 to 20 times, a bomb 1,000 times and more."""
ARCHIVE_FREE_BYTES: Final = 64 * 1024 * 1024
"""bytes to which any archive may expand, however small it is."""
ARCHIVE_HEADER_BYTES_MAX: Final = 1024 * 1024
"""bytes of one header of a tar, and of one read of its data."""
ARCHIVE_DIRECTORY_BYTES_MAX: Final = 64 * 1024 * 1024
"""bytes of a zip file's directory; some 600,000 members."""

# Tuning of the hashing engine (performance.md section 1): measured, not part of any format.
READ_BUFFER_BYTES: Final = 256 * 1024
"""bytes of the one buffer each hashing thread or process reuses; fits the second-level cache."""
FORK_FILES_MIN: Final = 4000
"""small files from which forked workers pay for their start."""
FORK_BYTES_MIN: Final = 256 * 1024 * 1024
"""bytes in small files from which forked workers pay for their start."""
BRIEF_BYTES_MAX: Final = 256 * 1024 * 1024
"""bytes that are read within about a second: what was edited of a known folder, which is then not listed a second time."""
WORKERS_MAX: Final = 16
"""processes or threads of one run."""
READ_AHEAD_FILES: Final = 512
"""files asked for ahead of the reader once data proves to be cold."""
SOURCE_READERS: Final = 8
"""members of a remote source that are read at once."""
SOURCE_FILES_WAITING: Final = 32
"""members of a remote source that are read or wait to be."""
PROGRESS_BYTES: Final = 8 * 1024 * 1024
"""bytes between two calls of a progress callback."""
BATCH_FILES: Final = 2048
"""small files hashed between two reports of progress."""
BATCH_BYTES: Final = 32 * 1024 * 1024
"""bytes in small files hashed between two reports of progress."""
