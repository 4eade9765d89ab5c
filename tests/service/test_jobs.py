"""The queue of training jobs over HTTP: asked for, claimed, heard of, given back, cancelled, ended; who sees what; bad input."""

import hashlib
import json
from copy import deepcopy
from uuid import uuid4

import pytest
from model_results import model_result
from sqlalchemy import update

from datasigil.signing import LocalSigner
from service.fsck import check_everything
from service.tables import TRAINING_JOBS, TRAINING_RESULTS
from service.training import recipes

SCOPES = ["publish", "status", "train", "work"]
ONE, TWO = "worker-one", "worker-two"
RECIPE = {
    "type": "TrainingRecipe",
    "formatVersion": 1,
    "name": "Tiny clauses",
    "data": [
        {
            "credential": "urn:uuid:5b0b0d62-5b1c-4a57-9f2e-0a3f0a6b7c11",
            "bundle": "data.sigil.json",
            "path": "data",
            "files": {"train": ["train.jsonl"], "validation": ["validation.jsonl"], "test": ["test.jsonl"]},
            "columns": {"text": "text", "labels": "label"},
        }
    ],
    "splits": {"by": "files"},
    "task": {"type": "single-label", "labels": [{"name": "a", "tags": ["a"]}, {"name": "b", "tags": ["b"]}]},
    "training": {"learningRate": 0.01},
}
REFUSAL = {
    "type": "TrainingRefusal",
    "formatVersion": 1,
    "decision": "INVALID",
    "headline": "INVALID: the credential was revoked",
    "reports": [
        {
            "checks": [
                {
                    "step": 8, "name": "status", "outcome": "failed", "code": "REVOKED", "message": "revoked <by its issuer>",
                    "nextAction": {"command": "ask the publisher", "actor": "publisher", "retry": False},
                }
            ]
        }
    ],
}  # fmt: skip


