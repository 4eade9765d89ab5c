"""What every endpoint does alike: bodies, types, caps, headers, rates, faults."""

import json
import time

import pytest

WRITES = [
    "/credentials",
    "/credentials/status",
    "/credentials/issue",
    "/credentials/verify",
    "/presentations/verify",
    "/challenges",
    "/tokens",
    "/status-lists",
]
JSON = {"Content-Type": "application/json"}


def post(registry, path, content, headers=None, publisher=None):
    publisher_headers = publisher.headers if publisher else {}
    return registry.http.post(path, content=content, headers={**JSON, **publisher_headers, **(headers or {})})


@pytest.fixture(params=[None], ids=["sqlite"])
def database_url(request):
    """The form of bodies, headers and answers does not depend on the database."""
    return request.param


@pytest.fixture
def operator(registry):
    """A publisher with every scope, so that only the body can be at fault."""
    publisher = registry.login()
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE publisher SET role = 'operator'")
        connection.exec_driver_sql("UPDATE token SET scopes = 'issue publish status'")
    return publisher


BAD_JSON = {
    "empty": b"",
    "text": b"hello",
    "trailing comma": b'{"a":1,}',
    "comment": b'{"a":1} // x',
    "single quotes": b"{'a':1}",
    "two values": b"{}{}",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "utf-16": '{"a":1}'.encode("utf-16le"),
    "latin-1": b'{"a":"\xe9"}',
    "bom": b"\xef\xbb\xbf{}",
    "nul": b'{"a":"\x00"}',
    "duplicate": b'{"credential":{},"credential":{}}',
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "5000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "big integer": b'{"a":9007199254740993}',
    "surrogate": b'{"a":"\\ud800"}',
    "unterminated": b'{"a":"',
}


# VCALM lets a challenge be asked for without any body.
@pytest.mark.parametrize(
    ("path", "name"), [(path, name) for path in WRITES for name in BAD_JSON if (path, name) != ("/challenges", "empty")]
)
def test_a_body_that_is_not_strict_json_is_refused(registry, operator, path, name):
    started = time.process_time()
    answer = post(registry, path, BAD_JSON[name], publisher=operator)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert time.process_time() - started < 2
    assert registry.http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "issuer=%00",
        "license=a%00b",
        "subject=%00",
        "cursor=%00",
        "q=%ff%fe",
        "type=%ED%A0%80",
        "q=" + "x" * 201,
        "role=" + "x" * 201,
    ],
)
def test_strange_queries_are_refused_or_find_nothing(registry, query):
    answer = registry.http.get(f"/credentials?{query}")
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json()["items"] == []


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "body",
    [
        {"name": "a\x00b", "verifiablePresentation": {}},
        {"credential": {"id": "\x00"}},
        {"\x00": 1},
        {"a": [{"b": "\x00"}]},
    ],
)
def test_nul_is_refused_wherever_it_hides(registry, operator, path, body):
    assert registry.http.post(path, json=body, headers=operator.headers).status_code == 400


@pytest.mark.parametrize("path", ["/credentials", "/challenges", "/tokens", "/credentials/status"])
@pytest.mark.parametrize("body", [b'{"a":null}', b'{"a":0.5}', b'{"a":1e3}'])
def test_null_and_fractions_are_refused_where_our_profile_rules(registry, operator, path, body):
    assert post(registry, path, body, publisher=operator).status_code == 400


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
    ],
    ids=str,
)
def test_other_types_and_encodings_of_bodies_are_refused(registry, operator, path, headers):
    answer = post(registry, path, b"{}", headers, operator)
    assert answer.status_code == 415
    assert answer.json()["code"] in ("CONTENT_TYPE", "CONTENT_ENCODING")


