"""Readers of office files for the child that reads documents: DOCX (ECMA-376 part 1) and XLSX.

Here: bounded reading through zipfile, defusedxml and openpyxl. Not here: the child and its limits (`extracting`). Macros, embedded files,
external references and entities are never followed, formulas never computed.
"""

from __future__ import annotations

import io
import re
from typing import Any, Final

from datasigil.curation.limits import DOCX_ENTRIES_MAX, DOCX_PART_BYTES_MAX, DOCX_RATIO_MAX, SHEET_ROWS_MAX
from datasigil.curation.pages import Pages, RefusedError, clean
from datasigil.limits import MIB

_CFB: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # a compound file: an encrypted DOCX, or the old .doc
_MARKS: Final = {"tab": "\t", "br": "\n", "cr": "\n"}
_BODY: Final = "word/document.xml"

# DOCX ---------------------------------------------------------------------------------------------------------------


def docx_pages(data: bytes) -> Pages:
    """Return a DOCX file's text as one page.

    Raises:
        RefusedError: CORRUPT, ENCRYPTED or LIMIT.
    """
    import zipfile

    if data.startswith(_CFB):
        raise RefusedError("ENCRYPTED", "a compound file: a DOCX with a password, or an old .doc")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_archive(archive)
            parts = [
                _BODY,
                *sorted(one for one in archive.namelist() if re.fullmatch(r"word/(?:footnotes|endnotes)\.xml", one)),
            ]
            texts = [_paragraphs(_part(archive, name)) for name in parts]
            images = any(one.startswith("word/media/") for one in archive.namelist())
    except RefusedError:
        raise
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        ValueError,
        NotImplementedError,
        OSError,
        RuntimeError,
    ) as error:
        raise RefusedError("CORRUPT", f"not a readable DOCX: {type(error).__name__}") from None
    except Exception as error:  # noqa: BLE001 - zlib.error and whatever else a damaged stream raises
        raise RefusedError("CORRUPT", f"not a readable DOCX: {type(error).__name__}") from None
    return [("\n".join(one for one in texts if one), images)]


def _check_archive(archive: Any) -> None:
    """Refuse bombs by what the directory says; reading is bounded as well, since a directory can lie."""
    if _BODY not in _check_entries(archive, "word/"):
        raise RefusedError("CORRUPT", f"the archive has no {_BODY}")


def _check_entries(archive: Any, below: str) -> list[str]:
    listed = archive.infolist()
    names = [one.filename for one in listed]
    if len(listed) > DOCX_ENTRIES_MAX:
        raise RefusedError("LIMIT", f"{len(listed)} entries in the archive")
    if len(set(names)) != len(names):
        raise RefusedError("CORRUPT", "the archive names one part twice")
    if any(one.flag_bits & 1 for one in listed):
        raise RefusedError("ENCRYPTED", "a part of the archive is encrypted")
    for one in listed:
        if one.filename.startswith(below) and one.file_size > MIB and one.file_size > DOCX_RATIO_MAX * max(1, one.compress_size):  # fmt: skip
            raise RefusedError("LIMIT", "a part unpacks to far more than a document holds")
    return names


def _part(archive: Any, name: str) -> Any:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    with archive.open(name) as part:
        data = part.read(DOCX_PART_BYTES_MAX + 1)
    if len(data) > DOCX_PART_BYTES_MAX:
        raise RefusedError("LIMIT", f"{name} unpacks to more than {DOCX_PART_BYTES_MAX} bytes")
    try:
        return fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise RefusedError("CORRUPT", f"{name} declares entities or a document type") from None
    except (ParseError, RecursionError) as error:
        raise RefusedError("CORRUPT", f"{name} is not XML: {type(error).__name__}") from None


def _paragraphs(root: Any) -> str:
    """Return the text of every paragraph on a line of its own; deleted text, field codes and fallbacks of drawings are left out.

    Names are compared without their namespaces, which differ between transitional and strict files (ECMA-376 parts 1 and 4).
    """
    if _local(root) not in ("document", "footnotes", "endnotes"):
        raise RefusedError("CORRUPT", "its main part is no Word document")
    lines: list[str] = []
    line: list[str] = []
    pending = [root]
    while pending:
        node = pending.pop()
        name = _local(node)
        if name == "p":
            lines.append("".join(line))
            line = []
        elif name == "t":
            line.append(node.text or "")
        elif name in _MARKS:
            line.append(_MARKS[name])
        if name != "Fallback":
            pending.extend(reversed(node))
    return "\n".join(one for one in [*lines, "".join(line)] if one.strip())


def _local(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


# XLSX ---------------------------------------------------------------------------------------------------------------


def workbook_rows(data: bytes) -> list[list[str]]:
    """Return the cells of a workbook's first sheet as text: values as stored, formulas never computed.

    Raises:
        RefusedError: as `extract`.
    """
    import zipfile

    if data.startswith(_CFB):
        raise RefusedError("ENCRYPTED", "a compound file: an XLSX with a password, or an old .xls")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_entries(archive, "xl/")
        from openpyxl import load_workbook  # takes defusedxml where it is installed

        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        rows = []
        for row in book.worksheets[0].iter_rows(values_only=True):
            rows.append(["" if one is None else _cell(one) for one in row])
            if len(rows) > SHEET_ROWS_MAX:
                raise RefusedError("LIMIT", f"more than {SHEET_ROWS_MAX} rows")
    except (RefusedError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the library lets many kinds through for hostile files
        raise RefusedError("CORRUPT", f"not a readable workbook: {type(error).__name__}") from None
    return rows


def _cell(value: Any) -> str:
    from datetime import datetime

    if isinstance(value, datetime) and not any((value.hour, value.minute, value.second)):
        return value.date().isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return clean(str(value))
