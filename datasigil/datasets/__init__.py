"""Datasets: manifests, the files they describe, record counts and lineage arithmetic.

Here: what a dataset `is` (`manifest`), what lies on a disk (`tree`, `walk`, `hashing`, `files`), how many
records it holds (`records`) and how one dataset came from another (`lineage`).
Not here: credentials, who signed them, and whether anybody should believe them.
"""
