"""The commands that a credential's page shows can be typed as they stand, and a page says what its credential rests on."""

from urllib.parse import quote

import pytest
from subjects import model_subject

from verifier_cli.arguments import parse


def shown(page: str) -> list[list[str]]:
    """The command lines between <pre> and </pre>."""
    return [line.split() for line in page.split("<pre>")[1].split("</pre>")[0].splitlines() if line.strip()]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_second_command_reads_the_file_that_the_first_one_writes(registry, publisher):
    document = publisher.publish()
    fetch, check = shown(registry.http.get(f"/datasets/{quote(document['id'])}").text)
    assert fetch[:3] == ["datasigil-verify", "fetch", f"{registry.settings.public_url}/credentials/{document['id']}"]
    assert fetch[fetch.index("-o") + 1] == check[2]
    assert "--data" in check
    for words in (fetch, check):
        parse(words[1:])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_models_page_warns_when_its_data_was_revoked(registry, publisher):
    dataset = publisher.publish()
    model = publisher.publish(publisher.issue(model_subject([dataset]), "ModelTrainingCredential"))
    address = f"/models/{quote(model['id'])}"
    assert "rests on revoked" not in registry.http.get(address).text
    publisher.change(dataset)
    assert "rests on revoked" in registry.http.get(address).text
    assert "--data" not in shown(registry.http.get(address).text)[1]
