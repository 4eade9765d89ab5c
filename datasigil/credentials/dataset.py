"""DatasetCredential: what a dataset is, on its publisher's or an observer's word.

Lives here: the table of its subject in the `minimal` and `full` profiles (vocabulary.md, table 1). Not here: manifests
(`datasets.manifest`), what a licence expression means (`trust.licensing`), and sector requirements (`trust.profiles`).
Enumerations: OASIS Data Provenance Metadata 1.0 CSD02, EU template of Art. 53(1)(d) AI Act (July 2025) sections 2.1 to 2.6.
"""

from __future__ import annotations

from datasigil.credentials.envelope import credential_table
from datasigil.credentials.fields import Field, ListOf, OneOf, Rule, SetOf, Table
from datasigil.credentials.kinds import (
    ASSURANCE,
    BOOLEAN,
    CODE,
    COUNT,
    DATASET_REFERENCE,
    DAY,
    DAY_OR_UNKNOWN,
    DECIMAL,
    HEX_DIGEST,
    LANGUAGE,
    LINE,
    MEDIA_TYPE,
    MOMENT,
    NAME,
    PARTY,
    PATH,
    POLICY_RULE,
    PROSE,
    REGION,
    SPDX,
    TRI_STATE,
    URI,
    VERSION,
)
from datasigil.credentials.values import Const, Enum, Text

# What `full` requires beyond `minimal`; `unknown` is an answer wherever nobody can know.
FULL_REQUIRES = (
    "description", "creator", "temporal", "isLiveDataset", "modality", "dataTypes", "inLanguage", "rightsBasis", "ipContent", "sourceCategory",
    "generationMethod", "originGeography", "classification", "personalData", "synthetic", "qualityMeasurement", "representativeness", "dataBiases",
    "limitations", "intendedPurpose",
)  # fmt: skip

REGULATIONS = ("phi", "pci", "pfi", "pi", "spi", "sci", "other")
PURPOSES = (
    "alignment", "evaluation", "fine-tuning", "other", "pre-training", "production", "quality-assurance", "research", "staging-testing",
    "synthetic-data-generation", "unknown",
)  # fmt: skip
GENERATION_METHODS = (
    "data-augmentation", "data-mining", "feeds", "machine-generated-ml-ops", "other", "primary-user-source", "simulations", "social-media",
    "syndication", "transfer-learning", "unknown", "user-generated-content", "web-scraping-crawling",
)  # fmt: skip

MANIFEST = Table(
    Field("digest", HEX_DIGEST, "SHA-256 of the manifest's JCS bytes", "dsg:digest", required=True),
    Field("root", HEX_DIGEST, "RFC 9162 root over its entries", "dsg:root", required=True),
    Field("fileCount", COUNT, "number of files", "dsg:fileCount", required=True),
    Field("byteSize", COUNT, "bytes in all files together", "dcat:byteSize", required=True),
    Field("recordCount", COUNT, "number of records", "dsg:recordCount"),
    Field("chunkSize", COUNT, "chunk size in bytes", "dsg:chunkSize", required=True),
    Field("ignored", SetOf(PATH, maximum=100), "paths that the manifest leaves out", "dsg:ignored", required=True),
    Field("assurance", Enum("computed"), "always computed", "dsg:assurance", required=True),
    Field("omsRoot", HEX_DIGEST, "OpenSSF Model Signing root, informational", "dsg:omsRoot"),
    doc="Digest, root and sizes of the manifest that lists every file.",
)

LICENSE = Table(
    Field("expression", SPDX, "SPDX licence expression, or unknown", "dsg:licenseExpression", required=True),
    Field("textDigest", HEX_DIGEST, "SHA-256 of the licence text", "dsg:textDigest"),
    Field("textPath", PATH, "path of the licence text in the dataset", "dsg:textPath"),
    Field("source", LINE, "where the licence was stated", "dct:source"),
    Field("assurance", ASSURANCE, "on whose word", "dsg:assurance", required=True),
)

OBSERVATION = Table(
    Field("sourceUrl", URI, "where the data was obtained", "dsg:sourceUrl", required=True),
    Field("revision", LINE, "revision, tag or version of the source, or unknown", "dsg:revision", required=True),
    Field("time", MOMENT, "when it was obtained", "dsg:time", required=True),
    Field("licenseText", PROSE, "the licence text as found", "dsg:licenseText"),
    Field("licenseTextDigest", HEX_DIGEST, "SHA-256 of the licence text as found", "dsg:textDigest"),
    Field("licenseUrl", URI, "where the licence text was found", "dsg:licenseUrl"),
    Field("tool", LINE, "program that made the observation", "dsg:tool"),
    doc="What an observer saw; never the publisher's word.",
)

