"""Causal language models: only what the assistant says is learned, packed rows do not see each other, and several processes train one model."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest
from conftest import absent
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from simulator import World
from trainees import CHAT_TEMPLATE, make_chat_case, write_tiny_llama
from warm_process import WarmProcess, run_recipe

from datasigil.errors import DatasigilError, MalformedError
from training_worker.batches import TokenisedSplit
from training_worker.finished import read_run
from training_worker.language_tokens import ChatForm, ChatWriter
from training_worker.packing import epoch_steps
from training_worker.recipe_sections import Training

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return write_tiny_llama(tmp_path_factory.mktemp("llama") / "base")


def prepared(case):
    from training_worker.gate import passed_gate
    from training_worker.run import make_ready

    request = case.request()
    with passed_gate(request.recipe, request.folder, request.gate, work=case.folder) as gate:
        return make_ready(request, gate, case.folder / "read-base").prepared


def learned_text(case, number=0):
    from training_worker.base_model import load_tokenizer

    split = prepared(case).splits["train"]
    tokenizer = load_tokenizer(case.folder / "read-base")
    ids = [token for token, learned in zip(split.tokens[number], split.masks[number], strict=True) if learned]
    return tokenizer.decode(ids, skip_special_tokens=False)


def test_of_a_chat_only_the_answer_and_its_end_are_learned(tmp_path, llama):
    assert learned_text(make_chat_case(tmp_path, llama)) == "payment<end>"


def test_of_prompt_and_completion_only_the_completion_is_learned(tmp_path, llama):
    case = make_chat_case(tmp_path, llama, columns="{prompt: prompt, completion: completion}")
    assert learned_text(case) == " payment<end>"


def test_of_a_text_all_but_its_first_token_is_learned(tmp_path, llama):
    assert learned_text(make_chat_case(tmp_path, llama, columns="{text: text}")) == "rain0: invoice? payment<end>"


def test_every_token_is_learned_on_request(tmp_path, llama):
    case = make_chat_case(tmp_path, llama)
    case.recipe_path.write_text(
        case.recipe_path.read_text().replace("causal-lm}", "causal-lm, assistantOnlyLoss: false}")
    )
    assert learned_text(case).startswith("train0: invoice?<end><assistant>payment")


def test_a_run_learns_and_leaves_a_whole_folder(tmp_path, llama):
    finished = make_chat_case(tmp_path, llama).train()
    test = finished.receipt["evaluation"]["test"]
    assert float(test["loss"]) < float(test["baseModel"]["loss"]) - 0.3
    assert finished.receipt["cost"]["predicted"]["memoryBytes"] > 0
    assert read_run(finished.folder).digest == finished.receipt_digest
    assert sorted(path.name for path in finished.folder.glob("*.safetensors")) == ["adapter_model.safetensors"]
    assert json.loads((finished.folder / "generator.json").read_bytes())["chatTemplate"] == CHAT_TEMPLATE
    bill = (finished.folder / "mlbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(bill) is None


@pytest.mark.parametrize(
    "settings", ["  packing: true\n", "  packing: true\n  gradientCheckpointing: true\n  precision: bfloat16\n"]
)
def test_a_packed_run_consumes_every_row_once_an_epoch(tmp_path, llama, settings):
    case = make_chat_case(tmp_path, llama, training=settings)
    receipt = case.train().receipt
    assert receipt["training"]["examples"] == 3 * 30
    assert receipt["training"]["steps"] < 3 * 8
    assert float(receipt["evaluation"]["test"]["loss"]) < float(receipt["evaluation"]["test"]["baseModel"]["loss"])


def test_packed_rows_give_the_loss_of_rows_alone(tmp_path, llama):
    import torch

    from training_worker.language_model import build_language_model
    from training_worker.language_training import loss_sum, tensors_of

    case = make_chat_case(tmp_path, llama)
    split = prepared(case).splits["train"]
    model = build_language_model(llama, case.request().recipe.training).eval()
    device = torch.device("cpu")
    with torch.no_grad():
        alone = sum(float(loss_sum(model, tensors_of(split, [[row]], device))) for row in range(5))
        padded = float(loss_sum(model, tensors_of(split, [[row] for row in range(5)], device)))
        packed = float(loss_sum(model, tensors_of(split, [[0, 1, 2], [3, 4]], device)))
    assert padded == pytest.approx(alone, rel=1e-5)
    assert packed == pytest.approx(alone, rel=1e-5)


def test_gradients_do_not_depend_on_how_a_step_is_cut_into_batches(tmp_path, llama):
    import torch

    from training_worker.language_model import build_language_model
    from training_worker.language_training import LanguageTrainer
    from training_worker.progress import Progress

    case = make_chat_case(tmp_path, llama)
    splits, found = prepared(case).splits, []
    for batch, added in ((8, 1), (2, 4)):
        text = case.recipe_path.read_text().replace("batchSize: 4", f"batchSize: {batch}\n  accumulation: {added}")
        (tmp_path / "other.yaml").write_text(text)
        from training_worker.recipe import read_recipe

        recipe = read_recipe(tmp_path / "other.yaml")
        model = build_language_model(llama, recipe.training)
        loop = LanguageTrainer(model, recipe, splits["train"], splits["validation"], folder=tmp_path, binding={}, progress=Progress("quiet"))  # fmt: skip
        loop.gradients([[row] for row in range(8)])
        found.append(torch.cat([value.grad.flatten() for value in loop.parameters.values()]))
    assert torch.allclose(found[0], found[1], atol=1e-6)
    assert found[0].abs().max() > 0


def test_a_stopped_run_resumes_to_the_same_bytes(tmp_path, llama):
    from training_worker.stopping import Interrupted

    case = make_chat_case(tmp_path, llama, training="  packing: true\n")
    whole = case.train("whole").receipt["artefacts"]
    steps = iter(range(100))
    with pytest.raises(Interrupted):
        case.train("cut", asked_to_stop=lambda: next(steps) == 4)
    again = case.train("cut", resume=True).receipt["artefacts"]
    name = "adapter_model.safetensors"
    assert [one for one in whole["files"] if one["path"] == name] == [
        one for one in again["files"] if one["path"] == name
    ]


def test_packed_weights_train(tmp_path, llama):
    if find_spec("bitsandbytes") is None:
        absent("bitsandbytes (pip install -e .[dev])")
    case = make_chat_case(tmp_path, llama, training="  method: qlora\n")
    case.recipe_path.write_text(case.recipe_path.read_text().replace("epochs: 3", "epochs: 1"))
    test = case.train().receipt["evaluation"]["test"]
    assert float(test["loss"]) < float(test["baseModel"]["loss"])


PACK = Training.model_validate({"batchSize": 2, "maxTokens": 10, "packing": True})


def test_packing_loses_no_row_and_passes_no_limit(tmp_path, llama):
    lengths = [3, 9, 5, 5, 2, 10, 1, 4, 7]
    case = make_chat_case(tmp_path, llama)
    examples = prepared(case).splits["train"].examples[: len(lengths)]
    split = TokenisedSplit(examples, tuple(tuple(range(size)) for size in lengths), 0)
    sequences = [rows for step in epoch_steps(split, PACK, 0) for rows in step]
    assert sorted(row for rows in sequences for row in rows) == list(range(len(lengths)))
    assert max(sum(lengths[row] for row in rows) for rows in sequences) <= 10
    assert len(sequences) == 5  # 46 tokens do not fit four


def test_a_template_that_rewrites_the_past_is_refused():
    form = ChatForm("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}", (), None)
    with pytest.raises(MalformedError, match="rewrites"):
        ChatWriter(form).write([("user", "a"), ("assistant", "b")], "here")


@pytest.mark.parametrize(
    "template",
    [
        "{% for",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ raise_exception('no') }}",
        "{{ messages[9].content.x }}",
    ],
)
def test_a_template_that_is_broken_or_reaches_out_is_refused(template):
    with pytest.raises(MalformedError) as caught:
        ChatWriter(ChatForm(template, (), None)).write([("user", "a"), ("assistant", "b")], "here")
    assert caught.value.code == "CHAT_TEMPLATE"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("maxTokens: 64", "maxTokens: 8", "NO_TOKENS"),
        ("  threads: 1", "  threads: 1\n  reportTo: [wandb]", "TRACKER"),
        ("  threads: 1", "  threads: 1\n  device: cuda", "DEVICE"),
        ("lora: {rank: 4, alpha: 8}", "lora: {rank: 4, alpha: 8, targets: [nothing]}", "LORA_TARGETS"),
    ],
)
def test_what_cannot_be_done_here_is_said_before_the_first_step(tmp_path, llama, old, new, code):
    case = make_chat_case(tmp_path, llama)
    assert old in case.recipe_path.read_text()
    case.recipe_path.write_text(case.recipe_path.read_text().replace(old, new))
    with pytest.raises(DatasigilError) as caught:
        case.train()
    assert caught.value.code == code


def test_an_encoder_is_refused_as_a_language_model(tmp_path, tiny_base):
    case = make_chat_case(tmp_path, tiny_base)
    with pytest.raises(DatasigilError):
        case.train()


def ranks(case, recipes=("recipe.yaml", "recipe.yaml")):
    """Train in two processes, each with its recipe; their exit codes and what they said."""
    port, started = free_port(), []
    for rank, recipe in enumerate(recipes):
        own = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        started.append(
            WarmProcess(
                run_recipe, case.folder, recipe, f"run{rank}", case.world.now,
                output=case.folder / f"said{rank}", environment=os.environ | own,
            )
        )  # fmt: skip
    return [(one.wait(240), (case.folder / f"said{rank}").read_text()) for rank, one in enumerate(started)]


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_two_processes_train_the_model_that_one_would(tmp_path, llama):
    case = make_chat_case(tmp_path, llama)
    told = ranks(case)
    assert [code for code, _ in told] == [0, 0], told
    alone = float(case.train("alone").receipt["evaluation"]["test"]["loss"])
    both = [float(read_run(case.folder / f"run{rank}").document["evaluation"]["test"]["loss"]) for rank in range(2)]
    assert both[0] == both[1]
    assert both[0] == pytest.approx(alone, abs=0.02)


def test_processes_that_verified_different_things_do_not_train(tmp_path, llama):
    case = make_chat_case(tmp_path, llama)
    (tmp_path / "other.yaml").write_text(case.recipe_path.read_text().replace("rank: 4", "rank: 8"))
    told = ranks(case, ("recipe.yaml", "other.yaml"))
    assert all(code != 0 for code, _ in told)
    assert all("RANKS_DIFFER" in said or "did not verify the same thing" in said for _, said in told), told
    assert not list(tmp_path.glob("run?"))


@pytest.mark.long  # two processes from the command line, as a user starts them
def test_accelerate_launch_starts_processes_that_train_one_model(tmp_path, llama, repository):
    case = make_chat_case(tmp_path, llama, world=World(now=datetime.now(UTC).replace(microsecond=0)))
    case.recipe_path.write_text(case.recipe_path.read_text().replace("epochs: 3", "epochs: 1"))
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launch += [
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        free_port(),
        "-m",
        "training_worker",
    ]
    wanted = [
        "train",
        str(case.recipe_path),
        "-o",
        str(tmp_path / "run"),
        "--policy",
        str(tmp_path / "datasigil.toml"),
        "--offline",
    ]
    own = {"XDG_STATE_HOME": str(tmp_path / "state"), "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *wanted], cwd=repository, env=os.environ | own, capture_output=True, text=True, timeout=500, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    ours = read_run(tmp_path / "run").document
    alone = case.train("alone").receipt
    assert ours["training"]["examplesRoot"] == alone["training"]["examplesRoot"]
    assert float(ours["evaluation"]["test"]["loss"]) == pytest.approx(
        float(alone["evaluation"]["test"]["loss"]), abs=0.02
    )
