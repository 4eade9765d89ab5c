"""Every limit of the training worker as a named constant with its unit.

Here: numbers. Not here: the checks that use them, and the core's limits (`datasigil.limits`).
"""

from __future__ import annotations

from datasigil.limits import GIB, KIB, MIB

# Recipes.
RECIPE_MAX_BYTES = 1 * MIB
RECIPE_MAX_DEPTH = 16
DATASETS_MAX = 64
LABELS_MAX = 1_000
TAGS_PER_LABEL_MAX = 100

# Records. A file is read into memory once, so that the bytes parsed are the bytes hashed.
RECORD_FILE_MAX_BYTES = 512 * MIB
RECORD_MAX_BYTES = 4 * MIB  # one line of jsonl, one csv field, one sentence
RECORDS_MAX = 10_000_000
CSV_COLUMNS_MAX = 1_000
SNIFF_BYTES = 4 * KIB
PARQUET_TEXT_MAX_BYTES = 2 * GIB  # of the columns that are read, unpacked

# safetensors, format 0.3: 8 bytes of header length, then a JSON header of at most 100 MB.
SAFETENSORS_HEADER_MAX_BYTES = 16 * MIB
SAFETENSORS_TENSORS_MAX = 100_000
SAFETENSORS_DIMENSIONS_MAX = 16
SAFETENSORS_FILE_MAX_BYTES = 64 * GIB
SHARDS_MAX = 1_000  # files that one index names

# Tokens and batches.
TOKENS_MAX = 8_192
BATCH_MAX_ROWS = 1_024
EPOCHS_MAX = 1_000
STEPS_MAX = 10_000_000
BUCKET_BATCHES = 24  # batches that are sorted by length together: little padding, still shuffled

# Refusals kept for the record.
REFUSAL_LOG_MAX_BYTES = 16 * MIB

# How often a running run asks whether its credentials still hold, between two steps.
RECHECK_SECONDS = 600
