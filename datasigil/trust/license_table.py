"""What well-known licences allow, in the four questions that training raises; a filter for people, not legal advice.

Lives here: a table by SPDX id (SPDX License List 3.27, 2025-07). Not here: expressions (`licensing`), combinations (`planner`). The
answers were read in the licence texts; `unclear` is an answer, and blocks until the user's own policy allows that licence by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

YES: Final = "yes"
NO: Final = "no"
UNCLEAR: Final = "unclear"


@dataclass(frozen=True, slots=True)
class LicenseTerms:
    """What one licence says; `family` names licences whose share-alike terms accept each other."""

    training: str = YES  # whether use for training is within the grant: yes | no | unclear
    commercial: bool = True
    attribution: bool = True
    share_alike: bool = False
    family: str = ""
    note: str = ""


_ND: Final = "whether a trained model is an adaptation is not settled, and this licence allows none"
_OPEN = LicenseTerms()
_PUBLIC_DOMAIN = LicenseTerms(attribution=False)


def _nc(note: str = "", training: str = YES, *, share_alike: bool = False, family: str = "") -> LicenseTerms:
    return LicenseTerms(training=training, commercial=False, share_alike=share_alike, family=family, note=note)


def _sa(family: str, note: str = "") -> LicenseTerms:
    return LicenseTerms(share_alike=True, family=family, note=note)


LICENSES: Final[Mapping[str, LicenseTerms]] = {
    "0BSD": _PUBLIC_DOMAIN,
    "AGPL-3.0-only": _sa("gpl-3", "written for software; what it asks of a model is not settled"),
    "AGPL-3.0-or-later": _sa("gpl-3", "written for software; what it asks of a model is not settled"),
    "Apache-2.0": _OPEN,
    "BSD-2-Clause": _OPEN,
    "BSD-3-Clause": _OPEN,
    "BSL-1.0": _OPEN,
    "C-UDA-1.0": LicenseTerms(
        note="computational use only: results may be shared, the data itself only under the same terms"
    ),
    "CC-BY-2.0": _OPEN,
    "CC-BY-2.5": _OPEN,
    "CC-BY-3.0": _OPEN,
    "CC-BY-4.0": _OPEN,
    "CC-BY-NC-2.0": _nc(),
    "CC-BY-NC-3.0": _nc(),
    "CC-BY-NC-4.0": _nc(),
    "CC-BY-NC-ND-3.0": _nc(_ND, UNCLEAR),
    "CC-BY-NC-ND-4.0": _nc(_ND, UNCLEAR),
    "CC-BY-NC-SA-3.0": _nc(share_alike=True, family="cc-by-nc-sa"),
    "CC-BY-NC-SA-4.0": _nc(share_alike=True, family="cc-by-nc-sa"),
    "CC-BY-ND-3.0": LicenseTerms(training=UNCLEAR, note=_ND),
    "CC-BY-ND-4.0": LicenseTerms(training=UNCLEAR, note=_ND),
    "CC-BY-SA-3.0": _sa("cc-by-sa"),
    "CC-BY-SA-4.0": _sa("cc-by-sa"),
    "CC-PDDC": _PUBLIC_DOMAIN,
    "CC0-1.0": _PUBLIC_DOMAIN,
    "CDLA-Permissive-1.0": _OPEN,
    "CDLA-Permissive-2.0": LicenseTerms(attribution=False, note="the licence text must stay with shared data"),
    "CDLA-Sharing-1.0": _sa("cdla-sharing", "share-alike holds for the data, not for results of computing with it"),
    "DL-DE-BY-2.0": _OPEN,
    "DL-DE-ZERO-2.0": _PUBLIC_DOMAIN,
    "EUPL-1.2": _sa("eupl"),
    "GFDL-1.3-only": _sa("gfdl"),
    "GFDL-1.3-or-later": _sa("gfdl"),
    "GPL-2.0-only": _sa("gpl-2", "written for software; what it asks of a model is not settled"),
    "GPL-2.0-or-later": _sa("gpl-3", "written for software; what it asks of a model is not settled"),
    "GPL-3.0-only": _sa("gpl-3", "written for software; what it asks of a model is not settled"),
    "GPL-3.0-or-later": _sa("gpl-3", "written for software; what it asks of a model is not settled"),
    "ISC": _OPEN,
    "LGPL-3.0-only": _sa("gpl-3"),
    "LGPL-3.0-or-later": _sa("gpl-3"),
    "MIT": _OPEN,
    "MIT-0": _PUBLIC_DOMAIN,
    "MPL-2.0": _sa("mpl-2"),
    "O-UDA-1.0": LicenseTerms(attribution=True),
    "ODC-By-1.0": _OPEN,
    "ODbL-1.0": _sa("odbl", "share-alike holds for derived databases, not for produced works"),
    "OGL-Canada-2.0": _OPEN,
    "OGL-UK-2.0": _OPEN,
    "OGL-UK-3.0": _OPEN,
    "PDDL-1.0": _PUBLIC_DOMAIN,
    "Unlicense": _PUBLIC_DOMAIN,
    "W3C-20150513": _OPEN,
    "Zlib": _OPEN,
    "etalab-2.0": _OPEN,
}
