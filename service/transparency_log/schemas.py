"""Bodies of the log's convenience endpoints; the C2SP paths carry text and bytes.

Lives here: pydantic models. Not here: endpoints.
"""

# ruff: noqa: N815 - members are named as in the JSON of the API
from __future__ import annotations

from pydantic import BaseModel


class ConsistencyReply(BaseModel):
    """The path from one tree size to a larger one, base64 hashes in RFC 9162 order."""

    oldSize: int
    size: int
    hashes: list[str]
