"""The registry: a FastAPI service that stores signed credentials, their status lists and a transparency log.

Here: HTTP, SQL, the writer thread and the registry's own keys. Not here: what a credential means or whether it verifies
(`datasigil`), and anything a verifier needs offline.
"""

VERSION = "0.1.0"
