"""The pages in a real browser: each loads without a complaint of the console, on a wide screen and on a phone."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright
from registry_process import REPOSITORY, LivePublisher, RegistryProcess

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        if os.environ.get("DATASIGIL_REQUIRE_ALL") == "1":
            pytest.fail("Chromium is required here (DATASIGIL_REQUIRE_ALL=1) and missing")
        pytest.skip("Chromium is missing")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.needs_chromium
@pytest.mark.timeout(180)
def test_every_page_loads_without_a_complaint(page: Page, tmp_path: Path) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with RegistryProcess(tmp_path / "data").initialise() as registry:
        page.goto(registry.url + "/")
        assert "Nothing is registered here yet" in page.inner_text("main")
        publisher = LivePublisher(registry)
        first, second = publisher.publish(), publisher.publish()
        revoked = httpx.post(f"{registry.url}/credentials/status", json=publisher.status_request(first, "revocation"))
        assert revoked.status_code == 200
        for width in (390, 1200):
            page.set_viewport_size({"width": width, "height": 800})
            for path in ("/", "/?q=contract", f"/datasets/{first['id']}", f"/datasets/{second['id']}", "/log/"):
                page.goto(registry.url + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                    f"{path} is wider than the screen"
                )
        page.goto(f"{registry.url}/datasets/{first['id']}")
        assert "Do not use it" in page.inner_text(".banner.revoked")
        assert page.evaluate("document.querySelector('img').naturalWidth") > 0
    assert complaints == []


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.timeout(180)
def test_a_jobs_page_follows_its_worker_without_being_loaded_again(page: Page, tmp_path: Path) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with RegistryProcess(tmp_path / "data").initialise() as registry:
        trainer = LivePublisher(registry, asked={"scopes": ["train", "work"]})

        def post(path: str, **body: object) -> dict:
            answer = httpx.post(f"{registry.url}/training/{path}", json=body, headers=trainer.headers, timeout=20)
            assert answer.status_code in (200, 201), answer.text
            return dict(answer.json())

        document = json.loads((REPOSITORY / "openapi/openapi.json").read_text("utf-8"))
        body = document["paths"]["/training/jobs"]["post"]["requestBody"]["content"]["application/json"]["example"]
        job = post("jobs", **{**body, "public": True})["id"]
        held = {"worker": "browser-test", "attempt": post("claims", worker="browser-test")["job"]["attempt"]}
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"{registry.url}/jobs/{job}")
        page.evaluate("window.same = true")
        assert "leased" in page.inner_text(".banner")
        told = {"steps": 60, "epoch": 1, "epochs": 3, "loss": "0.6931", "etaSeconds": 48}
        post(f"jobs/{job}/heartbeats", **held, progress={**told, "step": 12})
        page.wait_for_selector("progress[value='12']")
        assert "0.6931" in page.inner_text("#live")
        post(
            f"jobs/{job}/results", **held, outcome="failed", error={"code": "DISK_FULL", "message": "the disk is full"}
        )
        page.wait_for_selector(".banner.failed")
        assert "the disk is full" in page.inner_text("#live")
        assert page.evaluate("window.same"), "the page was loaded again"
        assert page.title().startswith("Contract clauses: failed")
        for path in ("/jobs", f"/jobs/{job}"):
            page.goto(registry.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{path} is wider than the screen"
    assert complaints == []