def test_a_form_of_a_million_fields_is_refused_unread(registry):
    body = b"&".join([b"a=b"] * 1_000_000)
    started = time.process_time()
    answer = registry.http.post(
        "/credentials/verify", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 415
    assert time.process_time() - started < 1


@pytest.mark.parametrize("path", WRITES)
def test_one_byte_more_than_a_mebibyte_is_too_large(registry, operator, path):
    body = b'{"a":"' + b"x" * (1024 * 1024 - 7) + b'"}'
    assert len(body) == 1024 * 1024 + 1
    answer = post(registry, path, body, publisher=operator)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_a_mebibyte_is_read(registry):
    body = b'{"a":"' + b"x" * (1024 * 1024 - 8) + b'"}'
    assert len(body) == 1024 * 1024
    assert post(registry, "/challenges", body).json()["code"] == "UNKNOWN_PROPERTY"


SECRET = "s3cr3t-Pa55phrase"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/credentials", {"credential": {"id": SECRET, "password": SECRET}}),
        ("/credentials", {"credential": SECRET}),
        ("/tokens", {"verifiablePresentation": {"holder": SECRET, "@context": [SECRET]}}),
        ("/tokens", {"verifiablePresentation": {}, "name": {"x": SECRET}}),
        ("/credentials/status", {"credentialId": SECRET, "type": "StatusChangeRequest"}),
        ("/credentials/verify", {"verifiableCredential": {"id": SECRET, "type": SECRET, "@context": SECRET}}),
        ("/credentials/verify", {"verifiableCredential": SECRET}),
        ("/presentations/verify", {"verifiablePresentation": {"proof": SECRET}}),
        ("/challenges", {"x": SECRET}),
    ],
)
def test_a_refusal_never_repeats_what_was_sent(registry, operator, caplog, path, body):
    answer = registry.http.post(path, json=body, headers=operator.headers)
    assert 400 <= answer.status_code < 500
    assert SECRET not in answer.text
    assert SECRET not in caplog.text
    assert {"type", "title", "status", "code", "detail", "requestId"} <= set(answer.json())
    assert answer.json()["requestId"] == answer.headers["x-request-id"]


def test_a_fault_of_ours_is_answered_with_an_id_and_nothing_else(registry, monkeypatch, caplog):
    def explode(*arguments, **options):
        raise RuntimeError(SECRET)

    monkeypatch.setattr("service.credentials.endpoints.search_page", explode)
    answer = registry.http.get("/credentials")
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert set(answer.json()) == {"type", "title", "status", "code", "detail", "requestId"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert any(
        getattr(record, "fields", {}).get("requestId") == answer.json()["requestId"] for record in caplog.records
    )


def test_a_fault_in_one_write_does_not_fail_the_others(registry, publisher):
    writer = registry.state.sequencer

    def explode(batch):
        batch.append(b"never logged")
        raise RuntimeError

    futures = [writer.enqueue(explode), writer.enqueue(lambda batch: "fine")]
    assert isinstance(futures[0].exception(5), RuntimeError)
    assert futures[1].result(5) == "fine"
    assert registry.state.released.size == 0
    publisher.publish()


@pytest.mark.parametrize(
    "path",
    ["/credentials", "/log/checkpoint", "/healthz", "/nothing", "/metrics", "/.well-known/datasigil-registry.json"],
)
def test_every_answer_of_the_api_has_the_security_headers(registry, path):
    headers = registry.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert len(headers["x-request-id"]) == 16
    assert "cache-control" in headers
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_private_answers_are_not_stored(registry, publisher):
    assert registry.http.get("/tokens", headers=publisher.headers).headers["cache-control"] == "no-store"
    assert registry.http.post("/challenges", json={}).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_the_documentation_page_is_off(registry, path):
    assert registry.http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/credentials"), ("DELETE", "/log/checkpoint"), ("POST", "/lookup"), ("PATCH", "/tokens")],
)
def test_another_method_is_405_as_a_problem(registry, method, path):
    answer = registry.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "offered"),
    [("/credentials/issue", "POST"), ("/credentials/verify", "POST"), ("/credentials", "GET, POST")],
)
def test_a_refused_method_names_the_methods_of_the_path_as_it_is_spelled(registry, path, offered):
    answer = registry.http.request("OPTIONS", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, offered)


def test_ten_thousand_ranges_change_nothing(registry, publisher):
    publisher.publish()
    ranges = "bytes=" + ",".join(f"{number}-{number}" for number in range(10_000))
    for path in ("/log/checkpoint", "/static/site.css"):
        started = time.process_time()
        assert registry.http.get(path, headers={"Range": ranges}).status_code in (200, 416)
        assert time.process_time() - started < 1


def test_a_flood_of_requests_is_slowed_down_for_its_token_only(open_registry):
    registry = open_registry(rate_per_second=10.0, rate_burst=40)
    first, second = registry.login(), registry.login()
    statuses = [registry.http.get("/tokens", headers=first.headers) for _ in range(100)]
    refused = [answer for answer in statuses if answer.status_code == 429]
    assert refused
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert refused[0].json()["code"] == "RATE_LIMITED"
    assert registry.http.get("/tokens", headers=second.headers).status_code == 200


