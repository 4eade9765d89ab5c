"""Where a model fails is told by figures that were worked out by hand."""

import numpy as np
import pytest

from training_worker.batches import TokenisedSplit
from training_worker.energy import EnergyMeter
from training_worker.failure_modes import (
    Judged,
    abstention,
    auc,
    calibration,
    confidence,
    confusion,
    leakage,
    losses,
    near_duplicates,
    wilson,
    worst_slices,
)
from training_worker.labels import Example, LabelSchema
from training_worker.records import Record

SINGLE = LabelSchema(("a", "b"), None, multi=False, classes={}, ignored=frozenset())
MULTI = LabelSchema(("a", "b"), "none", multi=True, classes={}, ignored=frozenset())


def split_of(rows) -> TokenisedSplit:
    """Return a split of (text, labels, document, tokens)."""
    examples = tuple(
        Example(Record(0, "f.jsonl", number, text, (), document, "test"), labels)
        for number, (text, labels, document, _) in enumerate(rows)
    )
    return TokenisedSplit(examples, tuple((1,) * tokens for *_, tokens in rows), 0)


def judged(rows, scores, schema=SINGLE, thresholds=(0.5, 0.5)) -> Judged:
    return Judged.of(split_of(rows), np.array(scores, dtype=np.float32), thresholds, schema)


def test_the_worst_slice_comes_first_with_its_interval():
    rows = [(f"t{n}", (n % 2,), "good" if n < 10 else "bad", 5) for n in range(20)]
    scores = [[1.0, 0.0] if (n % 2 == 0) == (n < 10) else [0.0, 1.0] for n in range(20)]
    found = worst_slices(judged(rows, scores), SINGLE)
    assert (found[0]["kind"], found[0]["slice"], found[0]["errorShare"]) == ("document", "bad", "1.000000")
    low, high = wilson(10, 10)
    assert (float(found[0]["low"]), float(found[0]["high"])) == (pytest.approx(low, abs=1e-5), pytest.approx(high))
    assert found[-1]["slice"] == "good"


def test_a_slice_of_few_rows_is_not_told():
    rows = [(f"t{n}", (0,), "small" if n < 4 else "large", 5) for n in range(12)]
    found = worst_slices(judged(rows, [[1.0, 0.0]] * 12), SINGLE)
    assert "small" not in {one["slice"] for one in found}


