"""A measured value with its labels, before it is written as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

# Upper ends of the buckets of waits and runs, seconds.
BOUNDS: Final = (
    0.1,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A gauge, or a counter: each row has the labels' values, then the value."""

    name: str
    about: str
    labels: tuple[str, ...] = ()
    rows: Sequence[tuple[object, ...]]
    counts: bool = False

    def family(self) -> Metric:
        """Give it as the exporter writes it; rows without a value are left out."""
        made = CounterMetricFamily if self.counts else GaugeMetricFamily
        found = made(self.name, self.about, labels=self.labels)
        for *labels, value in self.rows:
            if value is not None:
                found.add_metric([str(label) for label in labels], float(str(value)))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A histogram over BOUNDS: each row has the labels' values, counts of the buckets, and the sum."""

    name: str
    about: str
    labels: tuple[str, ...]
    rows: Sequence[tuple[tuple[str, ...], Sequence[int], float]]

    def family(self) -> Metric:
        """Give it as the exporter writes it: buckets count all that is below their end."""
        found = HistogramMetricFamily(self.name, self.about, labels=self.labels)
        ends = [*(str(bound) for bound in BOUNDS), "+Inf"]
        for labels, counts, total in self.rows:
            below = [sum(counts[: at + 1]) for at in range(len(ends))]
            found.add_metric(labels, list(zip(ends, below, strict=True)), sum_value=total)
        return found