def test_a_made_up_forwarded_address_or_token_does_not_help(open_registry):
    registry = open_registry(rate_per_second=0.001, rate_burst=5)
    statuses = [
        registry.http.get(
            "/lookup?sha256=" + "0" * 64,
            headers={
                "X-Forwarded-For": f"10.0.0.{number}",
                "Forwarded": f"for=10.0.0.{number}",
                "Authorization": f"Bearer dsr_{number:043d}",
            },
        ).status_code
        for number in range(8)
    ]
    assert statuses == [200] * 5 + [429] * 3


def test_health_is_never_limited(open_registry):
    registry = open_registry(rate_per_second=0.001, rate_burst=1)
    assert {registry.http.get("/healthz").status_code for _ in range(10)} == {200}


def test_the_journal_holds_ids_and_no_secrets(registry, publisher):
    import logging

    from service.journal import JsonFormatter

    record = logging.LogRecord("service.access", logging.INFO, "", 0, "request", (), None)
    record.fields = {"requestId": "x", "status": 200}
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["requestId"], line["status"]) == ("request", "x", 200)
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        failed = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), (type(error), error, error.__traceback__))
    assert SECRET not in JsonFormatter().format(failed)


def test_lines_of_one_turn_of_the_event_loop_are_written_together_and_before_any_later_record():
    import asyncio
    import io
    import logging

    from service.journal import LineHandler

    class Counting(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    stream = Counting()
    handler = LineHandler(stream)
    record = logging.LogRecord("x", logging.WARNING, "", 0, "last", (), None)

    async def turns() -> None:
        for number in range(200):  # past the hundredth, where another encoder takes over
            handler.write("service.access", "request", {"number": number, "text": "Zoë \x9b\u2028"})
        await asyncio.sleep(0)
        assert stream.writes == 1
        handler.write("service.access", "request", {"number": 200})
        handler.handle(record)
        handler.write("service.access", "request", {"number": 201})

    asyncio.run(turns())
    handler.write("service.access", "request", {"number": 202})  # without a loop: at once
    text = stream.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert text.isascii()
    assert [line.get("number", line["message"]) for line in lines] == [*range(201), "last", 201, 202]
    assert lines[0]["text"] == lines[199]["text"] == "Zoë \x9b\u2028"


def test_metrics_count_by_route_template_and_never_by_id(registry, publisher):
    document = publisher.publish()
    registry.http.get(f"/credentials/{document['id']}")
    registry.http.get("/no/such/thing")
    text = registry.http.get("/metrics").text
    assert 'route="/credentials/{credential_id}"' in text
    assert document["id"] not in text
    assert "no/such" not in text
    assert "datasigil_log_size 1.0" in text
    assert "datasigil_writer_up 1.0" in text


@pytest.mark.parametrize(
    "text",
    ["x" * 60_000, "%00", "a%00b", "%ED%A0%80", "\ufffe", "..%2f..%2fetc%2fpasswd", "%ff", "' OR 1=1 --", "<script>"],
)
def test_strange_identifiers_are_not_found_and_nothing_more(registry, text):
    answer = registry.http.get(f"/credentials/{text}")
    assert answer.status_code in (400, 404)
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/credentials?limit=1&limit=2",
        "/credentials?q=a&%71=b",
        "/log/proof?index=null&index=0",
        "/credentials?limit=5.0",
        "/credentials?limit=1_0",
        "/credentials?limit=%205",
        "/credentials?limit=%D9%A3",
        "/log/proof?index=0.0",
        "/log/consistency?old=1e0",
    ],
)
def test_a_parameter_given_twice_or_not_in_plain_digits_is_refused(registry, path):
    answer = registry.http.get(path)
    assert answer.status_code == 400
    assert answer.json()["code"] == "BAD_PARAMETER"


@pytest.mark.parametrize(
    ("body", "place"),
    [(b'{"credential": ', "line 1 column 16"), (b'{"a": 1, "a": 2}', "member 'a'"), (b'{"a": "\xff"}', "byte 7")],
)
def test_a_body_that_is_no_json_is_refused_at_its_place_with_what_to_do(registry, body, place):
    answer = registry.http.post("/credentials/verify", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith(f"at {place}")
    assert answer.json()["nextAction"]
