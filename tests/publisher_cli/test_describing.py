"""`init`: what is read, what is asked, what stays unknown, and what is never overwritten."""

import errno
import io
import json
import tomllib
from pathlib import Path

import pytest

from publisher_cli.description import read_description


def described(run, data, *options):
    answer = run.json("init", data, "--yes", *options)
    return answer, tomllib.loads(Path(answer["path"]).read_text(encoding="utf-8"))


def test_the_description_lies_beside_the_data_and_not_in_it(run, data, tmp_path):
    before = sorted(data.rglob("*"))
    answer, _ = described(run, data)
    assert answer["path"] == str(tmp_path / "leases.dataset.toml")
    assert sorted(data.rglob("*")) == before


def test_card_and_licence_text_are_read_and_named_as_sources(run, data):
    answer, found = described(run, data)
    assert (found["name"], found["inLanguage"], found["license"]["expression"]) == ("Small leases", ["en"], "CC-BY-4.0")
    assert found["description"] == "Two clauses of leases."
    assert answer["read"] == ["README.md", "LICENSE.txt"]
    assert "README.md" in found["license"]["source"]


def test_what_nobody_said_stays_unknown(run, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "a.jsonl").write_text("{}\n")
    answer, found = described(run, folder)
    assert (found["name"], found["license"], found["publisher"]) == (
        "bare",
        {"expression": "unknown"},
        {"name": "unknown"},
    )
    assert answer["unknown"] == ["license", "publisher", "issued"]


def test_flags_go_before_every_source(run, data):
    _, found = described(
        run, data, "--license", "CDLA-Permissive-2.0", "--name", "Mine", "--issued", "2024-05-01", "--publisher", "Äcme"
    )
    assert (found["license"]["expression"], found["name"], found["issued"], found["publisher"]["name"]) == (
        "CDLA-Permissive-2.0", "Mine", "2024-05-01", "Äcme",
    )  # fmt: skip


@pytest.mark.parametrize(("said", "status"), [("yes", "present"), ("no", "absent"), ("unknown", "unknown")])
def test_personal_data_is_said_in_one_word(run, data, said, status):
    assert described(run, data, "--personal-data", said)[1]["personalData"]["status"] == status


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--issued", "yesterday"), ("--issued", "2024-02-30"), ("--personal-data", "perhaps"), ("--license", "???")],
)
def test_an_answer_that_does_not_fit_is_refused_and_nothing_is_written(run, data, tmp_path, flag, value):
    answer = run("init", data, "--yes", flag, value, "--json", expect=None)
    assert answer.code in (1, 2)
    assert answer.json["type"] == "Error"
    assert not (tmp_path / "leases.dataset.toml").exists()


def test_a_licence_that_is_not_on_the_list_is_kept_and_pointed_out(run, data):
    answer, found = described(run, data, "--license", "My-Own-1.0")
    assert found["license"]["expression"] == "My-Own-1.0"
    assert any("not on the SPDX list" in note for note in answer["notes"])


def test_sources_that_contradict_each_other_leave_the_licence_unknown(run, data):
    (data / "LICENSE.txt").write_text(
        "Permission is hereby granted, free of charge. The above copyright notice and this permission notice\n"
    )
    answer, found = described(run, data)
    assert found["license"]["expression"] == "unknown"
    assert any("contradict" in note and "MIT" in note and "CC-BY-4.0" in note for note in answer["notes"])


def test_a_description_is_not_overwritten(run, data, tmp_path):
    run("init", data, "--yes")
    before = (tmp_path / "leases.dataset.toml").read_bytes()
    assert "--force" in run.refused("init", data, "--yes", code="EXISTS", exit_code=2)["nextAction"]
    assert (tmp_path / "leases.dataset.toml").read_bytes() == before


def test_written_anew_it_keeps_the_datasets_identity(run, data):
    first = described(run, data)[1]["id"]
    assert described(run, data, "--force")[1]["id"] == first


@pytest.mark.parametrize(("name", "found"), [("nowhere", "nothing"), ("leases/train.jsonl", "a file")])
def test_a_dataset_is_a_folder(run, data, name, found):
    assert run.refused("init", name, "--yes", code="DATA_FOLDER", exit_code=2)["found"] == found


def test_a_folder_with_a_link_in_it_says_so_later_and_is_described_now(run, data):
    (data / "link").symlink_to(data / "train.jsonl")
    described(run, data)
    run.refused("manifest", data, code="SYMLINK", exit_code=2)


