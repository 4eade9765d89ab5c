"""A credentialed dataset, a base model of some thousand parameters and a recipe, made on the spot: a run takes a second.

Here: what tests of the worker and of model folders share. Not here: the simulated registry (`simulator.py`).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from simulator import World

from datasigil.bundle import bundle_bytes
from datasigil.trust.policy import parse_policy
from training_worker.gate import GateSettings
from training_worker.progress import Progress
from training_worker.recipe import parse_recipe
from training_worker.run import Finished, RunRequest, train

WORDS = {
    "payment": ("invoice", "fee", "price", "euro", "pay"),
    "termination": ("notice", "terminate", "end", "cancel", "expire"),
    "secrecy": ("secret", "confidential", "disclose", "private", "keep"),
}
FILLERS = ("the", "party", "shall", "within", "days", "of", "this", "agreement", "any", "a")
README = b"---\nlicense: apache-2.0\n---\n# Tiny\n"


def rows(split: str, count: int) -> list[dict[str, str]]:
    """Return labelled sentences that differ between splits."""
    out = []
    for number in range(count):
        label = list(WORDS)[number % len(WORDS)]
        words = WORDS[label]
        text = f"{FILLERS[number % 10]} {words[number % 5]} {FILLERS[number % 7]} {words[(number // 3) % 5]} {split}{number}"
        out.append({"text": text, "label": label, "document": f"{split}-{number // 6}"})
    return out


def jsonl(records: list[dict[str, str]]) -> bytes:
    """Return records as a jsonl file."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def write_tiny_base(folder: Path) -> Path:
    """Write a BERT of two narrow layers with a word tokenizer, safetensors only; the same bytes every time."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *FILLERS, *(word for group in WORDS.values() for word in group)]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    BertModel(config).save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").write_bytes(README)
    return folder


CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{% generation %}{{ message.content }}{% endgeneration %}<end>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def write_tiny_llama(folder: Path) -> Path:
    """Write a Llama of two narrow layers with a byte tokenizer and a chat template; the same bytes every time."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<end>", "<system>", "<user>", "<assistant>"]
    vocabulary = {token: number for number, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=128, max_position_embeddings=256, eos_token_id=0, bos_token_id=None, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(str(folder), safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE, "eos_token": "<end>"}))
    (folder / "README.md").write_bytes(README)
    return folder


def chat_rows(split: str, count: int) -> list[dict]:
    """Return chats in which the answer follows from the question."""
    words = [word for group in WORDS.values() for word in group]
    return [
        {
            "messages": [
                {"role": "user", "content": f"{split}{number}: {words[number % 15]}?"},
                {
                    "role": "assistant",
                    "content": next(key for key, group in WORDS.items() if words[number % 15] in group),
                },
            ]
        }
        for number in range(count)
    ]


@dataclass
class Case:
    """One dataset with its evidence, trust file and recipe, all below `folder`."""

    folder: Path
    world: World = field(default_factory=World)
    document: dict = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The dataset's folder."""
        return self.folder / "data"

    @property
    def recipe_path(self) -> Path:
        """The recipe."""
        return self.folder / "recipe.yaml"

    def settings(self, **changes: object) -> GateSettings:
        """Return an offline gate at the world's time."""
        policy = parse_policy(self.world.policy_toml().encode(), source="test")
        return GateSettings(**{"policy": policy, "at": self.world.now, "offline": True, **changes})

    def evidence(self) -> None:
        """Write the bundle as the registry gives it out now."""
        (self.folder / "data.sigil.json").write_bytes(bundle_bytes(self.world.bundle(self.document)))

    def request(self, out: str = "run", **changes: object) -> RunRequest:
        """Return the request for a run into `out`."""
        raw = self.recipe_path.read_bytes()
        fields = {
            "recipe": parse_recipe(raw), "recipe_bytes": raw, "folder": self.folder, "gate": self.settings(),
            "out": self.folder / out, "progress": Progress("quiet"), "now": lambda: self.world.now,
        }  # fmt: skip
        return RunRequest(**{**fields, **changes})

    def train(self, out: str = "run", **changes: object) -> Finished:
        """Run the recipe."""
        return train(self.request(out, **changes))


def make_case(
    folder: Path,
    *,
    base: Path | None = None,
    files: dict[str, bytes] | None = None,
    epochs: int = 3,
    world: World | None = None,
) -> Case:
    """Issue a dataset in a simulated registry and write everything that a run needs."""
    case = Case(folder, world or World())
    case.world.files = files or {
        "train.jsonl": jsonl(rows("train", 48)),
        "validation.jsonl": jsonl(rows("val", 15)),
        "test.jsonl": jsonl(rows("test", 15)),
    }
    case.world.write_files(case.data)
    case.document = case.world.issue()
    case.world.publish(case.document)
    case.evidence()
    (folder / "datasigil.toml").write_text(case.world.policy_toml())
    case.recipe_path.write_text(recipe_text(case.document["id"], base, epochs))
    return case


def make_chat_case(
    folder: Path, base: Path, *, training: str = "", columns: str = "{messages: messages}", world: World | None = None
) -> Case:
    """Return a case whose recipe adapts the tiny Llama to chats."""
    files = {f"{name}.jsonl": jsonl(chat_rows(name, count)) for name, count in SPLIT_SIZES.items()}
    if "prompt" in columns or "text" in columns:
        files = {
            path: jsonl([_plain_row(json.loads(line)) for line in data.splitlines()]) for path, data in files.items()
        }
    case = make_case(folder, base=base, files=files, world=world)
    head = case.recipe_path.read_text().partition("    columns:")[0]
    case.recipe_path.write_text(
        f"{head}    columns: {columns}\nsplits: {{by: files}}\ntask: {{type: causal-lm}}\n"
        "training:\n  epochs: 3\n  batchSize: 4\n  maxTokens: 64\n  learningRate: 0.01\n  threads: 1\n"
        f"  lora: {{rank: 4, alpha: 8}}\n{training}"
    )
    return case


SPLIT_SIZES = {"train": 30, "validation": 9, "test": 9}


def _plain_row(row: dict) -> dict:
    asked, answered = (message["content"] for message in row["messages"])
    return {"prompt": asked, "completion": " " + answered, "text": f"{asked} {answered}"}


def recipe_text(credential: str, base: Path | None, epochs: int) -> str:
    """Return a recipe for the tiny model."""
    labels = "\n".join(f"    - {{name: {label}, tags: [{label}]}}" for label in WORDS)
    return f"""type: TrainingRecipe
formatVersion: 1
name: Tiny clauses
base:
  path: {json.dumps(str(base or "base"))}
  name: tiny
data:
  - credential: {json.dumps(credential)}
    bundle: data.sigil.json
    path: data
    files: {{train: [train.jsonl], validation: [validation.jsonl], test: [test.jsonl]}}
    columns: {{text: text, labels: label, document: document}}
splits: {{by: files}}
task:
  type: single-label
  labels:
{labels}
training:
  epochs: {epochs}
  batchSize: 8
  maxTokens: 16
  threads: 1
  lora: {{rank: 4, alpha: 8}}
"""