PREDECESSOR = Table(
    Field(
        "credentialDigest",
        HEX_DIGEST,
        "digest of the credential of the version before",
        "dsg:credentialDigest",
        required=True,
    ),
    Field("root", HEX_DIGEST, "manifest root of the version before", "dsg:root", required=True),
    Field("added", COUNT, "files added", "dsg:added", required=True),
    Field("removed", COUNT, "files removed", "dsg:removed", required=True),
    Field("changed", COUNT, "files changed", "dsg:changed", required=True),
)

_PERIOD = Table(
    Field("start", DAY_OR_UNKNOWN, "first day", "dcat:startDate", required=True),
    Field("end", DAY_OR_UNKNOWN, "last day", "dcat:endDate", required=True),
)

_GEOGRAPHY = Table(
    Field("allowed", SetOf(REGION), "where it may happen", "dsg:allowed"),
    Field("denied", SetOf(REGION), "where it must not happen", "dsg:denied"),
    any_of=("allowed", "denied"),
)

_CLASSIFICATION = Table(
    Field(
        "regulation", Enum(*REGULATIONS), "category of regulated data (OASIS codes)", "dsg:regulation", required=True
    ),
    Field("evaluated", BOOLEAN, "whether anybody looked", "dsg:evaluated", required=True),
    Field("result", TRI_STATE, "what was found; unknown when nobody looked", "dsg:result", required=True),
    Field("assurance", ASSURANCE, "on whose word", "dsg:assurance"),
    Field("tool", LINE, "what looked", "dsg:tool"),
    Field("date", DAY, "when", "dsg:date"),
    rules=[Rule(("evaluated",), (True,), ("tool", "date"))],
)

_PERSONAL_DATA = Table(
    Field("status", TRI_STATE, "whether it holds personal data", "dsg:personalDataStatus", required=True),
    Field("categories", SetOf(CODE), "DPV personal data categories", "dpv:hasPersonalData"),
    Field("subjects", SetOf(LINE), "whose data", "dpv:hasDataSubject"),
    Field("originalPurpose", PROSE, "why it was collected", "dpv:hasPurpose"),
    Field("legalBasis", CODE, "such as A6-1-f", "dpv:hasLegalBasis"),
    Field("specialCategoryBasis", CODE, "such as A9-2-j", "dsg:specialCategoryBasis"),
    Field("impactAssessmentDigest", HEX_DIGEST, "SHA-256 of the impact assessment", "dpv:hasImpactAssessment"),
    rules=[Rule(("status",), ("present",), ("categories", "subjects", "originalPurpose", "legalBasis"))],
)

_DEIDENTIFICATION = Table(
    Field(
        "method",
        Enum("safe-harbor", "expert-determination", "other"),
        "45 CFR 164.514(b) method",
        "dsg:method",
        required=True,
    ),
    Field(
        "identifiersRemoved",
        SetOf(Text(pattern="[A-R]", max_length=1, expected="A to R")),
        "letters of 164.514(b)(2)(i)",
        "dsg:identifiersRemoved",
    ),
    Field("noActualKnowledge", BOOLEAN, "164.514(b)(2)(ii)", "dsg:noActualKnowledge"),
    Field("expert", PARTY, "who determined it", "dsg:expert"),
    Field("resultDigest", HEX_DIGEST, "SHA-256 of method and result, 164.514(b)(1)(ii)", "dsg:resultDigest"),
    Field("reviewBy", DAY, "when it must be looked at again", "dsg:reviewBy"),
    Field("tool", LINE, "what removed the identifiers", "dsg:tool"),
    Field("residualRate", DECIMAL, "measured share of identifiers left", "dsg:residualRate"),
    rules=[
        Rule(("method",), ("safe-harbor",), ("identifiersRemoved", "noActualKnowledge")),
        Rule(("method",), ("expert-determination",), ("expert", "resultDigest", "reviewBy")),
    ],
)

_QUALITY = Table(
    Field("metric", CODE, "ISO/IEC 5259-2 measure such as completeness", "dsg:metric", required=True),
    Field("value", OneOf(Enum("unknown"), DECIMAL), "measured value as decimal text", "dsg:value", required=True),
    Field("method", LINE, "how it was measured", "dsg:method", required=True),
    Field("assurance", ASSURANCE, "on whose word", "dsg:assurance", required=True),
    Field("date", DAY, "when", "dsg:date"),
)

