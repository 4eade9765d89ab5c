"""Lineage: which credential names which other one, upwards (lineage) and downwards (impact)."""
