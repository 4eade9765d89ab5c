"""Licence texts and labels, recognised as SPDX identifiers.

Here: recognising a licence by its own words, and labels of the Hugging Face Hub. Not here: what a licence permits
(`datasigil.trust.licensing`). A text that is not recognised is no licence: the answer is then empty, never a guess.
"""

from __future__ import annotations

import re
from pathlib import Path

from datasigil.datasets.hub_cache import is_plain_file

NAMES = re.compile(r"(?:licen[cs]e|copying|unlicense)(?:[.-][a-z0-9.-]+)?\Z", re.IGNORECASE)
SUFFIXES = ("", ".txt", ".md", ".rst")

_CREATIVE_COMMONS = re.compile(
    r"attribution(?P<nc>-noncommercial)?(?P<share>-sharealike|-noderivatives|-noderivs)? (?P<version>[34]\.0|2\.5) (?:international|unported|generic)"
)
# Every phrase must occur, in white-space-normalised lower case; the first entry that fits decides.
_PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("CDLA-Permissive-2.0", ("community data license agreement", "permissive", "version 2.0")),
    ("CDLA-Permissive-1.0", ("community data license agreement", "permissive", "version 1.0")),
    ("CDLA-Sharing-1.0", ("community data license agreement", "sharing", "version 1.0")),
    ("ODbL-1.0", ("open database license",)),
    ("ODC-By-1.0", ("open data commons attribution license",)),
    ("PDDL-1.0", ("public domain dedication and license",)),
    ("O-UDA-1.0", ("open use of data agreement",)),
    ("C-UDA-1.0", ("computational use of data agreement",)),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("AGPL-3.0-only", ("gnu affero general public license", "version 3")),
    ("LGPL-3.0-only", ("gnu lesser general public license", "version 3")),
    ("LGPL-2.1-only", ("gnu lesser general public license", "version 2.1")),
    ("GPL-3.0-only", ("gnu general public license", "version 3")),
    ("GPL-2.0-only", ("gnu general public license", "version 2")),
    ("MPL-2.0", ("mozilla public license", "version 2.0")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "neither the name of")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any purpose",)),
    ("MIT", ("permission is hereby granted, free of charge", "the above copyright notice and this permission notice")),
)
_HUB_LABELS = {
    "apache-2.0": "Apache-2.0", "mit": "MIT", "cc0-1.0": "CC0-1.0", "odbl": "ODbL-1.0", "odc-by": "ODC-By-1.0", "pddl": "PDDL-1.0",
    "cdla-permissive-1.0": "CDLA-Permissive-1.0", "cdla-permissive-2.0": "CDLA-Permissive-2.0", "cdla-sharing-1.0": "CDLA-Sharing-1.0",
    "c-uda": "C-UDA-1.0", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "mpl-2.0": "MPL-2.0", "unlicense": "Unlicense",
    "gpl-3.0": "GPL-3.0-only", "gpl-2.0": "GPL-2.0-only", "lgpl-3.0": "LGPL-3.0-only", "agpl-3.0": "AGPL-3.0-only", "isc": "ISC",
}  # fmt: skip
_HUB_CREATIVE_COMMONS = re.compile(r"cc-(by(?:-nc)?(?:-sa|-nd)?)-([1-4]\.[05])\Z")


def license_files(folder: Path) -> list[Path]:
    """Return the files at the top of a folder whose names are those of licence texts, sorted."""
    return sorted(
        path for path in folder.iterdir()
        if NAMES.match(path.name) and (path.suffix.lower() in SUFFIXES or not path.suffix[1:].isalpha()) and is_plain_file(path)
    )  # fmt: skip


def recognise(text: str) -> str:
    """Return the SPDX identifier of a licence text, or the empty string."""
    words = " ".join(text.lower().split())
    found = _CREATIVE_COMMONS.search(words[:3000])
    if found and ("creative commons" in words[:3000]):
        return _creative_commons(bool(found["nc"]), found["share"] or "", found["version"])
    for identifier, phrases in _PHRASES:
        if all(phrase in words for phrase in phrases):
            return identifier
    return ""


def from_label(label: str) -> str:
    """Return the SPDX identifier of a label of the Hugging Face Hub, or the empty string for `other`, `unknown` and the like."""
    plain = label.strip().lower()
    found = _HUB_CREATIVE_COMMONS.match(plain)
    if found:
        return f"CC-{found[1].upper()}-{found[2]}"
    return _HUB_LABELS.get(plain, "")


def known(expression: str) -> bool:
    """Tell whether every symbol of an SPDX expression is on the SPDX list or a LicenseRef; `unknown` is not."""
    from license_expression import ExpressionError, get_spdx_licensing

    plain = re.sub(r"\bLicenseRef-[A-Za-z0-9.-]+", "MIT", expression)
    try:
        return expression != "unknown" and not get_spdx_licensing().validate(plain).errors
    except (ExpressionError, AttributeError):
        return False


def _creative_commons(noncommercial: bool, share: str, version: str) -> str:
    parts = [
        "CC-BY",
        *(["NC"] if noncommercial else []),
        *({"-sharealike": ["SA"]}.get(share, ["ND"] if share else [])),
    ]
    return "-".join([*parts, version])
