"""Structured logs: one JSON object a line on stderr, ids only.

Lives here: the formatter and its installation. Not here: what is logged. Only the message constant, the level, the logger
and the `fields` that the caller chose are written; never arguments, bodies, headers or query strings.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TextIO

from datasigil.faster import Faster


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, tz=UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": str(record.msg),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        elif record.args:
            line["message"] = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["frames"] = self._frames(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)

    @staticmethod
    def _frames(error: BaseException) -> str:
        frames = []
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"{code.co_filename}:{trace.tb_lineno}:{code.co_name}")
            trace = trace.tb_next
        return " < ".join(reversed(frames[-12:]))


def tell(log: logging.Logger, message: str, fields: dict[str, object]) -> None:
    """Log one line at INFO, the short way where nobody but `install`'s handler listens: for what is written at every request."""
    root = logging.getLogger()
    if not (len(root.handlers) == 1 and isinstance(root.handlers[0], LineHandler)) or log.handlers or log.filters:
        log.info(message, extra={"fields": fields})
        return
    root.handlers[0].write(log.name, message, fields)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines of JSON to a text stream; those that one turn of the event loop tells, together at its end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(JsonFormatter())
        self._told: list[str] = []

    def write(self, logger: str, message: str, fields: dict[str, object]) -> None:
        """Write a line as the formatter would, without a record."""
        moment = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": "info", "logger": logger, "message": message, **fields}
        with self.lock or nullcontext():
            self._told.append(_encoded(line) + self.terminator)
            if len(self._told) > 1:
                return  # the first one has seen to it
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:  # a thread of its own
            self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after all that was told before it."""
        self.flush()
        super().emit(record)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        with self.lock or nullcontext():
            if self._told:
                told, self._told = "".join(self._told), []
                self.stream.write(told)
        super().flush()


_ORJSON = Faster("orjson")


def _encoded(line: dict[str, object]) -> str:
    """A line as ASCII JSON."""
    orjson = _ORJSON.module()
    if orjson is not None:
        found: bytes = orjson.dumps(line)
        if found.isascii():
            return found.decode()
    return json.dumps(line)


def install(level: str = "INFO") -> None:
    """Send every log record of this process through the formatter."""
    root = logging.getLogger()
    root.handlers[:] = [LineHandler(sys.stderr)]
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = True  # it writes addresses and query strings
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
