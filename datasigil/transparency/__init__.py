"""The transparency log: what an entry is, signed checkpoints, tiles, proofs, and what a client remembers of a log.

Here: bytes and values of RFC 9162 and the C2SP tlog specifications. Not here: Merkle hashing itself (`merkle`), the HTTP
faces of a log or witness (`service`), and the question which log a user trusts (`trust`).
"""
