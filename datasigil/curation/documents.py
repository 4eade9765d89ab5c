"""Text of documents (PDF, DOCX, HTML, plain text), taken by a child process that can be killed.

Here: the parent's side: one child for many documents, its bounds, what became of each document. Not here: the readers (`extracting`), OCR: a
scanned page is recorded as such and gives no text. A document that cannot be read is recorded with a code; it never ends the run unless
the recipe asks for that.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, Self

from datasigil.curation.limits import DOCUMENT_BYTES_MAX, DOCUMENT_SILENCE_SECONDS, DOCUMENT_TEXT_BYTES_MAX
from datasigil.datasets.workers import cores
from datasigil.errors import DatasigilError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from datasigil.curation.reading import Parent

FORMATS: Final = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".txt": "text",
    ".md": "text",
}
AHEAD: Final = 2  # documents in work or waiting for each core
_ANSWER_BYTES_MAX: Final = 8 * DOCUMENT_TEXT_BYTES_MAX  # JSON escapes


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its text, which may be empty, and whether it shows images."""

    text: str
    images: bool = False

    @property
    def scanned(self) -> bool:
        """Whether there is nothing but a picture."""
        return self.images and not self.text.strip()

    @property
    def empty(self) -> bool:
        """Whether there is nothing at all."""
        return not self.images and not self.text.strip()


@dataclass(frozen=True, slots=True)
class Extraction:
    """What became of one document; `code` is empty when it could be read."""

    input: str
    path: str
    format: str
    pages: tuple[Page, ...] = ()
    code: str = ""
    message: str = ""

    def texts(self, per: str) -> Iterator[tuple[int | None, str]]:
        """Yield the texts that become records, with the page's number from 1 where pages are records."""
        if per == "page":
            yield from ((number, page.text) for number, page in enumerate(self.pages, 1) if page.text.strip())
            return
        whole = "\n\n".join(page.text for page in self.pages if page.text.strip())
        if whole:
            yield None, whole

    def report(self) -> dict[str, Any]:
        """Return the document's line in the extraction report."""
        outcome = "failed" if self.code else "extracted" if any(one.text.strip() for one in self.pages) else "no text"
        line: dict[str, Any] = {
            "input": self.input,
            "path": self.path,
            "format": self.format,
            "outcome": outcome,
            "pages": len(self.pages),
            "emptyPages": [number for number, one in enumerate(self.pages, 1) if one.empty],
            "scannedPages": [number for number, one in enumerate(self.pages, 1) if one.scanned],
            "characters": sum(len(one.text) for one in self.pages),
        }
        return line | ({"code": self.code, "message": self.message} if self.code else {})


def tool_of(form: str) -> str:
    """Return the name and version of what reads a format."""
    package = "pypdf" if form == "pdf" else "datasigil"
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} (not installed)"


