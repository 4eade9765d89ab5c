"""Declarative curation: a recipe, its run over verified parents, and the lineage that a verifier recomputes.

Here: the closed recipe (`recipe`), readers of records (`reading`), text extraction in a killable child (`documents`, `extracting`), the
steps (`steps`, `patterns`), the run that counts and writes (`running`), and the subject of a DatasetLineageCredential with the
comparison that a verifier makes (`derivation`). Not here: who signed a parent, whether anybody should believe it, private keys, sockets.
A recipe names no code: there is no expression, template or import in it.
"""
