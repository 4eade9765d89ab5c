"""A file that is not what it should be: every command names it, the place in it, and what to do."""

import pytest

from verifier_cli.main import main

DAMAGED = {
    "not JSON": (b'{"type": ', "line 1 column"),
    "a member twice": (b'{"type": "EvidenceBundle", "type": "x"}', "member 'type'"),
    "not UTF-8": (b'{"type": "\xff"}', "byte 10"),
    "another kind": (b'{"type": "EvidenceBundle", "formatVersion": 99}', "formatVersion"),
}


@pytest.mark.parametrize("command", [("trust", "add", "--yes", "--offline"), ("refresh",), ("inspect",)])
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_with_the_place_and_what_to_do(tmp_path, monkeypatch, capsys, command, damage):
    monkeypatch.chdir(tmp_path)
    content, place = DAMAGED[damage]
    file = tmp_path / "some.sigil.json"
    file.write_bytes(content)
    assert main([*command, str(file)]) in {1, 2}
    said = capsys.readouterr().err
    assert str(file) in said
    assert place in said
    assert "next" in said
    assert said.count(str(file)) == 1
    assert "Traceback" not in said
    assert file.read_bytes() == content
