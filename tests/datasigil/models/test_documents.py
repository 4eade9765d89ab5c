"""The documents beside a card: nothing that is not in the card, nothing that claims compliance, valid for those who read them."""

import json
import re
from pathlib import Path

import pytest
from model_cards import PEOPLE, card_of

from datasigil.errors import MalformedError
from datasigil.models.companions import Shown, documents
from datasigil.models.document import Document, Fact, Facts, Section, to_html, to_markdown
from datasigil.models.laws import AB_2013, ANNEX_IV, HUMAN_FACTS, INSTRUMENTS, MRM_MEMO, PRIVACY, READ, facts_of
from datasigil.models.mlbom import bill_of_materials, check_references, render_mlbom
from datasigil.models.readme import metadata, render_readme

pytestmark = pytest.mark.training

CLAIMS = re.compile(
    r"\b(compliant|complies|comply|in conformity|conforms|certified|lawful|gdpr[- ]ready)\b", re.IGNORECASE
)
POINTS = [point for _, points in (*ANNEX_IV, *MRM_MEMO, *PRIVACY) for point in points] + list(AB_2013)


def shown(model: Path, **changes) -> Shown:
    return Shown(card_of(model, **changes), pictures=frozenset({"plots/loss.svg"}))


@pytest.mark.parametrize("sector", ["", "law", "finance", "health"])
def test_no_document_claims_that_anything_is_complied_with(model, sector):
    one = shown(model, sector=sector)
    texts = {"README.md": render_readme(one), "mlbom": render_mlbom(one), **documents(one)}
    for name, data in texts.items():
        assert not CLAIMS.search(data.decode()), name


def test_each_sector_has_its_documents(model):
    assert "documents/mrm-memo.html" not in documents(shown(model))
    assert "documents/mrm-memo.html" in documents(shown(model, sector="finance"))
    assert "legalBasis" in {fact.key for fact in facts_of("health")} - {fact.key for fact in facts_of("law")}


@pytest.mark.parametrize("fact", HUMAN_FACTS, ids=lambda fact: fact.key)
def test_a_fact_that_nobody_stated_says_who_asks_for_it(model, fact):
    one = shown(model, sector=fact.sector)
    wanted = f"NOT PROVIDED - required by {fact.asked_by}"
    assert wanted.replace("`", "\\`") in render_readme(one).decode()
    assert wanted in documents(one)["documents/model-card.html"].decode().replace("&#x27;", "'")


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_law_has_a_source_and_a_date(name):
    law = INSTRUMENTS[name]
    assert law.source.startswith("https://")
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", law.date)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", READ)
    assert law.read in ("text", "secondary")


def test_a_document_names_the_source_and_date_of_the_law_it_follows(model):
    files = documents(shown(model, sector="finance"))
    for name, law in (("annex-iv", "eu-ai-act"), ("ab-2013", "ab-2013"), ("mrm-memo", "mrm"), ("privacy-card", "gdpr")):
        text = files[f"documents/{name}.html"].decode()
        assert INSTRUMENTS[law].date in text
        assert INSTRUMENTS[law].source in text


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.place)
def test_every_fact_that_a_point_names_is_one_that_cards_have(model, point):
    known = {
        re.sub(r"/\d+", "/*", leaf.pointer.removeprefix("/sections/"))
        for leaf in card_of(model, sector="finance").leaves()
    }
    known |= {f"people/{fact.key}" for fact in HUMAN_FACTS} | OPTIONAL
    assert [fact for fact in point.facts if fact not in known] == []


# What a minimal credential or a run that never abstained does not have.
OPTIONAL = {
    f"trainingData/*/{key}"
    for key in ("sourceCategory", "generationMethod", "annotationProtocol", "representativeness", "ipContent", "rightsBasis", "personalData", "temporal",
                "isLiveDataset", "synthetic", "qualityMeasurement", "limitations", "dataBiases", "deidentification", "audits/*/assessor", "audits/*/standard", "audits/*/criterion", "audits/*/conformance", "audits/*/validUntil",
    "lineageSteps/*/rule", "prohibitedPurpose",
                "intendedPurpose", "erasureContact", "dataTypes", "modality", "inLanguage", "classification")
} | {"failureModes/abstention/*/answerAtOrAbove", "failureModes/abstention/*/rightOnTest", "filtering/ignoredTags", "failureModes/leakage/macroF1WithoutThem"}  # fmt: skip


def test_annex_iv_goes_through_every_point_of_the_annex():
    places = [point.place for _, points in ANNEX_IV for point in points]
    assert places == [*(f"1({x})" for x in "abcdefgh"), *(f"2({x})" for x in "abcdefgh"), *"3456789"]


def test_ab_2013_goes_through_all_twelve_items():
    assert [point.place for point in AB_2013] == [f"(a)({number})" for number in range(1, 13)]


def test_a_point_of_another_instrument_is_asked_for_by_that_one_alone(model):
    text = documents(shown(model, sector="health"))["documents/privacy-card.md"].decode()
    assert "required by 45 CFR 164.514(b)" in text
    assert "EU 2016/679 45 CFR" not in text


