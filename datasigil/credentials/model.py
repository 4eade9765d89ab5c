"""ModelTrainingCredential: what a training run used and made.

Lives here: the table of its subject (vocabulary.md, table 5). Not here: making receipts and cards (`models`, the worker) and
checking that a parent credential was valid (`verification`).
"""

from __future__ import annotations

from datasigil.credentials.envelope import credential_table
from datasigil.credentials.fields import Field, ListOf, SetOf, Table
from datasigil.credentials.kinds import (
    BOOLEAN,
    CODE,
    COUNT,
    DATASET_REFERENCE,
    DECIMAL,
    HEX_DIGEST,
    LINE,
    MOMENT,
    NAME,
    PARTY,
    PLAIN_DAY,
    PROSE,
    SPDX,
    URI,
    VERSION,
)
from datasigil.credentials.values import Const, Enum

_USED_DATASET = Table(
    *DATASET_REFERENCE,
    Field("rowsUsed", COUNT, "records of it that the run used", "dsg:rowsUsed", required=True),
    Field("rowsAvailable", COUNT, "records that it holds", "dsg:rowsAvailable"),
    Field("firstUsed", MOMENT, "when the run first read it", "dsg:firstUsed"),
    Field("split", CODE, "name of the split that was used", "dsg:split"),
)

_WEIGHTS = Table(
    Field("sha256", HEX_DIGEST, "SHA-256 of the weights or adapter file", "schema:sha256", required=True),
    Field("root", HEX_DIGEST, "manifest root over the run's artefacts", "dsg:root", required=True),
    Field("fileName", LINE, "name of that file", "dsg:fileName"),
    Field("byteSize", COUNT, "its size in bytes", "dcat:byteSize"),
    Field("format", CODE, "its format, such as safetensors", "dct:format"),
    Field("omsRoot", HEX_DIGEST, "OpenSSF Model Signing root, informational", "dsg:omsRoot"),
)

_BASE_MODEL = Table(
    Field("id", URI, "where the base model is published"),
    Field("name", NAME, "its name", required=True),
    Field("version", VERSION, "its version or revision", "dcat:version"),
    Field("license", SPDX, "SPDX expression of its licence, or unknown", "dct:license", required=True),
    Field("digest", HEX_DIGEST, "SHA-256 of its weights", "dsg:digest", required=True),
    Field(
        "trainingData",
        PROSE,
        "what is known about its training data, or unknown",
        "dsg:trainingDataSummary",
        required=True,
    ),
)

_GATE_DECISION = Table(
    Field("decision", Const("VALID"), "the gate lets nothing else through", "dsg:decision", required=True),
    Field("policyDigest", HEX_DIGEST, "SHA-256 of the trust policy", "dsg:policyDigest", required=True),
    Field("time", MOMENT, "when the gate decided", "dsg:time", required=True),
    Field(
        "statusListDigests",
        SetOf(HEX_DIGEST, minimum=0),
        "digests of the status lists it read",
        "dsg:statusListDigests",
        required=True,
    ),
    Field("checkpointDigests", SetOf(HEX_DIGEST), "digests of the log checkpoints it read", "dsg:checkpointDigests"),
    Field("trustAnchors", SetOf(LINE), "DIDs and log origins that the policy trusted", "dsg:trustAnchors"),
)

_EVALUATION = Table(
    Field("metric", CODE, "name of the metric, such as macro-f1", "dsg:metric", required=True),
    Field("value", DECIMAL, "its value, as decimal text", "dsg:value", required=True),
    Field("split", CODE, "split it was measured on", "dsg:split", required=True),
    Field("slice", LINE, "part of the split, such as one class", "dsg:slice"),
    Field("baseline", BOOLEAN, "true for a baseline, not for this model", "dsg:baseline"),
    Field("low", DECIMAL, "lower end of the 95 % confidence interval", "dsg:low"),
    Field("high", DECIMAL, "upper end of the 95 % confidence interval", "dsg:high"),
    Field("datasetRoot", HEX_DIGEST, "manifest root of the data it was measured on", "dsg:datasetRoot"),
    Field("harnessDigest", HEX_DIGEST, "SHA-256 of the evaluation code", "dsg:harnessDigest"),
)