class DocumentReader:
    """Reads documents through one child at a time; a child that dies takes one document with it and is replaced.

    A document that a used child cannot take is put to a fresh one, so that what became of it does not hang on those before it.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        child, self._child, self._served = self._child, None, 0
        if child is None:
            return
        with contextlib.suppress(OSError):
            child.kill()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        child.wait()

    def read(self, path: str, file: BinaryIO, name: str) -> Extraction:
        """Return what one document holds.

        Raises:
            DatasigilError: EXTRA_MISSING, when the reader of its format is not installed.
        """
        form = FORMATS.get("." + path.lower().rpartition(".")[2], "")
        if not form:
            return Extraction(name, path, "unknown", code="FORMAT", message="no reader for files of this name")
        data = file.read(DOCUMENT_BYTES_MAX + 1)
        if len(data) > DOCUMENT_BYTES_MAX:
            return Extraction(name, path, form, code="LIMIT", message=f"larger than {DOCUMENT_BYTES_MAX} bytes")
        _require(form)
        answer = self._ask(form, data)
        if answer is None:
            return Extraction(
                name, path, form, code="LIMIT", message="the reader ran past its bounds of CPU time or memory"
            )
        if "code" in answer:
            return Extraction(name, path, form, code=answer["code"], message=answer["message"])
        return Extraction(name, path, form, tuple(Page(text, images) for text, images in answer["pages"]))

    def rows(self, path: str, parent: Parent) -> list[list[str]]:
        """Return the cells of a workbook's first sheet as text.

        Raises:
            DatasigilError: RECORDS, EXTRA_MISSING.
        """
        _require("xlsx")
        with parent.open(path) as file:
            data = file.read(DOCUMENT_BYTES_MAX + 1)
        answer = self._ask("xlsx", data) if len(data) <= DOCUMENT_BYTES_MAX else None
        if answer is None or "code" in answer:
            why = (
                "it is larger, or takes more time or memory, than a sheet may" if answer is None else answer["message"]
            )
            raise DatasigilError(
                "RECORDS", f"the workbook cannot be read: {why}", place=path, expected="an XLSX file without password", found="" if answer is None else answer["code"],
                next_action="save the sheet as CSV, and issue the parent's credential again",
            )  # fmt: skip
        return [[str(cell) for cell in row] for row in answer["rows"]]

    def _ask(self, form: str, data: bytes) -> dict[str, Any] | None:
        used = self._served > 0
        answer = self._ask_once(form, data)
        if used and (answer is None or answer.get("code") == "LIMIT"):
            self.close()
            answer = self._ask_once(form, data)
        self._served += 1
        return answer

    def _ask_once(self, form: str, data: bytes) -> dict[str, Any] | None:
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._child = _start()
        child = self._child
        assert child.stdin is not None  # both are pipes
        assert child.stdout is not None
        alarm = threading.Timer(DOCUMENT_SILENCE_SECONDS, child.kill)
        alarm.daemon = True
        alarm.start()
        try:
            child.stdin.write(len(data).to_bytes(8, "big") + form.encode().ljust(8) + data)
            child.stdin.flush()
            answer = _answer(child.stdout)
        except OSError:
            answer = None
        finally:
            alarm.cancel()
        if answer is None:
            self.close()
        return answer


class DocumentPool(DocumentReader):
    """Readers on every core; documents come out in the order in which they were named."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: list[DocumentReader] = []
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """End every child."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        super().close()

    def read_all(self, paths: Sequence[str], parent: Parent, name: str) -> Iterator[Extraction]:
        """Yield what each document holds, a few ahead of whoever asks.

        Raises:
            DatasigilError: EXTRA_MISSING, and what the parent's opener raises.
        """
        from concurrent.futures import ThreadPoolExecutor
        from queue import SimpleQueue

        self.close()
        count = max(1, min(cores(), len(paths)))
        self._readers = [DocumentReader() for _ in range(count)]
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="documents")
        free: SimpleQueue[DocumentReader] = SimpleQueue()
        for reader in self._readers:
            free.put(reader)

        def read(path: str) -> Extraction:
            reader = free.get()
            try:
                with parent.open(path) as file:
                    return reader.read(path, file, name)
            finally:
                free.put(reader)

        coming: deque[Future[Extraction]] = deque()
        left = iter(paths)
        for path in islice(left, AHEAD * count):
            coming.append(self._threads.submit(read, path))
        while coming:
            found = coming.popleft().result()
            for path in islice(left, 1):
                coming.append(self._threads.submit(read, path))
            yield found


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-E", "-s", "-m", "datasigil.curation.extracting"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PATH": os.defpath,
            "PYTHONHASHSEED": "0",
        },
        cwd=os.path.abspath(os.sep),
        close_fds=True,
    )


def _answer(pipe: IO[bytes]) -> dict[str, Any] | None:
    head = pipe.read(8)
    size = int.from_bytes(head, "big")
    if len(head) != 8 or size > _ANSWER_BYTES_MAX:
        return None
    body = pipe.read(size)
    if len(body) != size:
        return None
    answer = json.loads(body)
    assert isinstance(answer, dict)
    return answer


def _require(form: str) -> None:
    modules = {"pdf": "pypdf", "docx": "defusedxml", "xlsx": "openpyxl"}
    if form not in modules:
        return
    from importlib.util import find_spec

    if find_spec(modules[form]) is None:
        raise DatasigilError(
            "EXTRA_MISSING", f"reading {form} needs the package {modules[form]}", expected="the extra `documents`",
            next_action="pip install 'datasigil[documents]'",
        )  # fmt: skip
