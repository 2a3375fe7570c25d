"""The page of the API's contract in a real browser, under the closed content policy."""

import pytest
from playwright.sync_api import BrowserContext

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("running_stack")]


def test_the_page_of_the_contract_works_without_any_other_host(context: BrowserContext) -> None:
    page = context.new_page()
    refused: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda line: refused.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    page.goto("/api/docs/")
    page.wait_for_selector("#operations-Jobs-submit_job")
    page.click("#operations-Jobs-submit_job button")
    page.wait_for_selector("text=Idempotency-Key")

    assert refused == []
    assert len(hosts) == 1
