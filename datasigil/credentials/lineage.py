"""DatasetLineageCredential: how one dataset was made from others.

Lives here: the table of its subject, a PROV Activity (vocabulary.md, table 2). Not here: whether the counts balance and cycles
(`datasets.lineage`), and the closure over parents (`verification`).
"""

from __future__ import annotations

from datasigil.credentials.envelope import credential_table
from datasigil.credentials.fields import Field, ListOf, Table
from datasigil.credentials.kinds import (
    ASSURANCE,
    COUNT,
    DATASET_REFERENCE,
    HEX_DIGEST,
    LINE,
    MOMENT,
    NAME,
    PARTY,
    PROSE,
    URI,
)
from datasigil.credentials.values import Const, Enum

STEP_TYPES = ("DataCleaning", "DataAnnotation", "DataAggregation", "DataEnrichment")

STEP = Table(
    Field("type", Enum(*STEP_TYPES), "kind of step (DPV AI extension)", required=True),
    Field("rule", PROSE, "what the step did, exactly enough to repeat it", "dsg:rule", required=True),
    Field("recordsIn", COUNT, "records before", "dsg:recordsIn", required=True),
    Field("removed", COUNT, "records removed", "dsg:removed", required=True),
    Field("added", COUNT, "records added", "dsg:added", required=True),
    Field("recordsOut", COUNT, "records after: recordsIn - removed + added", "dsg:recordsOut", required=True),
    Field("removedManifestRoot", HEX_DIGEST, "manifest root over what was removed", "dsg:removedManifestRoot"),
    Field("tool", LINE, "what did it, with version", "dsg:tool"),
)

PLAN = Table(
    Field("codeDigest", HEX_DIGEST, "SHA-256 of the code", "dsg:codeDigest", required=True),
    Field("parametersDigest", HEX_DIGEST, "SHA-256 of the recipe or parameters", "dsg:parametersDigest"),
    Field("seed", COUNT, "random seed", "dsg:seed"),
    Field("image", LINE, "container image with digest, or interpreter with version", "dsg:image"),
)

GENERATED = Table(
    Field("root", HEX_DIGEST, "manifest root of the result", "dsg:root", required=True),
    Field("digest", HEX_DIGEST, "SHA-256 of the result's manifest", "dsg:digest", required=True),
    Field("fileCount", COUNT, "its files", "dsg:fileCount", required=True),
    Field("byteSize", COUNT, "its bytes", "dcat:byteSize", required=True),
    Field("recordCount", COUNT, "its records", "dsg:recordCount", required=True),
)

PARENT = Table(
    *DATASET_REFERENCE,
    Field("recordsUsed", COUNT, "records of it that went in", "dsg:recordsUsed"),
)

SUBJECT = Table(
    Field("id", URI, "id of the activity", required=True),
    Field("type", Const("DatasetLineage"), "always DatasetLineage", required=True),
    Field("name", NAME, "what was done"),
    Field("description", PROSE, "why"),
    Field("used", ListOf(PARENT, maximum=256), "the datasets that went in", "prov:used", required=True),
    Field("generated", GENERATED, "the dataset that came out", "prov:generated", required=True),
    Field("agent", PARTY, "who did it", "prov:wasAssociatedWith", required=True),
    Field("plan", PLAN, "code and parameters", "prov:hadPlan", required=True),
    Field("startedAt", MOMENT, "start", "prov:startedAtTime", required=True),
    Field("endedAt", MOMENT, "end", "prov:endedAtTime", required=True),
    Field("steps", ListOf(STEP), "the steps, in order", "dsg:steps", required=True),
    Field(
        "assurance",
        ASSURANCE,
        "computed: repeatable from parents and plan; declared: on the agent's word",
        "dsg:assurance",
        required=True,
    ),
    Field("mapping", HEX_DIGEST, "SHA-256 of a table that maps every record to its origin", "dsg:mapping"),
    doc="PROV activity that derived a dataset, with balanced counts.",
)

CREDENTIAL = credential_table("DatasetLineageCredential", SUBJECT)
