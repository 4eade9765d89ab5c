"""The transparency log: entries, tiles and checkpoints in SQL, extended by the writer, served by the C2SP paths."""
