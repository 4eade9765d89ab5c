"""Media types by file name, for the formats that ask for one.

Here: a small table of what datasets hold. Not here: looking into files. What is not in it is `application/octet-stream`.
"""

from __future__ import annotations

MEDIA_TYPES = {
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".jsonl": "application/jsonlines", ".ndjson": "application/jsonlines",
    ".json": "application/json", ".parquet": "application/x-parquet", ".txt": "text/plain", ".md": "text/markdown", ".rst": "text/x-rst",
    ".html": "text/html", ".htm": "text/html", ".xml": "application/xml", ".pdf": "application/pdf", ".zip": "application/zip",
    ".tar": "application/x-tar", ".gz": "application/gzip", ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".png": "image/png", ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg", ".gif": "image/gif", ".bmp": "image/bmp", ".mp3": "audio/mpeg", ".wav": "audio/wav", ".mp4": "video/mp4",
}  # fmt: skip
OTHER = "application/octet-stream"


def media_type(path: str) -> str:
    """Return the media type of a file by its extension."""
    name = path.rpartition("/")[2]
    if "." not in name:
        return "text/plain" if name.upper() in ("LICENSE", "LICENCE", "COPYING", "NOTICE", "README") else OTHER
    return MEDIA_TYPES.get(name[name.rfind(".") :].lower(), OTHER)