class Caller:
    """Somebody with a token, and what they ask."""

    def __init__(self, registry, signer=None, scopes=None):
        self.registry = registry
        self.publisher = registry.login(signer, scopes=scopes or SCOPES)
        self.did, self.headers = self.publisher.did, self.publisher.headers

    def post(self, path, body=None, **headers):
        given = {"json": body} if body is not None else {}
        return self.registry.http.post(path, headers={**self.headers, **headers}, **given)

    def get(self, path):
        return self.registry.http.get(path, headers=self.headers)

    def submit(self, recipe=None, **body):
        answer = self.post("/training/jobs", {"recipe": recipe or RECIPE, **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def claim(self, worker=ONE):
        answer = self.post("/training/claims", {"worker": worker})
        assert answer.status_code == 200, answer.text
        return answer.json().get("job")

    def about(self, job, name, worker=ONE, **body):
        held = {"worker": worker, "attempt": job["attempt"], **body}
        return self.post(f"/training/jobs/{job['id']}/{name}", held)

    def job(self, job):
        return self.get(f"/training/jobs/{job['id']}").json()


@pytest.fixture
def caller(registry):
    return Caller(registry)


def codes(answer):
    return answer.status_code, answer.json()["code"]


PROGRESS = {"step": 3, "steps": 9, "epoch": 1, "epochs": 3, "loss": "0.6931", "etaSeconds": 12}


def test_a_job_goes_from_the_queue_to_its_worker_to_the_log(caller):
    made = caller.submit()
    assert made["state"] == "queued"
    lease = caller.claim()
    assert (lease["id"], lease["attempt"], lease["recipe"]) == (made["id"], 1, RECIPE)
    assert caller.job(lease)["state"] == "leased"
    assert caller.about(lease, "heartbeats", progress=PROGRESS).status_code == 200
    shown = caller.job(lease)
    assert (shown["state"], shown["progress"]) == ("running", PROGRESS)
    result = model_result(caller.publisher, [RECIPE["data"][0]["credential"]])
    answer = caller.about(lease, "results", outcome="finished", **result)
    assert answer.status_code == 201, answer.text
    reply = answer.json()
    assert caller.get(f"/credentials/{reply['digest']}").json() == result["credential"]
    assert (caller.job(lease)["state"], caller.job(lease)["credential"]) == ("finished", reply["digest"])
    for name in ("receipt", "card"):
        answer = caller.get(f"/training/jobs/{lease['id']}/{name}")
        assert hashlib.sha256(answer.content).hexdigest() == result["credential"]["credentialSubject"][f"{name}Digest"]
    assert caller.claim() is None


def test_a_result_is_accepted_once_and_its_repetition_answers_the_same(caller):
    caller.submit()
    lease = caller.claim()
    result = model_result(caller.publisher, [RECIPE["data"][0]["credential"]])
    first = caller.about(lease, "results", outcome="finished", **result)
    again = caller.about(lease, "results", outcome="finished", **result)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = caller.about(lease, "results", outcome="failed", error={"code": "DISK_FULL", "message": "full"})
    assert codes(other) == (409, "JOB_OVER")
    assert caller.job(lease)["state"] == "finished"


def test_a_worker_that_is_fenced_off_can_neither_report_nor_finish(registry, caller):
    caller.submit()
    old = caller.claim(ONE)
    registry.clock.turn(seconds=61)
    new = caller.claim(TWO)
    assert (new["id"], new["attempt"]) == (old["id"], 2)
    before = registry.http.get("/credentials").json()["items"]
    result = model_result(caller.publisher, [RECIPE["data"][0]["credential"]])
    assert codes(caller.about(old, "heartbeats")) == (409, "LEASE_LOST")
    assert codes(caller.about(old, "results", outcome="finished", **result)) == (409, "LEASE_LOST")
    assert codes(caller.about(old, "give-backs")) == (409, "LEASE_LOST")
    assert registry.http.get("/credentials").json()["items"] == before, "a fenced worker's credential got into the log"
    assert caller.about(new, "heartbeats", worker=TWO).status_code == 200


def test_a_lease_that_ran_out_unnoticed_still_counts(registry, caller):
    """Nobody else has claimed the job, so what the worker did is not thrown away."""
    caller.submit()
    lease = caller.claim()
    registry.clock.turn(hours=3)
    result = model_result(caller.publisher, [RECIPE["data"][0]["credential"]])
    assert caller.about(lease, "heartbeats").status_code == 200
    registry.clock.turn(hours=3)
    assert caller.about(lease, "results", outcome="finished", **result).status_code == 201


def test_no_lease_is_called_lost_right_after_the_registry_was_away(open_registry):
    first = open_registry()
    signer = LocalSigner.generate("ed25519")
    caller = Caller(first, signer)
    caller.submit()
    lease = caller.claim(ONE)
    first.http.__exit__(None, None, None)
    first.clock.turn(minutes=30)
    back = Caller(open_registry(), signer)
    assert back.claim(TWO) is None
    assert back.about(lease, "heartbeats").status_code == 200
    first.clock.turn(seconds=61)
    assert back.claim(TWO)["attempt"] == 2


def test_a_worker_that_starts_again_gets_its_own_job_first_under_a_new_lease(caller):
    first, second = caller.submit(), caller.submit()
    assert caller.claim(ONE)["id"] == first["id"]
    again = caller.claim(ONE)
    assert (again["id"], again["attempt"]) == (first["id"], 2)
    assert caller.job(again)["lostLeases"] == 0, "a claim whose answer was lost is no lost lease"
    caller.about(again, "heartbeats")
    third = caller.claim(ONE)
    assert (third["id"], third["attempt"], caller.job(third)["lostLeases"]) == (first["id"], 3, 1)
    assert caller.claim(TWO)["id"] == second["id"]


def test_a_job_that_kills_its_workers_fails_after_so_many(caller):
    job = caller.submit(lostLeases=3)
    for _ in range(3):
        caller.about(caller.claim(), "heartbeats")
    assert caller.claim() is None
    assert caller.job(job)["state"] == "failed"
    assert "not heard of" in caller.job(job)["note"]


def test_a_job_given_back_waits_for_the_worker_that_has_its_checkpoint(caller):
    job = caller.submit()
    lease = caller.claim(ONE)
    caller.about(lease, "heartbeats", progress=PROGRESS)
    back = caller.about(lease, "give-backs", note="stopped after step 3 of 9").json()
    assert (back["state"], back["note"], back["lostLeases"]) == ("queued", "stopped after step 3 of 9", 0)
    assert codes(caller.about(lease, "heartbeats")) == (409, "LEASE_LOST")
    other = caller.submit()
    assert caller.claim(ONE)["id"] == job["id"]
    assert caller.claim(TWO)["id"] == other["id"]


def test_a_cancelled_job_stops_its_worker_and_is_cancelled_once(caller):
    job = caller.submit()
    lease = caller.claim()
    assert caller.post(f"/training/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert codes(caller.about(lease, "heartbeats")) == (409, "JOB_OVER")
    assert codes(caller.about(lease, "results", outcome="refused", refusal=REFUSAL)) == (409, "JOB_OVER")
    assert codes(caller.post(f"/training/jobs/{job['id']}/cancel")) == (409, "JOB_OVER")
    assert caller.claim() is None


def test_a_refusal_is_shown_in_full(registry, caller):
    caller.submit(public=True)
    lease = caller.claim()
    assert caller.about(lease, "results", outcome="refused", refusal=REFUSAL).status_code == 201
    assert caller.job(lease)["refusal"] == REFUSAL
    page = registry.http.get(f"/jobs/{lease['id']}").text
    assert "REVOKED" in page
    assert "ask the publisher" in page
    assert "revoked &lt;by its issuer&gt;" in page


def test_the_same_idempotency_key_asks_for_one_job(caller):
    key = {"Idempotency-Key": uuid4().hex}
    first = caller.post("/training/jobs", {"recipe": RECIPE}, **key)
    again = caller.post("/training/jobs", {"recipe": RECIPE}, **key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert codes(caller.post("/training/jobs", {"recipe": {**RECIPE, "name": "x"}}, **key)) == (
        422,
        "IDEMPOTENCY_KEY_REUSED",
    )


def test_fsck_finds_a_result_that_was_altered(registry, caller):
    caller.submit()
    lease = caller.claim()
    result = model_result(caller.publisher, [RECIPE["data"][0]["credential"]])
    caller.about(lease, "results", outcome="finished", **result)
    other = caller.submit()
    registry.settle()
    assert check_everything(registry.settings).lines() == [check_everything(registry.settings).lines()[-1]]
    with registry.state.database.writer.begin() as connection:
        connection.execute(update(TRAINING_RESULTS).values(card=b"{}"))
        connection.execute(update(TRAINING_JOBS).where(TRAINING_JOBS.c.id == other["id"]).values(state="refused"))
    found = check_everything(registry.settings).lines()
    assert any("the card is not the one" in line for line in found)
    assert any("refused without a result" in line for line in found)


# Who may do what ------------------------------------------------------------------------------------------------------


def test_a_private_job_does_not_exist_for_others(registry, caller):
    job, lease = caller.submit(), caller.claim()
    stranger = Caller(registry)
    for path in ("", "/receipt", "/card"):
        assert stranger.get(f"/training/jobs/{job['id']}{path}").status_code == 404
        assert registry.http.get(f"/training/jobs/{job['id']}{path}").status_code == 404
    assert registry.http.get(f"/jobs/{job['id']}").status_code == 404
    assert stranger.get("/training/jobs").json()["items"] == []
    assert stranger.claim() is None
    for name, body in (("heartbeats", {}), ("give-backs", {}), ("results", {"outcome": "refused", "refusal": REFUSAL})):
        assert codes(stranger.about(lease, name, **body)) == (404, "NOT_FOUND")
    assert codes(stranger.post(f"/training/jobs/{job['id']}/cancel")) == (404, "NOT_FOUND")
    assert caller.job(job)["state"] == "leased"


def test_a_public_job_shows_its_state_and_hides_its_recipe(registry, caller):
    job = caller.submit(public=True)
    shown = registry.http.get(f"/training/jobs/{job['id']}").json()
    assert shown["state"] == "queued"
    assert "recipe" not in shown
    assert "recipe" in caller.job(job)
    stranger = Caller(registry)
    assert codes(stranger.post(f"/training/jobs/{job['id']}/cancel")) == (403, "FORBIDDEN")
    assert [one["id"] for one in registry.http.get("/training/jobs").json()["items"]] == [job["id"]]


def test_a_job_may_be_meant_for_the_workers_of_another_did(registry, caller):
    trainer = Caller(registry, scopes=["work", "publish"])
    job = caller.submit(worker=trainer.did)
    assert caller.claim() is None
    lease = trainer.claim()
    assert lease["id"] == job["id"]
    assert codes(caller.about(lease, "heartbeats")) == (404, "NOT_FOUND")
    assert trainer.get(f"/training/jobs/{job['id']}").json()["recipe"] == RECIPE
    assert codes(trainer.post(f"/training/jobs/{job['id']}/cancel")) == (403, "SCOPE_MISSING")


def test_a_token_needs_the_scope(registry):
    one = "/training/jobs/job_" + "0" * 24
    for scopes, path, body in (
        (["work"], "/training/jobs", {"recipe": RECIPE}),
        (["train"], "/training/claims", {"worker": ONE}),
        (["train", "publish"], one + "/heartbeats", {"worker": ONE, "attempt": 1}),
        (["publish"], one + "/cancel", None),
    ):
        assert codes(Caller(registry, scopes=scopes).post(path, body)) == (403, "SCOPE_MISSING"), path


def test_a_worker_without_the_scope_to_publish_finishes_nothing(registry, caller):
    trainer = Caller(registry, scopes=["work"])
    caller.submit(worker=trainer.did)
    lease = trainer.claim()
    result = model_result(trainer.publisher, [RECIPE["data"][0]["credential"]])
    assert codes(trainer.about(lease, "results", outcome="finished", **result)) == (403, "SCOPE_MISSING")
    assert trainer.about(lease, "heartbeats").status_code == 200


def test_an_expired_token_claims_nothing(registry, caller):
    caller.submit()
    registry.clock.turn(days=91)
    assert codes(caller.post("/training/claims", {"worker": ONE})) == (401, "UNAUTHENTICATED")
    assert codes(caller.get("/training/jobs")) == (401, "UNAUTHENTICATED")


# Bad input ------------------------------------------------------------------------------------------------------------


def changed(path, value):
    """The recipe with one member set, or taken away by `...`."""
    recipe = deepcopy(RECIPE)
    *steps, last = path
    target = recipe
    for step in steps:
        target = target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return recipe


BAD_RECIPES = [
    (changed(("training", "learningRatte"), 1), "RECIPE_KEY", "/recipe/training/learningRatte", "learningRate"),
    (changed(("dta",), []), "RECIPE_KEY", "/recipe/dta", "data"),
    (changed(("data", 0, "bundel"), "x"), "RECIPE_KEY", "/recipe/data/0/bundel", "bundle"),
    (changed(("data",), ...), "RECIPE", "/recipe/data", "required"),
    (changed(("data",), []), "RECIPE", "/recipe/data", "1 to 64"),
    (changed(("type",), "Recipe"), "RECIPE", "/recipe/type", "TrainingRecipe"),
    (changed(("formatVersion",), 2), "RECIPE", "/recipe/formatVersion", "1"),
    (changed(("formatVersion",), True), "RECIPE", "/recipe/formatVersion", "integer"),
    (changed(("name",), ""), "RECIPE", "/recipe/name", "1 to 200"),
    (changed(("name",), 7), "RECIPE", "/recipe/name", "string"),
    (changed(("task", "type"), "regression"), "RECIPE", "/recipe/task/type", "causal-lm"),
    (changed(("training", "epochs"), 0), "RECIPE", "/recipe/training/epochs", "at least 1"),
    (changed(("training", "epochs"), "3"), "RECIPE", "/recipe/training/epochs", "integer"),
    (changed(("training", "lora"), {"rank": 4, "alpah": 8}), "RECIPE_KEY", "/recipe/training/lora/alpah", "alpha"),
    (changed(("data", 0, "credentialDigest"), "xyz"), "RECIPE", "/recipe/data/0/credentialDigest", "0-9a-f"),
    (changed(("provided",), {"by": "A", "facts": {"x": 3}}), "RECIPE", "/recipe/provided/facts/x", "string"),
    (changed(("training", "seed"), 2**31), "RECIPE", "/recipe/training/seed", "at most"),
]  # fmt: skip


def test_a_recipe_of_another_form_is_refused_where_it_is_wrong(caller):
    for recipe, code, pointer, word in BAD_RECIPES:
        answer = caller.post("/training/jobs", {"recipe": recipe})
        assert codes(answer) == (422, code), pointer
        body = answer.json()
        assert body["pointer"] == pointer
        assert word in body["expected"] + body["detail"], pointer
    assert caller.get("/training/jobs").json()["items"] == []


HELD = {"worker": ONE, "attempt": 1}


NOT_SAID = [
    ("heartbeats", {**HELD, "progress": {**PROGRESS, "step": 10}}, 422, "/progress"),
    ("heartbeats", {**HELD, "progress": {**PROGRESS, "step": -1}}, 422, "/progress/step"),
    ("heartbeats", {**HELD, "progress": {**PROGRESS, "steps": 0}}, 422, "/progress/steps"),
    ("heartbeats", {**HELD, "progress": {**PROGRESS, "loss": "NaN"}}, 422, "/progress/loss"),
    ("heartbeats", {**HELD, "progress": {**PROGRESS, "loss": "1e9"}}, 422, "/progress/loss"),
    ("heartbeats", {**HELD, "progress": {**PROGRESS, "step": True}}, 422, "/progress/step"),
    ("heartbeats", {**HELD, "progress": {**PROGRESS, "eta": 1}}, 422, "/progress/eta"),
    ("heartbeats", {**HELD, "attempt": 0}, 422, "/attempt"),
    ("heartbeats", {**HELD, "attempt": 7}, 409, "/attempt"),
    ("heartbeats", {**HELD, "worker": TWO}, 409, "/attempt"),
    ("heartbeats", {**HELD, "worker": "../../etc"}, 422, "/worker"),
    ("heartbeats", {"attempt": 1}, 422, "/worker"),
    ("give-backs", {**HELD, "note": "x" * 2001}, 422, "/note"),
    ("results", {**HELD, "outcome": "won"}, 422, "/outcome"),
    ("results", {**HELD, "outcome": "finished"}, 422, None),
    ("results", {**HELD, "outcome": "failed", "refusal": REFUSAL}, 422, None),
    ("results", {**HELD, "outcome": "refused", "refusal": {**REFUSAL, "decision": "VALID"}}, 422, "/refusal/decision"),
    ("results", {**HELD, "outcome": "refused", "refusal": {**REFUSAL, "headline": ""}}, 422, "/refusal/headline"),
    ("results", {**HELD, "outcome": "failed", "error": {"code": "disk full", "message": "x"}}, 422, "/error/code"),
]  # fmt: skip


def test_what_a_worker_may_not_say_is_refused_and_changes_nothing(caller):
    job = caller.submit()
    lease = caller.claim()
    before = caller.job(job)
    for name, body, status, pointer in NOT_SAID:
        answer = caller.post(f"/training/jobs/{lease['id']}/{name}", body)
        assert answer.status_code == status, answer.text
        assert answer.json().get("pointer") == pointer, answer.text
    assert caller.job(job) == before


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "0.5", "null"])
def test_a_loss_that_is_no_decimal_string_is_refused(caller, literal):
    caller.submit()
    lease = caller.claim()
    text = json.dumps({**HELD, "progress": {**PROGRESS, "loss": "@"}}).replace('"@"', literal)
    answer = caller.registry.http.post(
        f"/training/jobs/{lease['id']}/heartbeats",
        content=text,
        headers={**caller.headers, "Content-Type": "application/json"},
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path", ["/training/jobs/job_1", "/training/jobs/job_" + "0" * 23 + "G", "/training/jobs/x%2Fy"]
)
def test_an_id_of_another_form_is_no_job(caller, path):
    assert caller.get(path).status_code in (400, 404)


def test_a_job_that_is_too_large_is_refused(caller):
    answer = caller.post("/training/jobs", {"recipe": changed(("name",), "x" * (1024 * 1024))})
    assert codes(answer) == (413, "BODY_TOO_LARGE")


def test_a_worker_that_is_no_did_is_refused(caller):
    answer = caller.post("/training/jobs", {"recipe": RECIPE, "worker": "me"})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/worker")


def test_a_result_that_does_not_belong_to_the_job_is_refused(registry, caller):
    caller.submit()
    lease = caller.claim()
    named = [RECIPE["data"][0]["credential"]]
    good, other = model_result(caller.publisher, named), model_result(caller.publisher, named, name="another")
    mismatched = {
        "receipt": {**good, "receipt": other["receipt"]},
        "card": {**good, "card": other["card"]},
        "data": model_result(caller.publisher, ["urn:uuid:" + str(uuid4())]),
        "type": {**good, "credential": caller.publisher.issue()},
    }
    for what, result in mismatched.items():
        assert codes(caller.about(lease, "results", outcome="finished", **result)) == (422, "RESULT_MISMATCH"), what
    foreign = model_result(registry.login(), named)
    assert codes(caller.about(lease, "results", outcome="finished", **foreign)) == (403, "NOT_YOURS")
    assert caller.job(lease)["state"] == "leased"


def test_every_word_of_the_recipe_schema_is_one_that_the_check_knows():
    """A keyword that the check passed over would let a recipe through that the worker refuses."""
    known = {
        "$ref", "$defs", "$id", "$schema", "anyOf", "type", "const", "enum", "minLength", "maxLength", "pattern", "minItems",
        "maxItems", "items", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "properties", "required",
        "additionalProperties", "patternProperties", "propertyNames", "title", "description", "default",
    }  # fmt: skip
    found: set[str] = set()

    def walk(schema):
        found.update(schema)
        for name in ("properties", "patternProperties", "$defs"):
            for inner in schema.get(name, {}).values():
                walk(inner)
        for inner in (schema.get("items"), schema.get("additionalProperties"), schema.get("propertyNames")):
            if isinstance(inner, dict):
                walk(inner)
        for inner in schema.get("anyOf", []):
            walk(inner)
        if "anyOf" in schema:
            assert sum(one.get("type") != "null" for one in schema["anyOf"]) == 1

    walk(recipes._schema())
    assert found <= known, found - known


# Pages ----------------------------------------------------------------------------------------------------------------


def test_a_page_shows_progress_without_a_script_and_admits_its_own_script_alone(registry, caller):
    caller.submit(public=True)
    lease = caller.claim()
    caller.about(lease, "heartbeats", progress=PROGRESS)
    answer = registry.http.get(f"/jobs/{lease['id']}")
    assert '<progress max="9" value="3">' in answer.text
    assert "step" in answer.text
    assert '<noscript><meta http-equiv="refresh"' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert registry.http.get("/static/job.js").headers["content-type"].startswith("text/javascript")
    assert "Tiny clauses" in registry.http.get("/jobs").text
    caller.about(lease, "results", outcome="failed", error={"code": "DISK_FULL", "message": "<full>"})
    page = registry.http.get(f"/jobs/{lease['id']}").text
    assert "job.js" not in page
    assert "&lt;full&gt;" in page


def test_a_page_of_nothing_says_so(registry):
    assert "No public job" in registry.http.get("/jobs").text
    assert registry.http.get("/jobs/job_" + "0" * 24).status_code == 404
    assert registry.http.get("/jobs/" + "x" * 5_000).status_code == 404


def test_pages_of_jobs_continue_by_a_cursor_of_their_own(registry, caller):
    made = [caller.submit()["id"] for _ in range(5)]
    seen, path = [], "/training/jobs?limit=2"
    while path:
        page = caller.get(path).json()
        seen += [one["id"] for one in page["items"]]
        path = f"/training/jobs?limit=2&cursor={page['next']}" if "next" in page else ""
    assert seen == made[::-1]
    cursor = caller.get("/training/jobs?limit=2").json()["next"]
    assert codes(Caller(registry).get(f"/training/jobs?cursor={cursor}")) == (400, "BAD_CURSOR")
