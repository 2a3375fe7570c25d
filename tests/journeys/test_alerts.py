"""What alerts and dashboards name is exported by the stack, and a few alerts fire there and clear.

All of them: `bin/proof alerts`.
"""

import time
from collections.abc import Iterator
from urllib.request import urlopen

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from proofs.alerts import causes, proof
from proofs.alerts.place import Place
from proofs.alerts.prometheus import Prometheus, is_installed
from tests.journeys import client
from tests.stack import RunningStack
from tests.videogen.test_alert_rules import EXPRESSIONS

_PATIENCE = 120.0
# Their `for:` and windows are a sixtieth.
_PACE = 60.0
# Of Prometheus itself.
_GIVEN = {"up", "ALERTS"}
_ADDED = {"job", "instance"}
# Families whose series begin with an event that a quiet stack does not have.
_SELDOM = {
    "videogen_events_parked_total",
    "videogen_recoveries_total",
    "videogen_orphans_total",
    "videogen_backend_webhooks_total",
    "videogen_polls_total",
    "videogen_start_ranges_total",
    "videogen_planned_to_delivered_seconds_bucket",
}


@pytest.fixture(scope="module")
def place(running_stack: RunningStack) -> Place:
    return Place(running_stack)


@pytest.fixture(scope="module")
def prometheus(place: Place) -> Iterator[Prometheus]:
    """Give a real one; skipped, with the reason, where there is none."""
    if not is_installed():
        pytest.skip("There is no Prometheus on this machine, and no package of it was found.")
    with place.watched(pace=_PACE) as found:
        yield found


def _scraped(place: Place) -> tuple[set[str], dict[str, set[str]]]:
    """Give the names that are announced, and the labels of each that has series."""
    with urlopen(f"http://{place.metrics}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    announced = {name for family in families for name in _names(family.name, family.type)}
    labels: dict[str, set[str]] = {}
    for family in families:
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return announced, labels


def _names(family: str, kind: str) -> list[str]:
    match kind:
        case "counter":
            return [f"{family}_total"]
        case "histogram":
            return [f"{family}_bucket", f"{family}_count", f"{family}_sum"]
        case _:
            return [family]


def _selected() -> dict[str, set[str]]:
    """Give every metric that an alert or a panel names, with the labels that it asks for."""
    found: dict[str, set[str]] = {}

    def visit(expression: promql_parser.Expr) -> bool:
        if isinstance(expression, promql_parser.VectorSelector):
            asked = {matcher.name for matcher in expression.matchers.matchers}
            found.setdefault(str(expression.name), set()).update(asked)
        return True

    for _, expression in EXPRESSIONS:
        promql_parser.walk(promql_parser.parse(expression), visit)
    return {name: asked for name, asked in found.items() if name not in _GIVEN}


def test_every_metric_that_an_alert_or_a_panel_names_is_exported(
    running_stack: RunningStack, place: Place
) -> None:
    ids = [
        client.post(running_stack, "jobs", {"prompt": "Measured", "seconds": 2}).json["id"]
        for _ in range(2)
    ]
    client.wait(running_stack, ids)
    wanted = _selected()

    deadline = time.monotonic() + _PATIENCE
    while True:
        announced, labels = _scraped(place)
        missing = {name for name in wanted if name not in labels} - _SELDOM
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.5)

    assert missing == set()
    assert set(wanted) <= announced
    for name, asked in wanted.items():
        assert asked - _ADDED <= labels.get(name, asked), name


def test_the_number_of_series_is_bounded(place: Place) -> None:
    with urlopen(f"http://{place.metrics}/metrics", timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line[:1] != "#"]

    ours = [line for line in lines if line.startswith("videogen_")]
    assert len(ours) < 2000


@pytest.mark.parametrize(
    "alert", ["LedgerDrift", "EventsParked", "NoSlots", "ProcessDown", "RedisDown"]
)
def test_an_alert_fires_when_its_fault_is_there_and_clears_when_it_is_gone(
    place: Place, prometheus: Prometheus, alert: str
) -> None:
    assert proof.REGISTERED

    with causes.of(alert).fault(place):
        prometheus.wait(lambda firing: alert in firing, f"{alert} fires", patience=_PATIENCE)

    prometheus.wait(lambda firing: alert not in firing, f"{alert} clears", patience=_PATIENCE)
