"""Tokens of a causal language model: chats through the base model's own template, and which tokens are learned.

Here: rendering, tokenising with the mask, truncation counted, rows left out because nothing of them is learned. Not here: batches (`packing`),
reading (`records`). The template comes from the verified base model and runs in Jinja's immutable sandbox, as in transformers.

Learned are the contents of assistant messages with what the template puts after them, completions, and texts; with
`assistantOnlyLoss: false` every token. The first token of a row is never learned: nothing precedes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasigil.canonical import document_digest, sha256_hex
from datasigil.datasets.paths import display_path
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError, MalformedError
from training_worker.base_model import CONFIG, CONFIG_MAX_BYTES
from training_worker.batches import TokenisedSplit
from training_worker.labels import Example
from training_worker.limits import RECORD_MAX_BYTES

TEMPLATE_FILE, TOKENIZER_CONFIG = "chat_template.jinja", "tokenizer_config.json"
# Where a base model brings no template: ChatML, as plain text.
CHATML = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
_GENERATION = re.compile(r"{%-?\s*(?:end)?generation\s*-?%}")
Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ChatForm:
    """How a base model writes a chat, and the token that ends a text; `special` are its named tokens."""

    template: str
    special: tuple[tuple[str, str], ...]
    end: int | None

    @property
    def digest(self) -> str:
        """SHA-256 of the template's text."""
        return sha256_hex(self.template.encode("utf-8"))


def read_chat_form(root: Path) -> ChatForm:
    """Return the chat form of a verified base model.

    Raises:
        MalformedError: the JSON parser's codes.
    """
    config = _object(root / CONFIG)
    tokens = _object(root / TOKENIZER_CONFIG) if (root / TOKENIZER_CONFIG).is_file() else {}
    template = tokens.get("chat_template")
    if (root / TEMPLATE_FILE).is_file():
        template = (root / TEMPLATE_FILE).read_text("utf-8")
    special = []
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = tokens.get(name)
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            special.append((name, value))
    end = config.get("eos_token_id")
    end = end[0] if isinstance(end, list) and end else end
    return ChatForm(
        template if isinstance(template, str) else CHATML, tuple(special), end if type(end) is int else None
    )


def shown_template(form: ChatForm) -> str:
    """Return a chat form's template without the marks that only trainers know: what `ChatWriter` renders, and what a runtime is given."""
    return _GENERATION.sub("", form.template)


def _object(path: Path) -> dict[str, Any]:
    value = parse_json(path.read_bytes(), max_bytes=CONFIG_MAX_BYTES, profile=GENERIC)
    return value if isinstance(value, dict) else {}


class ChatWriter:
    """Renders chats; built once, for the template is compiled."""

    def __init__(self, form: ChatForm) -> None:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self._error = TemplateError
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        self._special = dict(form.special)
        try:
            # {% generation %} marks what a trainer learns; the spans below do that for every template.
            self._template = environment.from_string(shown_template(form))
        except TemplateError as error:
            raise MalformedError(
                "CHAT_TEMPLATE", "the base model's chat template is not one", found=str(error)[:120]
            ) from None

    def write(self, turns: Sequence[tuple[str, str]], place: str) -> tuple[str, Spans]:
        """Return a chat as text, and the spans of characters that are the assistant's.

        Raises:
            MalformedError: CHAT_TEMPLATE, when the template refuses the chat, or rewrites what came before.
        """
        messages = [{"role": role, "content": content} for role, content in turns]
        whole = self._render(messages, place, prompt=False)
        spans: Spans = []
        for number, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            begin = self._render(messages[:number], place, prompt=True)
            end = self._render(messages[: number + 1], place, prompt=False)
            if not (whole.startswith(begin) and whole.startswith(end)):
                raise MalformedError(
                    "CHAT_TEMPLATE",
                    "the base model's chat template rewrites earlier messages, so the assistant's part cannot be told",
                    place=place,
                    next_action="set task.assistantOnlyLoss to false, or choose another base model",
                )
            spans.append((len(begin), len(end)))
        return whole, spans

    def _render(self, messages: list[dict[str, str]], place: str, *, prompt: bool) -> str:
        try:
            return self._template.render(messages=messages, add_generation_prompt=prompt, tools=None, **self._special)
        except (self._error, TypeError, ValueError, KeyError) as error:
            raise MalformedError(
                "CHAT_TEMPLATE", "the base model's chat template refuses a chat", place=place, found=str(error)[:120]
            ) from None


