"""The script that names what a changed API breaks."""

import copy
import json

import pytest

from service.__main__ import main
from service.breaking import breaking_changes


@pytest.fixture(scope="module")
def document(request):
    return json.loads((request.config.rootpath / "openapi/openapi.json").read_text("utf-8"))


def schema(document, name):
    return document["components"]["schemas"][name]


BREAKS = {
    "GET /lookup: the operation went away": lambda new: new["paths"]["/lookup"].pop("get"),
    "GET /lookup: the query parameter sha256 went away": lambda new: new["paths"]["/lookup"]["get"]["parameters"].clear(),
    "GET /credentials: the query parameter q is required now": lambda new: new["paths"]["/credentials"]["get"]["parameters"][0].update(required=True),
    "POST /tokens: no longer answers 201": lambda new: new["paths"]["/tokens"]["post"]["responses"].pop("201"),
    "POST /tokens: needs a token now": lambda new: new["paths"]["/tokens"]["post"].update(security=[{"token": []}]),
    "POST /challenges: the body is required now": lambda new: new["paths"]["/challenges"]["post"]["requestBody"].update(required=True),
    "POST /tokens: the body needs the member name now": lambda new: schema(new, "TokenRequest")["required"].append("name"),
    "POST /tokens: the body no longer takes the member days": lambda new: schema(new, "TokenRequest")["properties"].pop("days"),
    "POST /tokens: the body/days has a tighter maximum": lambda new: schema(new, "TokenRequest")["properties"]["days"].update(maximum=30),
    "POST /tokens: 201/token went away": lambda new: schema(new, "TokenReply")["properties"].pop("token"),
    "POST /tokens: 201/token may be absent now": lambda new: schema(new, "TokenReply")["required"].remove("token"),
    "GET /tokens: 200/items[]/id is integer, not string": lambda new: schema(new, "TokenSummary")["properties"]["id"].update(type="integer"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", list(BREAKS))
def test_each_break_is_named(document, sentence):
    new = copy.deepcopy(document)
    BREAKS[sentence](new)
    assert sentence in breaking_changes(document, new)


def test_what_is_added_and_optional_breaks_nothing(document):
    new = copy.deepcopy(document)
    new["paths"]["/new"] = {"get": {"responses": {}}}
    schema(new, "TokenRequest")["properties"]["note"] = {"type": "string"}
    schema(new, "TokenReply")["properties"]["note"] = {"type": "string"}
    schema(new, "TokenRequest")["properties"]["days"]["maximum"] = 400
    assert breaking_changes(document, new) == []
    assert breaking_changes(document, document) == []


def test_the_command_compares_with_the_app(tmp_path, document, capsys):
    old = tmp_path / "old.json"
    old.write_text(json.dumps(document))
    assert main(["openapi", "--breaking", str(old)]) == 0
    document = {**document, "paths": {**document["paths"], "/gone": {"get": {"responses": {}}}}}
    old.write_text(json.dumps(document))
    assert main(["openapi", "--breaking", str(old)]) == 1
    assert "GET /gone: the operation went away" in capsys.readouterr().out
    old.write_text("[]")
    assert main(["openapi", "--breaking", str(old)]) == 2
