"""Real runs on a tiny model: what they leave, that they can be stopped, resumed and repeated, and what stops them."""

import errno
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trainees import Case, jsonl, make_case, rows
from warm_process import WarmProcess, run_recipe

from datasigil.errors import DatasigilError
from datasigil.models.examples import parse_example_list
from datasigil.models.receipt import parse_receipt
from training_worker import replay, run_folder
from training_worker.finished import check_run, read_run
from training_worker.gate import Refused
from training_worker.stopping import Interrupted

pytestmark = pytest.mark.training


class StopAfter:
    """Asks for a stop after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def code_of(case: Case, **changes) -> str:
    with pytest.raises(DatasigilError) as caught:
        case.train(**changes)
    return caught.value.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_base):
    """A case whose run is over, to read and to compare with; nothing changes its folder."""
    case = make_case(tmp_path_factory.mktemp("trained"), base=tiny_base)
    return case, case.train()


def test_a_run_leaves_a_whole_folder_that_agrees_with_itself(trained):
    case, finished = trained
    names = {path.name for path in finished.folder.iterdir()}
    assert {"adapter_model.safetensors", "head.safetensors", "receipt.json", "card.json", "README.md"} <= names
    assert check_run(finished.folder).decision == "VALID"
    assert not (case.folder / "run.partial").exists()
    assert not [path for path in finished.folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]
    assert "majority" in finished.table
    assert "macro-F1" in finished.table


def test_the_receipt_names_every_example_of_every_step(trained):
    _, finished = trained
    receipt = parse_receipt((finished.folder / "receipt.json").read_bytes()).document
    examples = parse_example_list((finished.folder / "examples.json").read_bytes())
    assert len(examples.steps) == receipt["training"]["steps"] == 18
    assert receipt["datasets"][0]["rowsUsed"] == 48
    assert receipt["datasets"][0]["rowsRead"] == 78
    assert receipt["gate"]["rechecks"] == 1


def test_no_path_of_this_machine_gets_into_the_folder(trained):
    case, finished = trained
    for path in finished.folder.rglob("*"):
        if path.is_file() and path.name != "recipe.yaml":
            text = path.read_bytes().decode("utf-8", "replace")
            assert str(case.data) not in text, path.name


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(trainable):
    first, second = (trainable.train(out).receipt for out in ("one", "two"))
    assert replay.compare(first, second, Decimal(0)).verdict == replay.REPRODUCED
    trainable.recipe_path.write_text(trainable.recipe_path.read_text().replace("epochs: 3", "epochs: 3\n  seed: 8"))
    third = trainable.train("three").receipt
    assert replay.compare(first, third, Decimal(1)).verdict == replay.DIVERGED


@pytest.mark.parametrize("steps", [0, 4, 6, 11])
def test_a_stopped_run_resumes_to_the_same_bytes(trained, steps):
    case, whole = trained
    cut = f"cut{steps}"
    with pytest.raises(Interrupted):
        case.train(cut, asked_to_stop=StopAfter(steps))
    assert not (case.folder / cut).exists()
    checkpoint = case.folder / f"{cut}.partial" / "checkpoint.json"
    written = json.loads(checkpoint.read_text())
    assert written["state"]["peak_bytes"] > 0
    written["state"]["peak_bytes"] = 10**13  # as if the first process had held more than the next one will
    checkpoint.write_text(json.dumps(written))
    later = case.world.now + timedelta(minutes=5)
    resumed = case.train(cut, resume=True, now=lambda: later).receipt
    assert resumed["run"]["resumes"] == 1
    assert resumed["cost"]["actual"]["memoryBytes"] == 10**13
    assert (
        resumed["run"]["started"] == whole.receipt["run"]["started"] < resumed["run"]["finished"]
    )  # the data's first use
    assert replay.compare(whole.receipt, resumed, Decimal(0)).verdict == replay.REPRODUCED


def test_a_checkpoint_of_another_recipe_is_not_resumed(trainable):
    with pytest.raises(Interrupted):
        trainable.train(asked_to_stop=StopAfter(4))
    trainable.recipe_path.write_text(trainable.recipe_path.read_text().replace("epochs: 3", "epochs: 4"))
    assert code_of(trainable, resume=True) == "CHECKPOINT_MISMATCH"


def test_a_damaged_checkpoint_is_not_resumed(trainable):
    with pytest.raises(Interrupted):
        trainable.train(asked_to_stop=StopAfter(4))
    tensors = next((trainable.folder / "run.partial").glob("checkpoint-*.safetensors"))
    data = bytearray(tensors.read_bytes())
    data[-1] ^= 1
    tensors.write_bytes(data)
    assert code_of(trainable, resume=True) == "CHECKPOINT"


def test_a_revocation_between_stop_and_resume_is_noticed(trainable):
    with pytest.raises(Interrupted):
        trainable.train(asked_to_stop=StopAfter(4))
    trainable.world.revoke(trainable.document)
    trainable.evidence()
    with pytest.raises(Refused, match="revoked"):
        trainable.train(resume=True)
    assert not (trainable.folder / "run").exists()


def test_a_revocation_during_the_run_leaves_no_result_and_says_why(trainable):
    clock = {"now": trainable.world.now}

    def renew(bundle, proven, at):
        from datasigil.client import Refreshed

        return Refreshed(trainable.world.bundle(trainable.document), ())

    def revoke_then_go_on() -> bool:
        if clock["now"] == trainable.world.now and not clock.get("done"):
            clock["done"] = True
            trainable.world.revoke(trainable.document)
            clock["now"] = trainable.world.tick(minutes=11)
        return False

    settings = trainable.settings(offline=False, renew=renew)
    with pytest.raises(Refused, match="revoked"):
        trainable.train(gate=settings, asked_to_stop=revoke_then_go_on, now=lambda: clock["now"])
    assert not (trainable.folder / "run").exists()
    assert "REVOKED" in (trainable.folder / "run.partial" / "refused.json").read_text()


def test_a_revocation_within_an_epoch_stops_the_run_before_the_epoch_is_over(trainable):
    """The interval runs between steps, however long an epoch takes."""
    clock, steps = {"now": trainable.world.now}, []

    def renew(bundle, proven, at):
        from datasigil.client import Refreshed

        return Refreshed(trainable.world.bundle(trainable.document), ())

    def asked() -> bool:
        steps.append(len(steps))
        if len(steps) == 2:
            trainable.world.revoke(trainable.document)
            clock["now"] = trainable.world.tick(minutes=11)
        return False

    settings = trainable.settings(offline=False, renew=renew)
    with pytest.raises(Refused, match="revoked"):
        trainable.train(gate=settings, asked_to_stop=asked, now=lambda: clock["now"])
    assert len(steps) == 2  # of six in the first epoch
    assert "REVOKED" in (trainable.folder / "run.partial" / "refused.json").read_text()


def test_the_plan_asks_the_gate_too(trainable):
    from training_worker.plan import plan

    trainable.world.revoke(trainable.document)
    trainable.evidence()
    (trainable.folder / "work").mkdir()
    with pytest.raises(Refused, match="revoked"):
        plan(trainable.request(), trainable.folder / "work", probe_steps=0)


def test_a_refused_run_leaves_no_folder_at_all(case):
    case.world.revoke(case.document)
    case.evidence()
    with pytest.raises(Refused):
        case.train()
    assert not [path for path in case.folder.iterdir() if path.name.startswith("run")]


def test_an_existing_result_is_never_overwritten(trainable):
    (trainable.folder / "run").mkdir()
    assert code_of(trainable) == "OUT_EXISTS"


def test_an_unfinished_run_is_not_started_over_by_accident(trainable):
    with pytest.raises(Interrupted):
        trainable.train(asked_to_stop=StopAfter(2))
    assert code_of(trainable) == "PARTIAL_EXISTS"


def test_resuming_nothing_says_so(trainable):
    assert code_of(trainable, resume=True) == "NO_CHECKPOINT"


@pytest.mark.parametrize("allowed", [0, 1, 5, 9])
def test_a_full_disk_leaves_no_result_and_the_run_goes_on_afterwards(trainable, monkeypatch, allowed):
    real, written = run_folder.write_durably, []

    def full(path, data, **options):
        if len(written) >= allowed:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        return real(path, data, **options)

    monkeypatch.setattr(run_folder, "write_durably", full)
    assert code_of(trainable) == "DISK_FULL"
    assert not (trainable.folder / "run").exists()
    monkeypatch.setattr(run_folder, "write_durably", real)
    finished = trainable.train(resume=(trainable.folder / "run.partial").exists())
    assert check_run(finished.folder).decision == "VALID"


def test_a_loss_that_is_no_number_stops_the_run(trainable, monkeypatch):
    import torch

    from training_worker.training import Trainer

    monkeypatch.setattr(
        Trainer, "_loss", lambda self: lambda logits, targets: logits.sum() * torch.tensor(float("nan"))
    )
    assert code_of(trainable) == "NOT_FINITE"
    assert not (trainable.folder / "run").exists()


def test_too_little_memory_says_what_to_lower(trainable, monkeypatch):
    from training_worker.classifier import EncoderClassifier

    def exhausted(self, ids, mask):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(EncoderClassifier, "forward", exhausted)
    with pytest.raises(DatasigilError) as caught:
        trainable.train()
    assert caught.value.code == "OUT_OF_MEMORY"
    assert "batchSize" in caught.value.next_action


def test_targets_that_the_encoder_lacks_are_named(trainable):
    text = trainable.recipe_path.read_text().replace("alpha: 8", "alpha: 8, targets: [q_proj]")
    trainable.recipe_path.write_text(text)
    assert code_of(trainable) == "LORA_TARGETS"


@pytest.mark.parametrize("config", [{"auto_map": {"AutoModel": "x.Y"}}, {"trust_remote_code": True}])
def test_a_base_model_that_asks_for_code_is_refused(tmp_path, tiny_base, config):
    import shutil

    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    plain = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(plain | config))
    assert code_of(make_case(tmp_path / "case", base=base)) == "REMOTE_CODE"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling.py", "weights.pkl"])
def test_a_base_model_with_pickles_or_code_is_refused(tmp_path, tiny_base, name):
    import shutil

    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / name).write_bytes(b"x")
    assert code_of(make_case(tmp_path / "case", base=base)) == "FORMAT"


def test_another_base_model_than_the_recipe_pins_is_refused(trainable):
    text = trainable.recipe_path.read_text().replace("  name: tiny\n", f"  name: tiny\n  digest: {'f' * 64}\n")
    trainable.recipe_path.write_text(text)
    assert code_of(trainable) == "BASE_DIGEST"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"train.jsonl": b'{"text": "x y", "label": "payment"}\n'}, "UNSEEN_LABEL"),
        ({"train.jsonl": b""}, "EMPTY_FILE"),
        ({"train.jsonl": b'{"text": "x y", "kind": "payment", "document": "d"}\n'}, "COLUMN"),
        ({"train.jsonl": b'{"text": "x y", "label": "salary", "document": "d"}\n'}, "LABEL"),
        ({"train.jsonl": b'{"text": "", "label": "payment", "document": "d"}\n'}, "RECORD"),
        ({"train.jsonl": b"not json\n"}, "PARSE"),
        ({"train.jsonl": b'{"text": "' + b"x" * (4 * 1024 * 1024) + b'"}\n'}, "LIMIT"),
        ({"train.jsonl": b"\x80\x04pickle"}, "FORMAT"),
        ({"loader.py": b"print()"}, "FORMAT"),
    ],
)  # fmt: skip
def test_bad_data_is_refused_with_its_own_code_before_any_training(tmp_path, files, code):
    good = {
        "train.jsonl": jsonl(rows("train", 12)),
        "validation.jsonl": jsonl(rows("v", 6)),
        "test.jsonl": jsonl(rows("t", 6)),
    }
    if code == "UNSEEN_LABEL":
        files = {"train.jsonl": jsonl([row for row in rows("train", 12) if row["label"] == "payment"])}
    assert code_of(make_case(tmp_path, files=good | files)) == code


def test_a_run_needs_no_network(trainable, monkeypatch):
    import socket

    def no_socket(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_socket)
    monkeypatch.setattr(socket, "getaddrinfo", no_socket)
    assert trainable.train().folder.is_dir()


def test_a_changed_run_folder_is_not_read_back(trainable):
    folder = trainable.train().folder
    assert read_run(folder).digest
    (folder / "classifier.json").write_bytes((folder / "classifier.json").read_bytes().replace(b"payment", b"pavment"))
    with pytest.raises(DatasigilError) as caught:
        read_run(folder)
    assert caught.value.code == "RUN_CHANGED"


def test_a_finished_run_is_evaluated_to_the_same_figures(trained):
    from training_worker.eval import evaluate_run

    case, finished = trained
    document, table = evaluate_run(finished.folder, case.request().recipe, case.folder, case.settings())
    assert document["model"] == finished.receipt["evaluation"]["test"]["model"]
    assert "majority" in table


def test_a_plan_counts_what_the_run_then_does(trained, tmp_path):
    from training_worker.plan import plan

    case, finished = trained
    for probe in (0, 2):
        work = tmp_path / f"work{probe}"
        work.mkdir()
        planned = plan(case.request(), work, probe_steps=probe)
        assert planned.steps == 18
        assert planned.splits["train"][0] == 48
        assert planned.cost.seconds > 0
        assert planned.cost.memory_bytes > 10_000_000
        assert "VALID" in planned.text()
    assert finished.receipt["training"]["trainableParameters"] == planned.trainable
    assert finished.receipt["training"]["stepsPlanned"] == planned.steps


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_or_killed_can_be_resumed(tmp_path, tiny_base, number):
    from simulator import World

    case = make_case(tmp_path, base=tiny_base, epochs=400)
    assert isinstance(case.world, World)
    output = tmp_path / "said"
    process = WarmProcess(run_recipe, tmp_path, "recipe.yaml", "run", case.world.now, output=output)
    checkpoint = case.folder / "run.partial" / "checkpoint.json"
    deadline = datetime.now(UTC).timestamp() + 60
    while not checkpoint.exists() and process.poll() is None and datetime.now(UTC).timestamp() < deadline:
        signal.sigtimedwait([], 0.02)
    process.send_signal(number)
    assert process.wait(60) == (130 if number == signal.SIGINT else -9), output.read_text()[-2000:]
    assert not (case.folder / "run").exists()
    state = json.loads(checkpoint.read_text())["state"]
    assert 0 < state["step"] < 2400
    with pytest.raises(Interrupted):
        case.train(resume=True, asked_to_stop=StopAfter(1))
    again = json.loads(checkpoint.read_text())["state"]
    assert (again["resumes"], again["step"]) == (1, state["step"] + 1)
