"""What `datasigil-train new --domain` adds to a recipe: a trust file with the sector's rules, and a page of what to judge.

Here: the texts that differ between law, finance and health. Not here: the recipe itself (`scaffold`), the rules (`datasigil.trust.profiles`).
The models named are the Hub's; none is downloaded, and only a folder with safetensors is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from datasigil.trust.profiles import policy_template


@dataclass(frozen=True, slots=True)
class Domain:
    """One sector: models for real use, and the questions that an evaluation must answer there."""

    encoder: str
    decoder: str
    questions: tuple[str, ...]


DOMAINS: Final[Mapping[str, Domain]] = {
    "law": Domain(
        "nlpaueb/legal-bert-base-uncased",
        "Qwen/Qwen2.5-7B-Instruct",
        (
            "Are whole documents held out, so that boilerplate of one contract is not in train and test?",
            "Which class may be missed least, and what is its recall at the tuned threshold?",
            "Does a lawyer agree with the labels on fifty test rows drawn at random?",
            "Which jurisdictions and years does the test split hold, and which does it not?",
        ),
    ),
    "finance": Domain(
        "ProsusAI/finbert",
        "Qwen/Qwen2.5-7B-Instruct",
        (
            "Is the test split later in time than train, as it will be in use?",
            "What does a wrong answer of each kind cost, and does the threshold follow from that?",
            "Do groups that the law protects get the same error rates, where the data can tell?",
            "Who outside the developing team has challenged the figures, and what did they find?",
        ),
    ),
    "health": Domain(
        "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
        "Qwen/Qwen2.5-7B-Instruct",
        (
            "Are all records of one patient in one split?",
            "What are sensitivity and specificity of each class, with intervals over patients?",
            "Which sites, ages and sexes does the test split hold, and how do the figures differ between them?",
            "Below which score does the model abstain, and who then decides?",
        ),
    ),
}


def domain_header(name: str) -> str:
    """Return the comment that opens a domain's recipe."""
    domain = DOMAINS[name]
    return (
        f"# Scaffolded for {name}. The small model below runs on any processor; for real use download {domain.encoder}\n"
        f"# (text classification) or {domain.decoder} (task causal-lm) with its safetensors weights, and name the folder in base.path.\n"
    )


def domain_files(name: str) -> dict[str, str]:
    """Return the files beside the recipe: trust file and evaluation."""
    questions = "\n".join(f"- [ ] {question}" for question in DOMAINS[name].questions)
    return {
        "datasigil.toml": policy_template(name),
        "evaluation.md": f"""# Evaluation, {name}

Figures come from the receipt; what they mean is for a person to say. `datasigil-train review` signs the answers.

1. `datasigil-train train recipe.yaml -o run --policy datasigil.toml` prints micro-F1, macro-F1 and every class beside the majority baseline.
2. `datasigil-train eval run --recipe newer.yaml --policy datasigil.toml` judges the same model on data it was not developed on.
3. `run/README.md` shows worst slices, confusion, calibration, the abstention threshold and leakage probes.

To be answered before release:

{questions}
""",
    }


__all__ = ["DOMAINS", "Domain", "domain_files", "domain_header"]
