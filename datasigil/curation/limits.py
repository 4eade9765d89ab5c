"""Bounds of curation, with their units; nothing else lives here."""

from typing import Final

from datasigil.limits import GIB, MIB

RECIPE_BYTES_MAX: Final = 1 * MIB
"""bytes of a recipe."""
INPUTS_MAX: Final = 256
"""inputs of one recipe; a lineage credential names at most 256 parents."""
STEPS_MAX: Final = 1000
"""steps of one list in a recipe."""
SPLITS_MAX: Final = 100
"""files that one split writes."""
LIST_MAX: Final = 100_000
"""values in one list of a recipe."""
PATTERN_CHARACTERS_MAX: Final = 500
"""characters of one regular expression."""
PATTERN_CPU_SECONDS: Final = 10.0
"""CPU seconds that one search in one value may take."""
GLOB_STARS_MAX: Final = 8
"""stars in one pattern for paths."""
RECORD_BYTES_MAX: Final = 16 * MIB
"""bytes of one record."""
RULE_CHARACTERS_MAX: Final = 15_000
"""characters of a step's parameters in the credential; longer ones are named by their digest."""
SPOOL_BYTES: Final = 64 * MIB
"""bytes of records kept in memory by a step that must see all of them before it gives out the first."""

DOCUMENT_BYTES_MAX: Final = 512 * MIB
"""bytes of one document whose text is extracted."""
DOCUMENT_TEXT_BYTES_MAX: Final = 64 * MIB
"""bytes of text taken from one document."""
DOCUMENT_PAGES_MAX: Final = 50_000
"""pages of one document."""
DOCUMENT_CPU_SECONDS: Final = 120
"""CPU seconds for one document."""
DOCUMENT_MEMORY_BYTES: Final = 2 * GIB
"""bytes of address space of the child that reads documents."""
DOCUMENT_SILENCE_SECONDS: Final = 900.0
"""seconds without an answer after which the child is taken for dead; CPU time is the real bound."""
DOCX_PART_BYTES_MAX: Final = 64 * MIB
"""bytes of one part of a DOCX file, unpacked."""
DOCX_RATIO_MAX: Final = 200
"""how many times larger than packed a DOCX part above 1 MiB may be."""
DOCX_ENTRIES_MAX: Final = 10_000
"""entries of a DOCX file."""
SHEET_ROWS_MAX: Final = 1_000_000
"""rows of a sheet with a row for every file."""
STAND_IN_CHARACTERS_MAX: Final = 64
"""characters of what stands for something redacted."""
