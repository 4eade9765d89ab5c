"""The worker's gate and time: a credential that is over, or not in force yet, trains nothing."""

from datetime import timedelta

import pytest

from datasigil.encoding import Instant
from training_worker.gate import Refused, passed_gate


@pytest.mark.parametrize(("begins", "ends", "code"), [(-9, -1, "EXPIRED"), (2, 9, "NOT_YET")])
def test_a_credential_outside_its_period_is_refused(case, begins, ends, code):
    period = [str(Instant.from_datetime(case.world.now + timedelta(days=days))) for days in (begins, ends)]
    first = case.document["id"]
    case.document = case.world.issue(validFrom=period[0], validUntil=period[1])
    case.world.publish(case.document)
    case.evidence()
    case.recipe_path.write_text(case.recipe_path.read_text().replace(first, case.document["id"]))
    with pytest.raises(Refused) as caught, passed_gate(case.request().recipe, case.folder, case.settings()):
        pytest.fail("the gate opened")
    assert caught.value.exit_code == 1
    assert code in caught.value.reports[0].codes