def test_without_a_terminal_and_without_yes_nobody_is_asked(run, data, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "--yes" in run.refused("init", data, code="USAGE", exit_code=2)["nextAction"]


class Typed(io.StringIO):
    def isatty(self):
        return True


def test_what_no_source_says_is_asked_in_plain_words(run, data, monkeypatch):
    monkeypatch.setattr("sys.stdin", Typed("Äcme Leases Ltd\n2024-13-01\n2024-05-01\nno\nfine-tuning, research\n\n"))
    answer = run("init", data, "--json")
    found = read_description(Path(answer.json["path"]))
    assert found["publisher"] == {"name": "Äcme Leases Ltd"}
    assert (found["issued"], found["personalData"]) == ("2024-05-01", {"status": "absent"})
    assert found["intendedPurpose"] == ["fine-tuning", "research"]
    assert answer.json["questions"] == 5
    assert "Who publishes it" in answer.err
    assert "expected" in answer.err  # the thirteenth month was asked again


def test_never_more_than_eight_questions(run, tmp_path, monkeypatch):
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    monkeypatch.setattr("sys.stdin", Typed("\n" * 8))
    assert run.json("init", folder)["questions"] == 8


def test_ctrl_d_while_being_asked_writes_nothing(run, data, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", Typed(""))
    run("init", data, expect=130)
    assert not (tmp_path / "leases.dataset.toml").exists()


def test_a_full_disk_leaves_no_half_description(run, data, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("datasigil.transparency.durable.os.fsync", full)
        run.refused("init", data, "--yes", code="SYSTEM", exit_code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leases", "passphrase"]


# Sources --------------------------------------------------------------------------------------------------------------


def test_a_croissant_file_is_read(run, data):
    croissant = {
        "@context": {"sc": "https://schema.org/"},
        "@type": "sc:Dataset",
        "name": "Croissant leases",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "datePublished": "2023-02-01T00:00:00",
        "creator": [{"@type": "sc:Person", "name": "Ada"}],
        "version": "2.1.0",
    }
    (data / "croissant.json").write_text(json.dumps(croissant))
    _, found = described(run, data)
    assert (found["name"], found["version"], found["issued"]) == ("Croissant leases", "2.1.0", "2023-02-01")
    assert (found["publisher"]["name"], found["license"]["expression"]) == ("Ada", "CC-BY-4.0")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "d.spdx",
            "SPDXVersion: SPDX-2.3\nPackageName: Leases\nPackageLicenseConcluded: NOASSERTION\nPackageLicenseDeclared: CC-BY-4.0\n",
        ),
        (
            "d.spdx.json",
            '{"spdxVersion": "SPDX-2.3", "packages": [{"name": "Leases", "licenseConcluded": "CC-BY-4.0"}]}',
        ),
    ],
)
def test_spdx_files_are_read(run, data, name, text):
    (data / name).write_text(text)
    answer, found = described(run, data)
    assert name in answer["read"]
    assert found["license"]["expression"] == "CC-BY-4.0"


def test_a_source_elsewhere_is_named_with_from(run, data, tmp_path):
    (tmp_path / "card.md").write_text("---\npretty_name: From elsewhere\n---\n")
    assert described(run, data, "--from", tmp_path / "card.md")[1]["name"] == "From elsewhere"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.csv", None),
        ("card.md", b"\xff\xfe"),
        ("sheet.csv", b""),
        ("sheet.csv", b"file,file\na,b\n"),
        ("sheet.csv", b'file\n"unclosed\n'),
        ("sheet.csv", b"file\na\0b\n"),
        ("sheet.xlsx", b"not a zip"),
        ("data.json", b"{"),
        ("data.json", b'{"name": "neither"}'),
        ("data.json", b'{"a": 1, "a": 2}'),
        ("data.parquet", b"PAR1"),
        ("big.md", b"x" * (16 * 1024 * 1024 + 1)),
    ],
)
def test_a_named_source_that_cannot_be_used_is_refused_with_its_path(run, data, tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    error = run.refused("init", data, "--yes", "--from", path, code="SOURCE_FILE", exit_code=2)
    assert error["place"] == str(path)
    assert not (tmp_path / "leases.dataset.toml").exists()


def test_a_broken_source_that_merely_lies_there_is_noted_and_passed_over(run, data):
    (data / "croissant.json").write_text("{")
    answer, found = described(run, data)
    assert any("croissant.json was not read" in note for note in answer["notes"])
    assert found["name"] == "Small leases"


def test_a_card_that_never_closes_its_front_matter_is_noted(run, data):
    (data / "README.md").write_text("---\nlicense: mit\n")
    assert any("never closes" in note for note in described(run, data)[0]["notes"])


@pytest.mark.parametrize("label", ["other", "unknown", "cc", "made-up"])
def test_a_label_that_names_no_licence_is_no_licence(run, data, label):
    (data / "LICENSE.txt").unlink()
    (data / "README.md").write_text(f"---\nlicense: {label}\n---\n")
    answer, found = described(run, data)
    assert found["license"]["expression"] == "unknown"
    assert any("names none" in note for note in answer["notes"])


# Metadata sheets ------------------------------------------------------------------------------------------------------


def sheet(data, *rows, name="metadata.csv", header="file,license,date,language"):
    (data / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def test_a_sheet_is_reconciled_with_the_files_both_ways(run, data):
    sheet(data, "train.jsonl,cc-by-4.0,2020-01-02,en", "gone.txt,cc-by-4.0,2021-03-04,de")
    answer, found = described(run, data)
    assert "metadata.csv names files that are not there: gone.txt" in answer["notes"]
    assert "metadata.csv does not name these files: parts/Zürich – Ω.csv" in answer["notes"]
    assert found["temporal"] == {"start": "2020-01-02", "end": "2021-03-04"}


def test_a_sheet_that_names_every_file_has_nothing_to_note(run, data):
    sheet(data, "train.jsonl,,,", "parts/Zürich – Ω.csv,,,")
    assert described(run, data)[0]["notes"] == []


def test_files_under_different_licences_are_joined(run, data):
    (data / "LICENSE.txt").unlink()
    (data / "README.md").unlink()
    sheet(data, "train.jsonl,CC-BY-4.0,,", "parts/Zürich – Ω.csv,MIT OR Apache-2.0,,")
    assert described(run, data)[1]["license"]["expression"] == "CC-BY-4.0 AND (MIT OR Apache-2.0)"


def test_a_licence_column_of_free_text_is_noted_and_not_signed(run, data):
    sheet(data, "train.jsonl,ask the author!,,", "parts/Zürich – Ω.csv,internal; use only,,")
    answer, found = described(run, data)
    assert found["license"]["expression"] == "CC-BY-4.0"
    assert any("was not recognised" in note for note in answer["notes"])


def test_a_sheet_without_a_column_of_files_is_not_taken_for_one(run, data):
    sheet(data, "1,2", header="text,label")
    assert any("no column that names files" in note for note in described(run, data)[0]["notes"])


def test_a_workbook_is_read_like_a_text_sheet(run, data):
    from openpyxl import Workbook

    book = Workbook()
    for row in (["Path", "Date"], ["train.jsonl", "2020-01-02"]):
        book.active.append(row)
    book.save(data / "metadata.xlsx")
    answer, found = described(run, data)
    assert found["temporal"] == {"start": "2020-01-02", "end": "2020-01-02"}
    assert any("does not name these files" in note for note in answer["notes"])
    book.active.append(['=HYPERLINK("http://x")', None])
    book.save(data / "metadata.xlsx")
    answer, found = described(run, data, "--force", "--no-profile")
    assert "temporal" not in found
    assert any("metadata.xlsx was not read: row 3 holds a formula" in note for note in answer["notes"])


# The description itself -----------------------------------------------------------------------------------------------

FRAME = 'type = "DatasetDescription"\nformatVersion = 1\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "type = ",
        b"\xff",
        'type = "Other"\nformatVersion = 1\n',
        'type = "DatasetDescription"\n',
        'type = "DatasetDescription"\nformatVersion = 2\n',
        'type = "DatasetDescription"\nformatVersion = true\n',
        FRAME + 'name = "a"\nname = "b"\n',
        FRAME + 'nmae = "a"\n',
        FRAME + 'manifest = "a"\n',
        FRAME + "issued = 2024-05-01T10:00:00\n",
        FRAME + "name = 0.5\n",
        FRAME + "name = 5\n",
        FRAME + 'name = ""\n',
        FRAME + 'license = "CC-BY-4.0"\n',
        FRAME + '[license]\nexpression = "a\\u0000b"\n',
        FRAME + '[license]\nexpression = "CC-BY-4.0"\ntextPath = "../passphrase"\n',
        FRAME + '[license]\nexpression = "CC-BY-4.0"\ntextPath = "not-there.txt"\n',
        FRAME + '[personalData]\nstatus = "present"\n',
        "#" * (1024 * 1024 + 1),
    ],
)
def test_a_description_that_does_not_fit_is_refused_before_anything_is_hashed(
    run, publisher, data, tmp_path, text, monkeypatch
):
    monkeypatch.setattr("publisher_cli.hashing.build_manifest", lambda *_, **__: pytest.fail("hashed"))
    path = tmp_path / "d.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = run.refused("issue", data, "--description", path, code="DESCRIPTION_FILE", exit_code=2)
    assert error["place"].startswith((str(path), str(data)))
    assert error["nextAction"]
    assert not list(tmp_path.glob("*.json"))


def test_a_misspelt_key_is_answered_with_the_nearest_known_one(run, publisher, data, tmp_path):
    (tmp_path / "d.toml").write_text(FRAME + 'publsher = "a"\n')
    assert (
        "publisher"
        in run.refused("issue", data, "--description", "d.toml", code="DESCRIPTION_FILE", exit_code=2)["expected"]
    )


def test_dates_and_sets_may_be_written_as_toml_has_them(run, publisher, data, tmp_path):
    run("init", data, "--yes")
    path = tmp_path / "leases.dataset.toml"
    path.write_text(
        path.read_text().replace(
            'issued = "unknown"', 'issued = 2024-05-01\nintendedPurpose = ["research", "evaluation"]'
        )
    )
    run("issue", data, "-o", "c.json")
    subject = json.loads(Path("c.json").read_text())["credentialSubject"]
    assert (subject["issued"], subject["intendedPurpose"]) == ("2024-05-01", ["evaluation", "research"])


def test_a_description_that_is_not_there_says_what_writes_one(run, publisher, data):
    assert "datasigil init" in run.refused("issue", data, code="DESCRIPTION_FILE", exit_code=2)["nextAction"]