# Bill of materials -------------------------------------------------------------------------------------------------


def test_the_bill_of_materials_passes_the_strict_schema(model):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_7)
    for one in (shown(model), shown(model, people=PEOPLE), shown(model, sector="finance")):
        assert validator.validate_str(render_mlbom(one).decode()) is None


def test_every_figure_of_the_bill_is_cited_and_every_citation_leads_to_it(model):
    one = shown(model, people=PEOPLE)
    bom = bill_of_materials(one)
    cited = {pointer for citation in bom["citations"] for pointer in citation["pointers"]}
    metrics = bom["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    at = "/metadata/component/modelCard/quantitativeAnalysis/performanceMetrics"
    assert {f"{at}/{number}/value" for number in range(len(metrics))} <= cited
    assert len(cited) > 20
    leaves = {leaf.source for leaf in one.card.leaves()}
    assert {citation["note"] for citation in bom["citations"]} <= leaves


@pytest.mark.parametrize(
    "damage",
    [
        lambda bom: bom["metadata"]["component"]["modelCard"]["modelParameters"]["datasets"].append({"ref": "dataset-9"}),
        lambda bom: bom["citations"][0].update(attributedTo="nobody"),
        lambda bom: bom["citations"][0].update(pointers=["/nowhere"]),
        lambda bom: bom["dependencies"][0]["dependsOn"].append("ghost"),
        lambda bom: bom["components"].append(bom["components"][0]),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_is_found(model, damage):
    bom = json.loads(json.dumps(bill_of_materials(shown(model))))
    check_references(bom)
    damage(bom)
    with pytest.raises(MalformedError) as caught:
        check_references(bom)
    assert caught.value.code == "BOM_REFERENCE"


# Hub ---------------------------------------------------------------------------------------------------------------


def test_the_hub_library_reads_the_metadata(model):
    from huggingface_hub import ModelCard

    card = ModelCard(render_readme(shown(model, people=PEOPLE)).decode())
    assert card.data.library_name == "peft"
    assert card.data.license == "apache-2.0"
    assert {result.metric_type for result in card.data.eval_results} == {"f1"}
    assert card.data.pipeline_tag == "text-classification"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("CC-BY-SA-4.0", {"license": "cc-by-sa-4.0"}),
        ("Our own licence, see LICENSE", {"license": "other", "license_name": "our-own-licence-see-license", "license_link": "documents/model-card.html"}),
    ],
)  # fmt: skip
def test_the_licence_is_spelled_as_the_hub_knows_it(model, stated, expected):
    found = metadata(shown(model, people={"modelLicense": stated}))
    assert {key: value for key, value in found.items() if key.startswith("license")} == expected


def test_a_card_without_a_stated_licence_says_unknown_and_names_no_base_that_is_not_on_the_hub(model):
    found = metadata(shown(model))
    assert found["license"] == "unknown"
    assert "base_model" not in found


# Markup ------------------------------------------------------------------------------------------------------------

HOSTILE = '<script>alert(1)</script> | `x` **b** [a](javascript:1) \u202e\x1b[31m "q"'


def test_somebody_elses_words_never_become_markup():
    document = Document(HOSTILE, HOSTILE, HOSTILE, [(HOSTILE, HOSTILE)], [Section(HOSTILE, [Facts([Fact(HOSTILE, HOSTILE, HOSTILE, HOSTILE)], HOSTILE, HOSTILE)])], HOSTILE)  # fmt: skip
    page, markdown = to_html(document).decode(), to_markdown(document).decode()
    assert "<script" not in page
    assert "<script" not in markdown
    outside = re.sub(r"`[^`\n]*`", "", markdown.replace("\\`", ""))  # code spans hold no markup
    assert "**b**" not in outside
    assert not re.search(r"(?<!\\)\]\(javascript", outside)
    for text in (page, markdown):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_hostile_card_renders_without_markup(model):
    one = shown(model, people=dict.fromkeys(PEOPLE, HOSTILE))
    for data in (render_readme(one), *documents(one).values()):
        assert b"<script" not in data
        assert b"\x1b" not in data


def test_documents_have_no_scripts_and_load_nothing_from_elsewhere(model):
    for name, data in documents(shown(model)).items():
        if name.endswith(".html"):
            assert b"<script" not in data
            assert not re.search(rb'(src|href)="(?!\.\./plots/)', data), name
            assert b"default-src 'none'" in data


def test_rendering_twice_gives_the_same_bytes(model):
    first, second = (shown(model, people=PEOPLE) for _ in range(2))
    assert documents(first) == documents(second)
    assert render_mlbom(first) == render_mlbom(second)


def test_a_card_with_every_fact_is_complete_and_says_so(model):
    from datasigil.models.reviews import state_of

    assert state_of(card_of(model, people=PEOPLE), []) == "complete, not reviewed"
    assert state_of(card_of(model), []) == "draft"
