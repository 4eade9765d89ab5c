"""The five commands on real data: the committed example and the two corpora, as they are."""

import shutil

import pytest


@pytest.fixture(params=["contract-clauses", "lexglue", "multilingual"])
def corpus(request, repository, tmp_path):
    """A copy of a corpus, and how many files it has."""
    if request.param == "contract-clauses":
        source = repository / "examples/contract-clauses"
    else:
        folder = {"lexglue": "unfair_tos_claudette50/lexglue", "multilingual": "multilingual_unfair_en"}[request.param]
        source = request.getfixturevalue("shared") / "data" / folder
    shutil.copytree(source, tmp_path / "corpus" / source.name)
    return tmp_path / "corpus" / source.name


def test_a_corpus_is_described_signed_published_and_revoked(run, publisher, corpus, tmp_path):
    files = sum(path.is_file() for path in corpus.rglob("*"))
    run("init", corpus, "--yes", *(() if corpus.name == "contract-clauses" else ("--license", "CC-BY-4.0")))
    description = corpus.parent / f"{corpus.name}.dataset.toml"
    issued = run.json("issue", corpus, "--description", description, "--key", "me", "-o", tmp_path / "credential.json")
    assert (issued["license"], issued["manifest"]["fileCount"]) == ("CC-BY-4.0", files)
    assert run.json("publish", tmp_path / "credential.json", "--registry", publisher.url)["checkedAs"] == "VALID"
    run("diff", tmp_path / "credential.json", corpus)
    run("revoke", issued["id"], "--reason", "a contributor withdrew consent", "--registry", publisher.url)
    assert run.json("status", issued["id"], "--registry", publisher.url, expect=1)["status"] == "revoked"


def test_the_examples_own_sheet_card_and_licence_agree(run, repository, tmp_path):
    answer = run.json("init", repository / "examples/contract-clauses", "--yes", "-o", tmp_path / "d.toml")
    assert answer["read"] == ["README.md", "metadata.csv", "LICENSE.txt"]
    assert (answer["license"], answer["notes"]) == ("CC-BY-4.0", [])
