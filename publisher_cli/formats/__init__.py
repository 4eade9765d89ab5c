"""A credential and its manifest in the formats of others: Croissant, OASIS Data Provenance, OpenSSF Model Signing.

Here: writing them. Not here: reading them (`publisher_cli.sources`), any verdict. An export says nothing that the credential does not say.
"""