def test_a_wilson_interval_is_the_published_one():
    # Newcombe 1998, table I: 81 of 263, 0.2553 to 0.3662.
    assert wilson(81, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert wilson(0, 20)[0] == 0.0


def test_confusion_says_what_a_class_was_taken_for():
    rows = [("x", (0,), "", 3), ("y", (0,), "", 3), ("z", (1,), "", 3)]
    first, second = confusion(judged(rows, [[0.2, 0.8], [0.9, 0.1], [0.1, 0.9]]), SINGLE)
    assert (first["hits"], first["missed"], first["falselySaid"], first["mostlyTakenFor"]) == (1, 1, 0, "b")
    assert (second["hits"], second["missed"], second["falselySaid"], second["mostlyTakenFor"]) == (
        1,
        0,
        1,
        "none other",
    )


def test_confusion_counts_no_label_as_a_class():
    rows = [("x", (0,), "", 3), ("y", (), "", 3)]
    table = {one["label"]: one for one in confusion(judged(rows, [[0.1, 0.1], [0.9, 0.1]], MULTI), MULTI)}
    assert (table["none"]["hits"], table["none"]["missed"], table["none"]["falselySaid"]) == (0, 1, 1)
    assert table["a"]["mostlyTakenFor"] == "none"


def test_calibration_compares_what_was_said_with_what_held():
    rows = [(f"t{n}", (0 if n < 5 else 1,), "", 3) for n in range(10)]
    found = calibration(judged(rows, [[0.95, 0.05]] * 10), SINGLE)
    assert found["bins"] == [{"from": "0.9", "said": "0.950000", "held": "0.500000", "answers": 10}]
    assert found["expectedCalibrationError"] == "0.450000"


def test_the_abstention_threshold_is_chosen_on_validation_and_judged_on_test():
    rows = [(f"t{n}", (0,), "", 3) for n in range(4)]
    validation = judged(rows, [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    test = judged(rows, [[0.95, 0.05], [0.1, 0.9], [0.45, 0.55], [0.4, 0.6]])
    first = abstention(validation, test, (0.5, 0.5), SINGLE)[0]
    assert first["reachedOnValidation"] is True
    assert float(first["answerAtOrAbove"]) == pytest.approx(0.8, abs=1e-5)
    assert (first["answeredOnTest"], first["rightOnTest"]) == ("0.500000", "0.500000")


def test_a_target_that_validation_never_reached_gives_no_threshold():
    rows = [("t", (0,), "", 3)] * 3
    wrong = judged(rows, [[0.1, 0.9]] * 3)
    assert abstention(wrong, wrong, (0.5, 0.5), SINGLE)[0] == {"target": "0.95", "reachedOnValidation": False}


def test_confidence_of_a_multi_label_answer_is_its_weakest_class():
    sure = confidence(np.array([[0.9, 0.4], [0.9, 0.0]], dtype=np.float32), (0.5, 0.8), MULTI)
    assert sure == pytest.approx([0.5, 0.8], abs=1e-6)


def test_near_duplicates_are_found_and_other_texts_are_not():
    known = ["the supplier may terminate this agreement at any time without giving notice to the customer in writing"]
    asked = [known[0] + " today", "payment is due within thirty days of the invoice", known[0].upper()]
    assert near_duplicates(known, asked).tolist() == [True, False, True]


def test_an_auc_counts_ties_half():
    assert auc(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(0.875)
    assert auc(np.array([1.0]), np.array([1.0])) == 0.5


def test_losses_are_cross_entropies():
    scores = np.array([[0.25, 0.75]], dtype=np.float32)
    assert losses(scores, [(0,)], SINGLE) == pytest.approx([-np.log(0.25)])
    assert losses(scores, [(0,)], MULTI) == pytest.approx([-2 * np.log(0.25)])


def test_leakage_shows_a_model_that_knows_its_training_rows():
    train = split_of([(f"train row number {n} with some words", (0,), "", 5) for n in range(6)])
    test = judged(
        [("train row number 1 with some words", (0,), "", 5)] + [(f"quite another text {n}", (0,), "", 5) for n in range(5)],
        [[0.99, 0.01]] + [[0.4, 0.6]] * 5,
    )  # fmt: skip
    found = leakage(test, train, SINGLE, lambda rows: np.array([[0.99, 0.01]] * len(rows.examples), dtype=np.float32))
    assert (found["testRowsAlsoInTrain"], found["rowsWithoutThem"]) == (1, 5)
    assert found["macroF1WithoutThem"] == "0.000000"
    assert float(found["membershipAuc"]) > 0.9


def test_energy_is_measured_where_the_processor_counts_it(tmp_path):
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "max_energy_range_uj").write_text("9999999")
    (zone / "energy_uj").write_text("9000000")
    meter = EnergyMeter.start(tmp_path)
    (zone / "energy_uj").write_text("2600000")  # the counter went around
    found = meter.stop(10.0, whole_run=True, folder=tmp_path)
    assert (found["basis"], found["kilowattHours"]) == ("measured", "0.000001000")


@pytest.mark.parametrize("whole", [True, False])
def test_energy_is_an_estimate_with_its_method_otherwise(tmp_path, whole):
    found = EnergyMeter.start(tmp_path).stop(3600.0, whole_run=whole, folder=tmp_path)
    assert (found["basis"], found["kilowattHours"]) == ("estimated", "0.005200000")
    assert "4.0 W" in found["method"]
