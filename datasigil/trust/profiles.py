"""Sector profiles: what law, finance and health ask of a dataset's description, each rule with its source and date.

Lives here: the rules, what a credential still lacks, and the trust-file template of `policy init --profile`. Not here: deciding
(`verification`). The rules are a reading of the sources by engineers, dated below; none of this is legal advice, and meeting a profile
makes nothing compliant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from datasigil.record import dataclass

READ: Final = "2026-11"
"""When the sources were last looked at for these rules."""


@dataclass(frozen=True, slots=True)
class SectorRule:
    """One rule: what it asks, where that comes from, and how a subject meets it."""

    id: str
    asks: str
    source: str
    date: str  # of the source's version
    place: str  # JSON pointer to what would meet it
    met: Callable[[Mapping[str, Any], bool, str], bool]  # (subject, audited by a third party, today)


def lacking(sector: str, subject: Mapping[str, Any], *, audited: bool, today: str) -> tuple[SectorRule, ...]:
    """Return the rules of a sector that a DatasetCredential's subject does not meet; `today` is YYYY-MM-DD."""
    return tuple(rule for rule in PROFILES[sector] if not rule.met(subject, audited, today))


def _text(name: str) -> Callable[[Mapping[str, Any], bool, str], bool]:
    return lambda subject, _audited, _today: bool(subject.get(name)) and subject.get(name) != "unknown"


def _listed(name: str) -> Callable[[Mapping[str, Any], bool, str], bool]:
    return lambda subject, _audited, _today: any(item != "unknown" for item in subject.get(name, ()))