_FOOTPRINT = Table(
    Field("energyKilowattHours", DECIMAL, "energy used by the run", "dsg:energyKilowattHours"),
    Field("carbonDioxideGrams", DECIMAL, "emissions of the run", "dsg:carbonDioxideGrams"),
    Field("floatingPointOperations", DECIMAL, "operations of the run", "dsg:floatingPointOperations"),
    Field("method", LINE, "how the figures were obtained", "dsg:method", required=True),
    Field("basis", Enum("measured", "estimated"), "measured or estimated", "dsg:basis", required=True),
)

SUBJECT = Table(
    Field("id", URI, "identity of the model, stable over its versions", required=True),
    Field("type", Const("TrainedModel"), "always TrainedModel", required=True),
    Field("name", NAME, "name of the model", required=True),
    Field("description", PROSE, "what it is for"),
    Field("version", VERSION, "version of the model", "dcat:version", required=True),
    Field("publisher", PARTY, "who made it", "dct:publisher", required=True),
    Field("issued", PLAIN_DAY, "date of the run", "dct:issued", required=True),
    Field("weights", _WEIGHTS, "the weights or adapter", "dsg:weights", required=True),
    Field("baseModel", _BASE_MODEL, "the model it was tuned from", "dsg:baseModel", required=True),
    Field("trainingData", ListOf(_USED_DATASET), "datasets it was trained on", "dpv-ai:hasTrainingData", required=True),
    Field("validationData", ListOf(_USED_DATASET), "datasets it was validated on", "dpv-ai:hasValidationData"),
    Field("testData", ListOf(_USED_DATASET), "datasets it was tested on", "dpv-ai:hasTestingData"),
    Field("gateDecision", _GATE_DECISION, "the decision that let the run start", "dsg:gateDecision", required=True),
    Field("receiptDigest", HEX_DIGEST, "SHA-256 of the training receipt", "dsg:receiptDigest", required=True),
    Field("cardDigest", HEX_DIGEST, "SHA-256 of the canonical model card", "dsg:cardDigest", required=True),
    Field("examplesRoot", HEX_DIGEST, "Merkle root over the exact examples, in order", "dsg:examplesRoot"),
    Field("configDigest", HEX_DIGEST, "SHA-256 of the run's configuration", "dsg:configDigest", required=True),
    Field("planDigest", HEX_DIGEST, "SHA-256 of the planned recipe", "dsg:planDigest"),
    Field(
        "lockfileDigest", HEX_DIGEST, "SHA-256 of the list of installed packages", "dsg:lockfileDigest", required=True
    ),
    Field("codeDigest", HEX_DIGEST, "SHA-256 of the training code", "dsg:codeDigest"),
    Field("seed", COUNT, "random seed", "dsg:seed", required=True),
    Field("method", CODE, "training method, such as lora", "dsg:method"),
    Field("hardware", LINE, "what it ran on", "dsg:hardware", required=True),
    Field("startedAt", MOMENT, "start of training", "prov:startedAtTime"),
    Field("endedAt", MOMENT, "end of training", "prov:endedAtTime"),
    Field("durationSeconds", COUNT, "training time, whole seconds", "dsg:durationSeconds", required=True),
    Field("footprint", _FOOTPRINT, "energy and emissions", "dsg:footprint"),
    Field("evaluation", ListOf(_EVALUATION), "measured results", "dsg:evaluation", required=True),
    Field("license", SPDX, "SPDX expression under which the model is offered, or unknown", "dct:license"),
    doc="A trained model: data, decision, run and results, by digest.",
)

CREDENTIAL = credential_table("ModelTrainingCredential", SUBJECT)
