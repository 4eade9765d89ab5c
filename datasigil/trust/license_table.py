"""What well-known licences allow, in the questions that training raises; a filter for people, not legal advice.

Lives here: a table by SPDX id (SPDX License List 3.27, 2025-07). Not here: expressions (`licensing`), combinations (`planner`). The
answers were read in the licence texts; `unclear` is an answer, and blocks until the user's own policy allows that licence by name.

`results` says under which licences a share-alike licence lets a result be passed on: CC BY-SA 4.0 section 3(b) with CC's list of
compatible licences (GPL-3.0, one way), GPL-3.0 section 13 (AGPL-3.0), MPL-2.0 section 1.12 (secondary licences), EUPL-1.2 article 5 and
appendix, CDLA-Sharing-1.0 section 3, ODbL 1.0 section 4.4. Only what is listed counts; a later version counts only if it is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from datasigil.record import dataclass

YES: Final = "yes"
NO: Final = "no"
UNCLEAR: Final = "unclear"

DATA: Final = "data"
WORK: Final = "work"


@dataclass(frozen=True, slots=True)
class LicenseTerms:
    """What one licence says; share-alike holds for `binds` and accepts `results`."""

    training: str = YES  # whether use for training is within the grant: yes | no | unclear
    commercial: bool = True
    attribution: bool = True
    share_alike: bool = False
    results: tuple[str, ...] = ()  # licences under which what is made from it may be passed on
    binds: str = WORK  # what share-alike binds: "data" (derived data alone) or "work" (anything made from it)
    adapt: bool = True  # whether adapted data may be passed on at all
    note: str = ""


_ND: Final = "whether a trained model is an adaptation is not settled, and this licence allows none"
_SOFTWARE: Final = "written for software; what it asks of a model is not settled"
_OPEN = LicenseTerms()
_PUBLIC_DOMAIN = LicenseTerms(attribution=False)
_NC = LicenseTerms(commercial=False)
_BY_ND = LicenseTerms(training=UNCLEAR, adapt=False, note=_ND)
_BY_NC_ND = LicenseTerms(training=UNCLEAR, commercial=False, adapt=False, note=_ND)

_GPL_3 = ("AGPL-3.0-only", "GPL-3.0-only")
_GPL_3_LATER = (*_GPL_3, "AGPL-3.0-or-later", "GPL-3.0-or-later")
_SECONDARY = (*_GPL_3_LATER, "GPL-2.0-only", "GPL-2.0-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later")


def _sa(*results: str, binds: str = WORK, commercial: bool = True, note: str = "") -> LicenseTerms:
    return LicenseTerms(share_alike=True, results=results, binds=binds, commercial=commercial, note=note)


LICENSES: Final[Mapping[str, LicenseTerms]] = {
    "0BSD": _PUBLIC_DOMAIN,
    "AGPL-3.0-only": _sa("AGPL-3.0-only", note=_SOFTWARE),
    "AGPL-3.0-or-later": _sa("AGPL-3.0-only", "AGPL-3.0-or-later", note=_SOFTWARE),
    "Apache-2.0": _OPEN,
    "BSD-2-Clause": _OPEN,
    "BSD-3-Clause": _OPEN,
    "BSL-1.0": _OPEN,
    "C-UDA-1.0": _sa(
        "C-UDA-1.0",
        binds=DATA,
        note="computational use only: results may be shared, the data itself only under the same terms",
    ),
    "CC-BY-2.0": _OPEN,
    "CC-BY-2.5": _OPEN,
    "CC-BY-3.0": _OPEN,
    "CC-BY-4.0": _OPEN,
    "CC-BY-NC-2.0": _NC,
    "CC-BY-NC-3.0": _NC,
    "CC-BY-NC-4.0": _NC,
    "CC-BY-NC-ND-3.0": _BY_NC_ND,
    "CC-BY-NC-ND-4.0": _BY_NC_ND,
    "CC-BY-NC-SA-3.0": _sa("CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", commercial=False),
    "CC-BY-NC-SA-4.0": _sa("CC-BY-NC-SA-4.0", commercial=False),
    "CC-BY-ND-3.0": _BY_ND,
    "CC-BY-ND-4.0": _BY_ND,
    "CC-BY-SA-3.0": _sa("CC-BY-SA-3.0", "CC-BY-SA-4.0"),
    "CC-BY-SA-4.0": _sa("CC-BY-SA-4.0", "GPL-3.0-only"),
    "CC-PDDC": _PUBLIC_DOMAIN,
    "CC0-1.0": _PUBLIC_DOMAIN,
    "CDLA-Permissive-1.0": _OPEN,
    "CDLA-Permissive-2.0": LicenseTerms(attribution=False, note="the licence text must stay with shared data"),
    "CDLA-Sharing-1.0": _sa(
        "CDLA-Sharing-1.0", binds=DATA, note="share-alike holds for the data, not for results of computing with it"
    ),
    "DL-DE-BY-2.0": _OPEN,
    "DL-DE-ZERO-2.0": _PUBLIC_DOMAIN,
    "EUPL-1.2": _sa(
        "AGPL-3.0-only", "CC-BY-SA-3.0", "EUPL-1.2", "GPL-2.0-only", "GPL-3.0-only", "LGPL-3.0-only", "MPL-2.0"
    ),
    "GFDL-1.3-only": _sa("GFDL-1.3-only"),
    "GFDL-1.3-or-later": _sa("GFDL-1.3-only", "GFDL-1.3-or-later"),
    "GPL-2.0-only": _sa("GPL-2.0-only", note=_SOFTWARE),
    "GPL-2.0-or-later": _sa("GPL-2.0-only", "GPL-2.0-or-later", *_GPL_3_LATER, note=_SOFTWARE),
    "GPL-3.0-only": _sa(*_GPL_3, note=_SOFTWARE),
    "GPL-3.0-or-later": _sa(*_GPL_3_LATER, note=_SOFTWARE),
    "ISC": _OPEN,
    "LGPL-3.0-only": _sa(*_GPL_3, "LGPL-3.0-only", note=_SOFTWARE),
    "LGPL-3.0-or-later": _sa(*_GPL_3_LATER, "LGPL-3.0-only", "LGPL-3.0-or-later", note=_SOFTWARE),
    "MIT": _OPEN,
    "MIT-0": _PUBLIC_DOMAIN,
    "MPL-2.0": _sa("MPL-2.0", *_SECONDARY),
    "O-UDA-1.0": LicenseTerms(attribution=True),
    "ODC-By-1.0": _OPEN,
    "ODbL-1.0": _sa("ODbL-1.0", binds=DATA, note="share-alike holds for derived databases, not for produced works"),
    "OGL-Canada-2.0": _OPEN,
    "OGL-UK-2.0": _OPEN,
    "OGL-UK-3.0": _OPEN,
    "PDDL-1.0": _PUBLIC_DOMAIN,
    "Unlicense": _PUBLIC_DOMAIN,
    "W3C-20150513": _OPEN,
    "Zlib": _OPEN,
    "etalab-2.0": _OPEN,
}
