"""Alerts, dashboards and runbook: whole, true to each other, and made of commands that exist."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import promql_parser
import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.db import connection
from django.urls import Resolver404, resolve

from proofs.alerts import proof, rules
from proofs.alerts.causes import CAUSES
from tests.stack import ROOT

_RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text()
_ALERTS: Final = {alert["alert"]: alert for alert in rules.alerts()}
_TESTED: Final = {
    case["alertname"]: case
    for path in rules.FOLDER.glob("*.test.yml")
    for test in yaml.safe_load(path.read_text())["tests"]
    for case in test["alert_rule_test"]
    if case.get("exp_alerts")
}
_BOARDS: Final = {
    path.stem: json.loads(path.read_text())
    for path in sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
}
# What stands for something that only the reader knows.
_STANDS_FOR: Final = {
    "FILE": "/tmp/file",
    "NAME": "name",
    "KEY": "key",
    "URL": "http://gpu.example",
}


def _sections() -> dict[str, str]:
    """Give the runbook's sections of alerts by their headings."""
    parts = re.split(r"^### (.+)$", _RUNBOOK, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _expressions() -> Iterator[tuple[str, str]]:
    for name, alert in _ALERTS.items():
        yield name, alert["expr"]
    for name, board in _BOARDS.items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"].replace("$__rate_interval", "5m")
                yield f"{name}: {panel['title']}", expression


def _commands(start: str) -> list[str]:
    """Give what the runbook says in code, or in blocks of it, that starts so."""
    found = re.findall(rf"`({re.escape(start)}[^`]*)`", _RUNBOOK.replace("\n", " "))
    assert found
    return sorted(set(found))


# Of alerts and of panels, with where each stands.
EXPRESSIONS: Final = list(_expressions())


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_expression_parses(where: str, expression: str) -> None:
    promql_parser.parse(expression)


@pytest.mark.parametrize("name", _ALERTS)
def test_an_alert_says_how_urgent_it_is_and_where_to_read_on(name: str) -> None:
    alert = _ALERTS[name]

    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
    section = _sections()[name]
    for part in ("**Means.**", "**See.**", "**Do.**", "**Over when**"):
        assert part in section, part
    assert f"({alert['labels']['severity']})" in section


def test_every_section_every_test_and_every_cause_is_of_an_alert_and_every_alert_has_each() -> None:
    assert proof.REGISTERED
    caused = {alert for one in CAUSES for alert in one.alerts}

    assert set(_sections()) == set(_ALERTS) == set(_TESTED) == caused


def test_the_links_of_the_runbook_lead_to_its_sections() -> None:
    linked = set(re.findall(r"\]\(#([\w-]+)\)", _RUNBOOK))

    assert linked <= {name.lower() for name in _ALERTS}


@pytest.mark.parametrize("line", _commands("bin/manage "))
def test_the_runbooks_commands_take_these_arguments(line: str) -> None:
    words = [_STANDS_FOR.get(word, word) for word in shlex.split(line)[1:]]
    command = load_command_class(get_commands()[words[0]], words[0])

    parser = command.create_parser("bin/manage", words[0])
    parser.parse_args(words[1:])


@pytest.mark.parametrize("line", _commands("docker compose "))
def test_the_runbooks_containers_are_there(line: str) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    words = [word for word in shlex.split(line)[2:] if not word.startswith("-")]
    # exec NAME and its command; the others name containers only.
    named = words[1:2] if words[0] == "exec" else [one.partition("=")[0] for one in words[1:]]

    assert words[0] in {"ps", "logs", "restart", "exec", "up"}
    assert {one for one in named if not re.fullmatch(r"\d+m", one)} <= set(services)


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`(/(?:console|health)/[^`]*)`", _RUNBOOK)))
)
def test_the_runbooks_pages_are_there(path: str) -> None:
    try:
        resolve(path)
    except Resolver404:
        pytest.fail(f"There is no page at {path}.")


@pytest.mark.django_db
@pytest.mark.parametrize("statement", re.findall(r"```sql\n(.+?)```", _RUNBOOK, re.DOTALL))
def test_the_runbooks_statements_are_understood_by_the_database(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"explain {statement}")


@pytest.mark.parametrize("name", _BOARDS)
def test_a_dashboard_is_whole(name: str) -> None:
    board = _BOARDS[name]
    shown = [panel for panel in board["panels"] if panel["type"] != "row"]

    assert board["uid"] == f"videogen-{name}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in shown:
        assert panel["description"], panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24


def test_what_grafana_and_prometheus_are_given_is_where_they_look() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    source = yaml.safe_load((folder / "datasources" / "videogen.yml").read_text())
    boards = yaml.safe_load((folder / "dashboards" / "videogen.yml").read_text())
    scraped: Any = yaml.safe_load((rules.FOLDER / "prometheus.yml").read_text())
    (job,) = scraped["scrape_configs"]
    targets = {one.partition(":")[0] for one in job["static_configs"][0]["targets"]}

    assert source["datasources"][0]["type"] == "prometheus"
    where = boards["providers"][0]["options"]["path"]
    assert any(volume.split(":")[1] == where for volume in compose["grafana"]["volumes"])
    assert targets == {
        name
        for name, service in compose.items()
        if service.get("environment", {}).get("PROCESS_NAME") == name
    }


def test_a_faster_clock_shortens_windows_and_nothing_else() -> None:
    slow = 'sum(rate(a_total{b="[5m]"}[15m])) > 0.5 and max_over_time(sum(c)[10m:15s]) >= 20'

    paced = rules.paced(slow.replace('b="[5m]"', 'b="5m"'), pace=20)

    assert paced == (
        'sum(rate(a_total{b="5m"}[45000ms])) > 0.5 and max_over_time(sum(c)[30000ms:750ms]) >= 20'
    )


@pytest.mark.parametrize("command", [("check", "rules", "rules"), ("test", "rules", "test")])
def test_promtool_finds_nothing_wrong(command: tuple[str, str, str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("There is no promtool on this machine, and no package of it was found.")
    files = sorted(map(str, rules.FOLDER.glob(f"*.{command[2]}.yml")))

    done = subprocess.run(
        [promtool, *command[:2], *files], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