def _refuse(message: str) -> None:
    raise ValueError(message)


def language_digest(tokenizer_digest: str, form: ChatForm, max_tokens: int, *, assistant_only: bool) -> str:
    """Return the digest of everything that turns a record into model input and mask."""
    return document_digest(
        {
            "type": "LanguageTransform",
            "formatVersion": 1,
            "tokenizerDigest": tokenizer_digest,
            "chatTemplateDigest": form.digest,
            "endToken": -1 if form.end is None else form.end,
            "maxTokens": max_tokens,
            "truncation": "right",
            "assistantOnlyLoss": assistant_only,
        }
    )


def tokenise_language(
    tokenizer: Any, form: ChatForm, examples: Sequence[Example], max_tokens: int, *, assistant_only: bool
) -> TokenisedSplit:
    """Return a split's tokens and masks; rows of which nothing would be learned are left out and counted.

    Raises:
        DatasigilError: NO_TOKENS, when no row is left.
        MalformedError: CHAT_TEMPLATE.
    """
    writer = ChatWriter(form)
    kept: list[Example] = []
    rows: list[tuple[int, ...]] = []
    masks: list[bytes] = []
    truncated = dropped = 0
    for example in examples:
        ids, mask = _row(tokenizer, writer, form, example, assistant_only=assistant_only)
        if len(ids) > max_tokens:
            truncated, dropped = truncated + 1, dropped + len(ids) - max_tokens
            ids, mask = ids[:max_tokens], mask[:max_tokens]
        if any(mask):
            kept.append(example)
            rows.append(tuple(ids))
            masks.append(bytes(mask))
    if not rows and examples:
        raise DatasigilError(
            "NO_TOKENS",
            "nothing of any row would be learned",
            place="training.maxTokens",
            found=f"{len(examples)} rows, all of them prompts within {max_tokens} tokens",
            next_action="raise training.maxTokens, or set task.assistantOnlyLoss to false",
        )
    return TokenisedSplit(tuple(kept), tuple(rows), truncated, dropped, tuple(masks), len(examples) - len(kept))


def _row(
    tokenizer: Any, writer: ChatWriter, form: ChatForm, example: Example, *, assistant_only: bool
) -> tuple[list[int], list[int]]:
    """Return the token ids of one record, and 1 for each that is learned."""
    record = example.record
    roles = {role for role, _ in record.turns}
    place = f"{display_path(record.path)} record {record.index + 1}"
    chat = not roles & {"text", "prompt"}
    if chat:
        text, spans = writer.write(record.turns, place)
    else:
        text = "".join(content for _, content in record.turns)
        spans = [(len(record.turns[0][1]) if "prompt" in roles else 0, len(text))]
    if not assistant_only:
        spans = [(0, len(text))]
    encoding = tokenizer.encode(text[:RECORD_MAX_BYTES], add_special_tokens=not chat)
    mask = [int(any(begin <= at[0] < end and at[1] > at[0] for begin, end in spans)) for at in encoding.offsets]
    ids = list(encoding.ids)
    if not chat and form.end is not None and ids[-1:] != [form.end]:
        ids, mask = [*ids, form.end], [*mask, 1]
    return ids, [0, *mask[1:]]


__all__ = [
    "CHATML",
    "ChatForm",
    "ChatWriter",
    "language_digest",
    "read_chat_form",
    "shown_template",
    "tokenise_language",
]
