"""Credentials: closed parsers, contexts, proofs, keys, DIDs and status lists.

Here: everything that decides from the bytes of one credential. Not here: trust (``datasigil.trust``), the log
(``datasigil.transparency``), private keys (``datasigil.signing``) and sockets.
"""
