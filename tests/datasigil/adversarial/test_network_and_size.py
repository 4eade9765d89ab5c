"""Nothing is fetched before issuer and signature are established, and a file of more than 4 GiB is one like any other."""

import pytest
from adversarial.stage import Network, Stage
from adversarial.tables import REFUSED

from datasigil.api import check_dataset
from datasigil.client import check_online
from datasigil.client.evidence import is_proven
from datasigil.datasets.files import build_manifest
from datasigil.errors import DatasigilError
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify
from datasigil.verification.plan import read_evidence


def refuse(_url):
    return 503, b""


def test_a_credential_that_is_not_proven_causes_no_request():
    unproven = 0
    for case in REFUSED:
        if case.group not in "JMCPK" or case.decision == "exit 2":
            continue
        given = case.build(Stage())
        try:
            bundle, policy = read_evidence(given.raw), parse_policy(given.policy.encode())
            first = verify(bundle, policy=policy, at=given.at).report
        except DatasigilError:
            continue
        if is_proven(first):
            continue
        unproven += 1
        network = Network(refuse)
        report = check_online(bundle, policy=policy, at=given.at, fetcher=network).report
        assert network.asked == [], case
        assert report.decision != "VALID", case
    assert unproven > 200


def test_a_proven_credential_asks_its_log_and_its_lists_and_nobody_else():
    stage = Stage()
    network = Network(refuse)
    report = check_online(
        stage.bundle, policy=parse_policy(stage.world.policy_toml().encode()), at=stage.now, fetcher=network
    ).report
    assert report.decision == "INDETERMINATE"
    assert {url.split("/")[2] for url in network.asked} == {"registry.example"}


@pytest.mark.long
def test_a_file_of_four_gibibytes_and_one_byte_is_checked(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with (data / "large.bin").open("wb") as stream:
        stream.truncate(4 * 2**30 + 1)
    stage = Stage()
    bundle = stage.world.publish(stage.world.issue(build_manifest(data)))
    policy = parse_policy(stage.world.policy_toml().encode())
    assert check_dataset(bundle, policy=policy, data=data, at=stage.now).decision == "VALID"
    with (data / "large.bin").open("r+b") as stream:
        stream.seek(4 * 2**30)
        stream.write(b"x")
    report = check_dataset(bundle, policy=policy, data=data, at=stage.now)
    assert (report.decision, report.code) == ("INVALID", "FILE_DIGEST")
