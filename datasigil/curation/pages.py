"""What a reader of documents gives: pages of text, or the one word that says why there are none.

Here: the values that the readers share. Not here: the readers (`extracting`, `office`).
"""

from __future__ import annotations

import re
from typing import Final

Pages = list[tuple[str, bool]]
"""The text of each page, and whether it shows images."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class RefusedError(Exception):
    """A document that gives no text; `code` says why in one word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def clean(text: str) -> str:
    """Return text that I-JSON can hold: no lone surrogates, no NUL; line ends are line feeds."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return _SURROGATES.sub("\ufffd", text).strip()