OFFER = Table(
    Field("id", URI, "id of the offer"),
    Field("type", Const("Offer"), "always Offer", required=True),
    Field(
        "permission",
        ListOf(POLICY_RULE, maximum=100),
        "what is allowed; everything else is not",
        "odrl:permission",
        required=True,
    ),
    Field(
        "prohibition",
        ListOf(POLICY_RULE, maximum=100),
        "what is forbidden; it wins over permissions",
        "odrl:prohibition",
    ),
    doc="ODRL 2.2 offer in a closed world.",
)

_IDENTITY = (
    Field("id", URI, "identity of the dataset, stable over its versions", required=True),
    Field("type", Const("Dataset"), "always Dataset", required=True),
    Field("name", NAME, "name of the dataset", required=True),
    Field("description", PROSE, "what it is"),
    Field("version", VERSION, "version of the dataset", "dcat:version", required=True),
    Field("publisher", PARTY, "who published it", "dct:publisher", required=True),
    Field("creator", ListOf(PARTY), "who made it", "dct:creator"),
    Field("issued", DAY_OR_UNKNOWN, "claimed date of publication", "dct:issued", required=True),
    Field("role", Enum("publisher", "observer"), "whether the issuer is its publisher", "dsg:role", required=True),
    Field("profile", Enum("minimal", "full"), "how much this credential says", "dsg:profile", required=True),
    Field("manifest", MANIFEST, "the files", "dsg:manifest", required=True),
    Field("license", LICENSE, "the licence", "dct:license", required=True),
    Field("observation", OBSERVATION, "what an observer saw", "dsg:observation"),
    Field("predecessor", PREDECESSOR, "the version before", "prov:wasRevisionOf"),
    Field(
        "derivedFrom",
        ListOf(Table(*DATASET_REFERENCE), maximum=256),
        "datasets it was made from",
        "prov:wasDerivedFrom",
    ),
)