def _evaluated(*codes: str) -> Callable[[Mapping[str, Any], bool, str], bool]:
    def met(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
        results = {
            entry["regulation"]: entry["result"] for entry in subject.get("classification", ()) if entry["evaluated"]
        }
        return all(results.get(code, "unknown") != "unknown" for code in codes)

    return met


def _measured(*metrics: str) -> Callable[[Mapping[str, Any], bool, str], bool]:
    def met(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
        known = {one["metric"] for one in subject.get("qualityMeasurement", ()) if one["value"] != "unknown"}
        return known.issuperset(metrics)

    return met


def _license_known(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
    return bool(subject["license"]["expression"] != "unknown")


def _rights_basis(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
    return bool(subject.get("rightsBasis", "unknown") != "unknown")


def _personal_status(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
    return bool(subject.get("personalData", {}).get("status", "unknown") != "unknown")


def _reservation(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
    crawled = "2.3" in subject.get("sourceCategory", ())
    return bool(not crawled or subject.get("tdmReservation", {}).get("value", "unknown") != "unknown")


def _ip_content(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
    content = subject.get("ipContent", {})
    return bool(content) and all(value != "unknown" for value in content.values())


def _phi_absent_or_audited(subject: Mapping[str, Any], audited: bool, today: str) -> bool:
    entry = next((one for one in subject.get("classification", ()) if one["regulation"] == "phi"), None)
    if entry is None or not entry["evaluated"] or entry["result"] == "unknown":
        return False
    if entry["result"] == "absent":
        return True
    method = subject.get("deidentification")
    return method is not None and audited and str(method.get("reviewBy", today)) >= today


def _snapshot(subject: Mapping[str, Any], _audited: bool, _today: str) -> bool:
    return bool(subject.get("isLiveDataset") is False)


_AI_ACT_10: Final = "Regulation (EU) 2024/1689 (AI Act), Art. 10"
_AB_2013: Final = "California AB 2013, Civil Code section 3111"

# Read on pages about it. It replaced SR 11-7 of 2011, and says of itself that it does not cover generative AI.
_MRM: Final = "Revised Guidance on Model Risk Management (SR 26-2, OCC Bulletin 2026-13)"

_EVERYWHERE: Final = (
    SectorRule("license", "the licence is stated", f"{_AB_2013}(a)(6)", "2024-09-28", "/credentialSubject/license/expression", _license_known),
    SectorRule(
        "rights-basis", "the basis of the right to use the data is stated", "Regulation (EU) 2024/1689 (AI Act), Art. 53(1)(c)", "2024-06-13",
        "/credentialSubject/rightsBasis", _rights_basis,
    ),
    SectorRule("personal-data", "whether it holds personal data is stated", "Regulation (EU) 2016/679 (GDPR), Art. 5 and 6", "2016-04-27", "/credentialSubject/personalData/status", _personal_status),
    SectorRule("limitations", "its limitations are described", f"{_AI_ACT_10}(2)(h)", "2024-06-13", "/credentialSubject/limitations", _text("limitations")),
    SectorRule("biases", "possible biases are described", f"{_AI_ACT_10}(2)(f)", "2024-06-13", "/credentialSubject/dataBiases", _text("dataBiases")),
)  # fmt: skip

PROFILES: Final[Mapping[str, tuple[SectorRule, ...]]] = {
    "law": (
        *_EVERYWHERE,
        SectorRule("ip-content", "whether it holds copyrighted, patented or trademarked content is stated", f"{_AB_2013}(a)(5)", "2024-09-28", "/credentialSubject/ipContent", _ip_content),
        SectorRule("tdm", "for crawled data, a reservation of text and data mining was looked for", "Directive (EU) 2019/790, Art. 4(3)", "2019-04-17", "/credentialSubject/tdmReservation", _reservation),
        SectorRule(
            "confidential", "whether it holds personal or sensitive information was evaluated, with a result", "ABA Formal Opinion 512 (confidentiality)", "2024-07-29",
            "/credentialSubject/classification", _evaluated("pi", "spi"),
        ),
        SectorRule("language", "its languages are stated", f"{_AI_ACT_10}(4)", "2024-06-13", "/credentialSubject/inLanguage", _listed("inLanguage")),
    ),
    "finance": (
        *_EVERYWHERE,
        SectorRule("pfi", "whether it holds personal financial information was evaluated, with a result", "GLBA Safeguards Rule, 16 CFR part 314", "2023-06-09", "/credentialSubject/classification", _evaluated("pfi")),
        SectorRule("pci", "whether it holds cardholder data was evaluated, with a result", "PCI DSS v4.0.1", "2024-06", "/credentialSubject/classification", _evaluated("pci")),
        SectorRule(
            "quality", "completeness and validity were measured", f"{_MRM}, model development (data quality)", "2026-04-17",
            "/credentialSubject/qualityMeasurement", _measured("completeness", "validity"),
        ),
        SectorRule("representative", "whom and what it represents is described", f"{_MRM}, model development (representativeness of data)", "2026-04-17", "/credentialSubject/representativeness", _text("representativeness")),
        SectorRule("frozen", "it is a fixed snapshot", f"{_MRM}, governance (documentation)", "2026-04-17", "/credentialSubject/isLiveDataset", _snapshot),
    ),
    "health": (
        *_EVERYWHERE,
        SectorRule(
            "phi", "protected health information is absent, or de-identified and audited by a third party", "45 CFR 164.514(b)", "2013-01-25",
            "/credentialSubject/classification", _phi_absent_or_audited,
        ),
        SectorRule("quality", "completeness was measured", "Regulation (EU) 2025/327 (EHDS), Art. 78", "2025-02-11", "/credentialSubject/qualityMeasurement", _measured("completeness")),
        SectorRule("representative", "whom it represents is described", f"{_AI_ACT_10}(3)", "2024-06-13", "/credentialSubject/representativeness", _text("representativeness")),
        SectorRule("origin", "where it comes from is stated", f"{_AI_ACT_10}(4)", "2024-06-13", "/credentialSubject/originGeography", _listed("originGeography")),
    ),
}  # fmt: skip


def policy_template(sector: str, *, self_did: str = "") -> str:
    """Return the text of a new trust file for a sector: its requirements, and every rule with source and date as comments."""
    lines = [
        f"# Trust file with the sector profile {sector!r}. The rules were read in their sources in {READ}; this is not legal advice.",
        "# `datasigil-verify policy explain` says in sentences what this file means.",
        "formatVersion = 1",
        *(
            [f'self = "{self_did}"']
            if self_did
            else [
                '# self = "did:key:…"   # who you are; licence grants must be to this DID, and count once `datasigil key prove-self` has signed this file'
            ]
        ),
        "",
        "# Whose word counts: `datasigil-verify trust add BUNDLE` appends [[issuers]] and [[logs]] below.",
        "",
        "[requirements]",
        'use = "ai-training"',
        f'sector = "{sector}"   # asks for:',
        *(f"#   {rule.asks}\n#     {rule.source}, {rule.date}" for rule in PROFILES[sector]),
        *_SECTOR_LINES[sector],
        "",
        "[requirements.licenses]",
        'unknown = "refuse"',
        *(f"# {line}" for line in _EVIDENCE[sector].why),
        f'evidence = "{_EVIDENCE[sector].asks}"',
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _EvidenceRule:
    """What a licence, a parent's included, must rest on in a sector: `text` (signed by its digest, or granted), or a warning; and why."""

    asks: str
    why: tuple[str, ...]


_STRICTER: Final = (
    '"text" refuses a licence that is only asserted: its text must be signed by its digest, or it be granted to you.'
)
_EVIDENCE: Final[Mapping[str, _EvidenceRule]] = {
    "law": _EvidenceRule(
        "warn",
        (
            "No source above asks for the text of a licence, so one that is only asserted is let through with a warning.",
            _STRICTER,
        ),
    ),
    "finance": _EvidenceRule(
        "warn",
        (
            "Documentation is asked for and its form is left open, so a licence that is only asserted is let through with a warning.",
            _STRICTER,
        ),
    ),
    "health": _EvidenceRule(
        "text",
        (
            "A limited data set needs a data use agreement (45 CFR 164.514(e)(4)), secondary use in the EU a data permit (Regulation (EU) 2025/327):",
            "so a licence counts when its text is signed by its digest, or when it is granted to you.",
            '"warn" lets through, with a warning, what is only asserted.',
        ),
    ),
}

_SECTOR_LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "law": (),
    "finance": ('digest = "sha256"   # FIPS 180-4, where auditors ask for an approved hash',),
    "health": ('digest = "sha256"   # FIPS 180-4, where auditors ask for an approved hash', "commercial = false"),
}
