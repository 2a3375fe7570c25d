"""The contract of the API: nothing that was promised breaks, the page needs no other host, errors are documented."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import Client
from rest_framework.exceptions import APIException

from jobs.door import Why
from jobs.errors import JobError
from notifications.errors import NotificationError
from videogen import compatibility, problems
from videogen.accounts import headless

_DOCS = Path(settings.BASE_DIR) / "docs"
_JOB = "/api/v1/jobs/{job_id}"


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_DOCS / "openapi.yaml").read_text())
    return found


def _schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def _remove_route(document: dict[str, Any]) -> None:
    del document["paths"][_JOB]


def _remove_verb(document: dict[str, Any]) -> None:
    del document["paths"]["/api/v1/keys/{key_id}"]["delete"]


def _parameter(document: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    parameters = document["paths"][path]["get"]["parameters"]
    found: dict[str, Any] = next(one for one in parameters if one["name"] == name)
    return found


def _narrower_parameter(document: dict[str, Any]) -> None:
    _parameter(document, "/api/v1/jobs", "limit")["schema"]["maximum"] = 10


def _parameter_of_a_few(document: dict[str, Any]) -> None:
    _parameter(document, "/api/v1/jobs", "model")["schema"]["enum"] = ["preview"]


def _narrower_choice(document: dict[str, Any]) -> None:
    _scopes_to_send(document)["enum"].remove("account")


def _shorter_list(document: dict[str, Any]) -> None:
    body = document["paths"]["/api/v1/batches"]["post"]["requestBody"]["content"]
    body["application/json"]["schema"]["properties"]["jobs"]["maxItems"] = 19


def _any_value(document: dict[str, Any]) -> None:
    del _schemas(document)["Job"]["properties"]["state"]["enum"]


def _scopes_to_send(document: dict[str, Any]) -> dict[str, Any]:
    body = document["paths"]["/api/v1/keys"]["post"]["requestBody"]["content"]
    found: dict[str, Any] = body["application/json"]["schema"]["properties"]["scopes"]["items"]
    return found


def _remove_parameter(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/api/v1/jobs"]["get"]["parameters"]
    parameters[:] = [one for one in parameters if one["name"] != "day"]


def _require_parameter(document: dict[str, Any]) -> None:
    document["paths"]["/api/v1/today"]["get"]["parameters"][0]["required"] = True


def _remove_member(document: dict[str, Any]) -> None:
    del _schemas(document)["Job"]["properties"]["progress"]


def _optional_member(document: dict[str, Any]) -> None:
    _schemas(document)["Job"]["required"].remove("progress")


def _nullable_member(document: dict[str, Any]) -> None:
    _schemas(document)["Job"]["properties"]["prompt"]["type"] = ["string", "null"]


def _new_value(document: dict[str, Any]) -> None:
    _schemas(document)["Job"]["properties"]["state"]["enum"].append("dreaming")


def _required_field(document: dict[str, Any]) -> None:
    _schemas(document)["JobRequest"]["required"].append("seed")


def _narrower_field(document: dict[str, Any]) -> None:
    _schemas(document)["JobRequest"]["properties"]["seed"]["type"] = "integer"


def _deep_member(document: dict[str, Any]) -> None:
    del _schemas(document)["Timeline"]["properties"]["attempts"]["items"]["properties"]["outcome"]


def _other_type(document: dict[str, Any]) -> None:
    answer = document["paths"][_JOB]["get"]["responses"]["200"]
    answer["content"] = {"text/plain": answer["content"]["application/json"]}


@pytest.mark.parametrize(
    "change",
    [
        _remove_route,
        _remove_verb,
        _narrower_parameter,
        _parameter_of_a_few,
        _narrower_choice,
        _shorter_list,
        _any_value,
        _remove_parameter,
        _require_parameter,
        _remove_member,
        _optional_member,
        _nullable_member,
        _new_value,
        _required_field,
        _narrower_field,
        _deep_member,
        _other_type,
    ],
)
def test_a_breaking_change_is_found(
    contract: dict[str, Any], change: Callable[[dict[str, Any]], None]
) -> None:
    later = copy.deepcopy(contract)
    change(later)

    assert compatibility.broken(contract, later)


def test_an_addition_breaks_nothing(contract: dict[str, Any]) -> None:
    later = copy.deepcopy(contract)
    later["paths"]["/api/v1/more"] = later["paths"]["/api/v1/models"]
    later["paths"][_JOB]["get"]["parameters"].append({"in": "query", "name": "more"})
    _schemas(later)["Job"]["properties"]["more"] = {"type": "string"}
    _schemas(later)["Job"]["required"].append("more")
    _schemas(later)["JobRequest"]["properties"]["more"] = {"type": "string"}

    assert compatibility.broken(contract, later) == []


def test_every_answer_of_the_schema_route_is_the_committed_contract(
    contract: dict[str, Any], db: None
) -> None:
    answer = Client().get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi"})

    assert answer.status_code == 200
    assert yaml.safe_load(answer.content) == contract


def test_the_page_of_the_contract_loads_only_from_here(db: None) -> None:
    answer = Client().get("/api/docs/")
    page = answer.content.decode()

    assert answer.status_code == 200
    sources = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert sources
    assert all(source.startswith(("/", "?")) for source in sources), sources
    assert not re.search(r"<script(?![^>]*src)[^>]*>\s*\S", page)
    for source in sources:
        path = source if source.startswith("/") else f"/api/docs/{source}"
        assert Client().get(path).status_code == 200, source


def test_every_code_is_documented_with_what_to_do_next() -> None:
    table = dict(
        re.findall(r"^\| `([a-z_]+)` \| \d+ \| [^|]+ \| ([^|]+) \|$", _text(), re.MULTILINE)
    )
    codes = {problem.code for _, problem in problems._PLAIN}
    codes |= {code for code, _ in headless._CODES.values()}
    # The door says which of its reasons it is; a full queue of one's own is the plan's limit.
    codes |= {why.value for why in Why if why is not Why.OWN_QUEUE}
    for base in (JobError, NotificationError):
        codes |= {kind.code for kind in _kinds(base)} - {base.code}
    codes |= {str(kind.default_code) for kind in _kinds(APIException)}
    codes -= _NEVER_TOLD
    # What no view answers.
    codes |= {"internal_error", "job_error"}

    assert codes - set(table) == set()
    assert all(advice.strip() for advice in table.values())


# Parts of `invalid_request`, what only workers or only pages meet, and those of the framework that are told as another.
_NEVER_TOLD = {
    "invalid",
    "attempt_superseded",
    "edit_refused",
    "error",
    "parse_error",
    "permission_denied",
}


def _text() -> str:
    return (_DOCS / "api.md").read_text()


def _kinds(base: Any) -> Iterator[Any]:
    """Give every kind of refusal that a part of ours, or the framework, can raise."""
    for kind in base.__subclasses__():
        yield from _kinds(kind)
        if "code" in vars(kind) or "default_code" in vars(kind):
            yield kind