_CONTENT = (
    Field("temporal", _PERIOD, "period that the data covers", "dct:temporal"),
    Field(
        "distribution",
        ListOf(
            Table(
                Field("path", PATH, "path of the file", "dsg:path", required=True),
                Field("sha256", HEX_DIGEST, "its SHA-256", "schema:sha256", required=True),
                Field("byteSize", COUNT, "its size in bytes", "dcat:byteSize", required=True),
                Field("mediaType", MEDIA_TYPE, "its media type"),
            ),
            maximum=1000,
        ),
        "its main files",
        "dcat:distribution",
    ),
    Field("isLiveDataset", BOOLEAN, "whether the source still changes", "cr:isLiveDataset"),
    Field("tokenCount", COUNT, "number of tokens", "dsg:tokenCount"),
    Field(
        "modality",
        SetOf(Enum("audio", "image", "other", "tabular", "text", "unknown", "video")),
        "kinds of content",
        "dsg:modality",
    ),
    Field("dataTypes", SetOf(LINE), "what the records are, such as contract clauses", "dsg:dataTypes"),
    Field("inLanguage", SetOf(OneOf(Enum("unknown"), LANGUAGE)), "languages", "schema:inLanguage"),
    Field(
        "sourceCategory",
        SetOf(Enum("2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "unknown")),
        "EU template section 2",
        "dsg:sourceCategory",
    ),
    Field(
        "crawl",
        Table(
            Field("crawlers", SetOf(LINE), "names of the crawlers", "dsg:crawlers", required=True),
            Field("start", DAY_OR_UNKNOWN, "first day", "dcat:startDate", required=True),
            Field("end", DAY_OR_UNKNOWN, "last day", "dcat:endDate", required=True),
            Field("behaviour", PROSE, "what they respected", "dsg:behaviour"),
        ),
        "how it was crawled",
        "dsg:crawl",
    ),
    Field(
        "generationMethod",
        SetOf(Enum(*GENERATION_METHODS)),
        "how the data came to be (OASIS codes)",
        "dsg:generationMethod",
    ),
    Field("originGeography", SetOf(REGION), "where it comes from", "dct:spatial"),
    Field(
        "synthetic",
        Table(
            Field(
                "share",
                OneOf(Enum("unknown"), DECIMAL),
                "share of records that are synthetic, 0 to 1",
                "dsg:share",
                required=True,
            ),
            Field("generators", SetOf(LINE), "what generated them", "dsg:generators"),
        ),
        "synthetic content",
        "dpv:SyntheticData",
    ),
)

_RIGHTS = (
    Field(
        "useClass",
        Table(
            Field(
                "use",
                Enum("all", "nc", "academic", "unspecified"),
                "Data Provenance Initiative use class",
                "dsg:use",
                required=True,
            ),
            Field("attribution", BOOLEAN, "whether attribution is required", "dsg:attribution", required=True),
            Field("shareAlike", BOOLEAN, "whether share-alike is required", "dsg:shareAlike", required=True),
        ),
        "a filter for people, not legal truth",
        "dsg:useClass",
    ),
    Field(
        "rightsBasis",
        Enum("own", "licensed", "publicDomain", "statutoryException", "unknown"),
        "basis of the rights",
        "dsg:rightsBasis",
    ),
    Field(
        "ipContent",
        Table(
            Field("copyright", TRI_STATE, "copyrighted content", "dsg:copyright", required=True),
            Field("patent", TRI_STATE, "patented content", "dsg:patent", required=True),
            Field("trademark", TRI_STATE, "trademarks", "dsg:trademark", required=True),
        ),
        "intellectual property in the data",
        "dsg:ipContent",
    ),
    Field("hasPolicy", OFFER, "licensing terms", "odrl:hasPolicy"),
    Field(
        "tdmReservation",
        Table(
            Field(
                "value",
                Enum("reserved", "not-reserved", "unknown"),
                "whether text and data mining is reserved",
                "dsg:value",
                required=True,
            ),
            Field("protocol", CODE, "where it was stated, such as robots.txt", "dsg:protocol"),
            Field("observedAt", MOMENT, "when it was read", "dsg:observedAt"),
        ),
        "reservation of Art. 4(3) Directive 2019/790",
        "tdmrep:reservation",
    ),
    Field("processingGeography", _GEOGRAPHY, "where it may be processed", "dsg:processingGeography"),
    Field("storageGeography", _GEOGRAPHY, "where it may be stored", "dsg:storageGeography"),
    Field("intendedPurpose", SetOf(Enum(*PURPOSES)), "what it is meant for (OASIS codes)", "dsg:intendedPurpose"),
    Field("prohibitedPurpose", SetOf(Enum(*PURPOSES)), "what it must not be used for", "dsg:prohibitedPurpose"),
)

_REGULATION = (
    Field(
        "classification", SetOf(_CLASSIFICATION, key="regulation"), "regulated data, with result", "dsg:classification"
    ),
    Field("personalData", _PERSONAL_DATA, "personal data", "dsg:personalData"),
    Field("deidentification", _DEIDENTIFICATION, "how identifiers were removed", "dpv:Deidentification"),
    Field("illegalContentMeasures", PROSE, "what was done against illegal content", "dsg:illegalContentMeasures"),
    Field("erasureContact", LINE, "where to ask for erasure", "dsg:erasureContact"),
)

_QUALITY_FIELDS = (
    Field("qualityMeasurement", ListOf(_QUALITY), "measured quality", "dqv:hasQualityMeasurement"),
    Field("representativeness", PROSE, "whom and what it represents", "dsg:representativeness"),
    Field("dataBiases", PROSE, "known biases", "rai:dataBiases"),
    Field("limitations", PROSE, "known limitations", "rai:dataLimitations"),
    Field("assumptions", PROSE, "what it assumes", "dsg:assumptions"),
    Field("gaps", PROSE, "what is missing", "dsg:gaps"),
    Field("annotationProtocol", PROSE, "how it was labelled", "rai:dataAnnotationProtocol"),
    Field("annotationPlatform", LINE, "with what", "rai:dataAnnotationPlatform"),
    Field("annotatorDemographics", PROSE, "by whom", "rai:annotatorDemographics"),
    Field("annotationAgreement", LINE, "how far annotators agreed", "dsg:annotationAgreement"),
    Field("maintenance", PROSE, "who keeps it up", "rai:dataReleaseMaintenancePlan"),
)

SUBJECT = Table(
    *_IDENTITY,
    *_CONTENT,
    *_RIGHTS,
    *_REGULATION,
    *_QUALITY_FIELDS,
    rules=[
        Rule(("profile",), ("full",), FULL_REQUIRES),
        Rule(("role",), ("observer",), ("observation",)),
        # EU template 2.3: data crawled and scraped.
        Rule(("sourceCategory",), ("2.3",), ("tdmReservation", "illegalContentMeasures", "crawl"), contains=True),
    ],
    doc="A dataset: identity, files, licence, and in the full profile content, rights, regulation and quality.",
)

CREDENTIAL = credential_table("DatasetCredential", SUBJECT)
