"""The laws, guidance and standards that a model's documents are laid out by, each with source and date, and who must say what.

Here: `INSTRUMENTS`, the facts that only people can state, and the points each document goes through. Not here: rendering
(`companions`), any claim that a point is met. The layout is a reading by engineers; none of it is legal advice, and a document that
answers every point makes nothing compliant.

How each was read is part of the entry: `text` for the instrument itself, `secondary` for pages about it (check those against the
instrument before you rely on them).
"""

from __future__ import annotations

from typing import Final

from datasigil.record import dataclass

READ: Final = "2026-11-26"
"""When these entries were last looked at."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One source that a document follows: its title, where it is published, the date of the version meant, and how it was read."""

    title: str
    short: str
    source: str
    date: str
    read: str  # text | secondary


INSTRUMENTS: Final[dict[str, Instrument]] = {
    "eu-ai-act": Instrument(
        "Regulation (EU) 2024/1689 (Artificial Intelligence Act), Annex IV: technical documentation referred to in Article 11(1)",
        "EU 2024/1689 Annex IV", "https://eur-lex.europa.eu/eli/reg/2024/1689/oj", "2024-07-12", "secondary",
    ),
    "ab-2013": Instrument(
        "California Assembly Bill 2013 (Chapter 817, Statutes of 2024), Civil Code section 3111: training data transparency",
        "Cal. Civ. Code 3111", "https://leginfo.legislature.ca.gov/faces/billNavClient.xhtml?bill_id=202320240AB2013", "2024-09-28", "secondary",
    ),
    "mrm": Instrument(
        "Revised Guidance on Model Risk Management (Federal Reserve SR 26-2, OCC Bulletin 2026-13, FDIC), which replaced SR 11-7 of 2011-04-04",
        "SR 26-2", "https://www.federalreserve.gov/supervisionreg/srletters/SR2602.htm", "2026-04-17", "secondary",
    ),
    "hipaa": Instrument(
        "45 CFR 164.514(a)-(b): de-identification of protected health information", "45 CFR 164.514",
        "https://www.ecfr.gov/current/title-45/section-164.514", "2013-01-25", "secondary",
    ),
    "gdpr": Instrument(
        "Regulation (EU) 2016/679 (General Data Protection Regulation)", "EU 2016/679",
        "https://eur-lex.europa.eu/eli/reg/2016/679/oj", "2016-05-04", "secondary",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HumanFact:
    """A fact that no machine can state: its key, its heading, who asks for it, and in which sector (empty: in every one)."""

    key: str
    heading: str
    asked_by: str
    sector: str = ""


_EU: Final = "EU 2024/1689 Annex IV"
HUMAN_FACTS: Final[tuple[HumanFact, ...]] = (
    HumanFact("provider", "Legal name, address and contact of the provider", f"{_EU} 1(a)"),
    HumanFact("intendedPurpose", "Intended purpose and intended users", f"{_EU} 1(a)"),
    HumanFact("outOfScopeUses", "Uses that are out of scope", f"{_EU} 3"),
    HumanFact("instructionsForUse", "Instructions for use, and how it is offered to users", f"{_EU} 1(d), 1(h)"),
    HumanFact("dataSuitability", "Why this data suits the purpose", f"{_EU} 2(d)"),
    HumanFact("designRationale", "Design choices, their rationale and trade-offs", f"{_EU} 2(b)"),
    HumanFact("metricSuitability", "Why these metrics suit the purpose", f"{_EU} 4"),
    HumanFact("foreseeableHarms", "Foreseeable unintended outcomes and their mitigation", f"{_EU} 3"),
    HumanFact("privacyReasoning", "Memorisation and privacy risk of this training set", f"{_EU} 2(d)"),
    HumanFact("cybersecurity", "Cybersecurity measures", f"{_EU} 2(h)"),
    HumanFact("humanOversight", "Human oversight measures", f"{_EU} 2(e)"),
    HumanFact("riskManagement", "Risk management system", f"{_EU} 5"),
    HumanFact("monitoring", "Post-market monitoring plan", f"{_EU} 9"),
    HumanFact("standards", "Harmonised standards applied, or other means", f"{_EU} 7"),
    HumanFact("declaration", "EU declaration of conformity, or why there is none", f"{_EU} 8"),
    HumanFact("modelLicense", "Licence under which the model is offered", "Hugging Face Hub metadata `license`"),
    HumanFact("liability", "Who bears which risk, warranty and indemnity", "the parties' contract"),
    HumanFact("modelRiskTier", "Materiality and risk tier in the model inventory", "SR 26-2", "finance"),
    HumanFact("independentReview", "Who validates independently, and with what outcome", "SR 26-2", "finance"),
    HumanFact("legalBasis", "Legal basis for training on health data", "EU 2016/679 Art. 6 and 9", "health"),
    HumanFact("impactAssessment", "Data protection impact assessment", "EU 2016/679 Art. 35", "health"),
)  # fmt: skip


def facts_of(sector: str) -> tuple[HumanFact, ...]:
    """Return the facts that people must state for a model of a sector (`law`, `finance`, `health` or empty)."""
    return tuple(fact for fact in HUMAN_FACTS if fact.sector in ("", sector))


@dataclass(frozen=True, slots=True)
class Point:
    """One point of an instrument: where it stands, what it asks (in our words), and which facts of the card answer it.

    `facts` are paths below the card's `sections`; `*` stands for every member of a list. `missing` is said where no such fact is
    in the card: by default that it was not provided.
    """

    place: str
    asks: str
    facts: tuple[str, ...]
    missing: str = ""


ANNEX_IV: Final[tuple[tuple[str, tuple[Point, ...]], ...]] = (
    (
        "1. General description",
        (
            Point("1(a)", "Intended purpose, provider, version", ("people/intendedPurpose", "people/provider", "details/name", "details/version")),
            Point("1(b)", "Interaction with hardware and other software", ("compute/device", "details/baseModel")),
            Point("1(c)", "Versions of relevant software", ("compute/python", "compute/packages", "compute/lockfileDigest")),
            Point("1(d)", "Forms in which it is placed on the market", ("people/instructionsForUse", "details/artefactsRoot")),
            Point("1(e)", "Hardware on which it is intended to run", ("compute/processor", "compute/memoryBytes")),
            Point("1(f)", "Where it is a component: photographs or illustrations", (), "not applicable to weights alone; the provider of the product adds them"),
            Point("1(g)", "User interface for the deployer", (), "weights have none; the provider of the system describes it"),
            Point("1(h)", "Instructions for use for the deployer", ("people/instructionsForUse",)),
        ),
    ),
    (
        "2. Elements and development process",
        (
            Point("2(a)", "Methods and steps of development, pre-trained systems used", ("details/task", "details/baseModel", "details/baseLicense", "details/baseTrainingData", "procedure/recipeDigest", "procedure/epochs", "procedure/steps", "procedure/seed")),
            Point("2(b)", "Design, key choices with rationale, trade-offs", ("people/designRationale", "procedure/lora", "procedure/pooling", "procedure/learningRate")),
            Point("2(c)", "Architecture and computational resources", ("procedure/trainableParameters", "procedure/totalParameters", "compute/durationSeconds", "compute/cpuSeconds", "compute/energy/kilowattHours", "compute/energy/method")),
            Point("2(d)", "Training data: provenance, scope, characteristics, how obtained, labelled and cleaned", ("trainingData/*/name", "trainingData/*/publisher", "trainingData/*/credentialId", "trainingData/*/manifestRoot", "trainingData/*/license", "trainingData/*/rowsUsed", "trainingData/*/sourceCategory", "trainingData/*/generationMethod", "trainingData/*/annotationProtocol", "trainingData/*/representativeness", "trainingData/*/lineageSteps/*/rule", "filtering/rowsDroppedFromTrain", "people/dataSuitability", "people/privacyReasoning")),
            Point("2(e)", "Human oversight measures, interpretation of outputs", ("people/humanOversight", "failureModes/abstention/*/answerAtOrAbove")),
            Point("2(f)", "Pre-determined changes", (), "none is pre-determined by the training program: every new run has its own receipt and card"),
            Point("2(g)", "Validation and testing: data, metrics, results, dated and signed reports", ("filtering/testSplit/rows", "filtering/testSplit/digest", "filtering/validationSplit/rows", "filtering/testRowsAlsoInTrain", "evaluation/test/macroF1", "evaluation/test/microF1", "evaluation/test/majorityMacroF1", "failureModes/leakage/macroF1WithoutThem")),
            Point("2(h)", "Cybersecurity measures", ("people/cybersecurity", "gate/decision", "gate/policyDigest")),
        ),
    ),
    (
        "3. Monitoring, functioning and control",
        (
            Point("3", "Capabilities and limits, accuracy for groups, foreseeable outcomes, oversight, input data", ("people/outOfScopeUses", "people/foreseeableHarms", "failureModes/worstSlices/*/slice", "failureModes/worstSlices/*/errorShare", "failureModes/calibration/expectedCalibrationError", "procedure/maxTokens")),
        ),
    ),
    ("4. Appropriateness of the metrics", (Point("4", "Why the metrics suit the system", ("people/metricSuitability",)),)),
    ("5. Risk management system", (Point("5", "Risk management system under Article 9", ("people/riskManagement",)),)),
    ("6. Changes through the lifecycle", (Point("6", "Relevant changes made by the provider", ("details/version",)),)),
    ("7. Standards", (Point("7", "Harmonised standards applied, or other means", ("people/standards",)),)),
    ("8. Declaration of conformity", (Point("8", "Copy of the EU declaration of conformity", ("people/declaration",)),)),
    ("9. Post-market monitoring", (Point("9", "System and plan under Article 72", ("people/monitoring",)),)),
)  # fmt: skip

_DATA: Final = "trainingData/*/"
AB_2013: Final[tuple[Point, ...]] = (
    Point("(a)(1)", "Sources or owners of the datasets", (_DATA + "name", _DATA + "publisher", _DATA + "issuer", _DATA + "sourceCategory")),
    Point("(a)(2)", "How the datasets further the intended purpose", ("people/dataSuitability", "people/intendedPurpose", _DATA + "intendedPurpose")),
    Point("(a)(3)", "Number of data points", (_DATA + "rowsRead", _DATA + "rowsUsed", _DATA + "byteSize")),
    Point("(a)(4)", "Types of data points; for labelled data, the labels", ("details/labels", _DATA + "dataTypes", _DATA + "modality", _DATA + "inLanguage")),
    Point("(a)(5)", "Data protected by copyright, trademark or patent, or in the public domain", (_DATA + "ipContent", _DATA + "rightsBasis", _DATA + "license")),
    Point("(a)(6)", "Whether purchased or licensed", (_DATA + "rightsBasis", _DATA + "license")),
    Point("(a)(7)", "Personal information", (_DATA + "personalData", _DATA + "classification")),
    Point("(a)(8)", "Aggregate consumer information", (_DATA + "classification",)),
    Point("(a)(9)", "Cleaning, processing or other modification", (_DATA + "lineageSteps/*/rule", "filtering/rowsDroppedFromTrain", "filtering/trainSplit/truncatedRows", "filtering/trainSplit/droppedTokens", "filtering/ignoredTags", "procedure/transformDigest")),
    Point("(a)(10)", "When the data was collected, and whether collection goes on", (_DATA + "temporal", _DATA + "issued", _DATA + "isLiveDataset")),
    Point("(a)(11)", "When the datasets were first used", ("compute/started",)),
    Point("(a)(12)", "Synthetic data generation", (_DATA + "synthetic",)),
)  # fmt: skip

MRM_MEMO: Final[tuple[tuple[str, tuple[Point, ...]], ...]] = (
    ("Purpose and use", (Point("purpose", "What the model is for, by whom it may be used", ("details/name", "details/version", "details/task", "people/intendedPurpose", "people/outOfScopeUses", "people/modelRiskTier")),)),
    ("Data suitability", (Point("data", "Quality and relevance of the data, its limits", (_DATA + "name", _DATA + "license", _DATA + "rowsUsed", _DATA + "qualityMeasurement", _DATA + "limitations", _DATA + "dataBiases", "people/dataSuitability")),)),
    ("Development", (Point("development", "Design, theory, method, assumptions", ("details/baseModel", "procedure/lora", "procedure/seed", "procedure/recipeDigest", "procedure/trainableParameters", "people/designRationale")),)),
    ("Outcomes analysis", (Point("outcomes", "Results against benchmarks, on data not used to develop", ("evaluation/test/macroF1", "evaluation/test/majorityMacroF1", "evaluation/test/microF1", "evaluation/test/majorityMicroF1", "filtering/testRowsAlsoInTrain", "failureModes/leakage/macroF1WithoutThem", "failureModes/leakage/membershipAuc", "people/metricSuitability")),)),
    ("Limits and uncertainty", (Point("limits", "Where the model is weak, and what is done about it", ("failureModes/worstSlices/*/slice", "failureModes/worstSlices/*/errorShare", "failureModes/worstSlices/*/low", "failureModes/worstSlices/*/high", "failureModes/calibration/expectedCalibrationError", "failureModes/abstention/*/target", "failureModes/abstention/*/answerAtOrAbove", "failureModes/abstention/*/rightOnTest", "people/foreseeableHarms")),)),
    ("Monitoring and change", (Point("monitoring", "Ongoing monitoring, thresholds, change control", ("people/monitoring", "procedure/recipeDigest", "gate/rechecks")),)),
    ("Independent review and governance", (Point("review", "Effective challenge by those who did not develop it", ("people/independentReview", "people/riskManagement", "people/liability")),)),
)  # fmt: skip

PRIVACY: Final[tuple[tuple[str, tuple[Point, ...]], ...]] = (
    ("What the data holds", (Point("data", "Personal and special-category data, as the credentials say, with result and method", (_DATA + "name", _DATA + "personalData", _DATA + "classification", _DATA + "deidentification", _DATA + "synthetic")),)),
    ("De-identification", (Point("45 CFR 164.514(b)", "Safe Harbor or expert determination, as asserted and by whom audited", (_DATA + "deidentification", _DATA + "audits/*/assessor", _DATA + "audits/*/standard", _DATA + "audits/*/criterion", _DATA + "audits/*/conformance", _DATA + "audits/*/validUntil")),)),
    ("Purpose and legal basis", (Point("EU 2016/679 Art. 5, 6, 9", "Purpose limitation, legal basis", (_DATA + "intendedPurpose", _DATA + "prohibitedPurpose", "people/intendedPurpose", "people/legalBasis"), "asked of people in the health sector's documents"),)),
    ("Memorisation and leakage", (Point("EU 2016/679 Art. 32", "What the model may give away about its training rows", ("failureModes/leakage/membershipAuc", "failureModes/leakage/membershipRows", "failureModes/leakage/meanLossTrain", "failureModes/leakage/meanLossTest", "failureModes/leakage/testRowsAlsoInTrain", "people/privacyReasoning")),)),
    ("Rights of the persons concerned", (Point("EU 2016/679 Art. 17", "Erasure: whom to ask, and which rows the run used", (_DATA + "erasureContact", "procedure/examplesRoot", "procedure/examples")),)),
    ("Assessment", (Point("EU 2016/679 Art. 35", "Impact assessment", ("people/impactAssessment",), "asked of people in the health sector's documents"),)),
)  # fmt: skip

__all__ = [
    "AB_2013",
    "ANNEX_IV",
    "HUMAN_FACTS",
    "INSTRUMENTS",
    "MRM_MEMO",
    "PRIVACY",
    "READ",
    "HumanFact",
    "Instrument",
    "Point",
    "facts_of",
]
