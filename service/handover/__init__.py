"""Handing a registry over to another one: export, import, and the proofs by which old credentials stay checkable."""
