"""What a job costs: declared, learned, and untouched by the one that hung."""

from random import Random

import pytest

from jobs import costs
from jobs.costs import RunTimes


def test_one_endless_generation_does_not_move_the_estimate() -> None:
    usual = costs.run_times([20.0 + number % 10 for number in range(100)])
    with_one = costs.run_times([20.0 + number % 10 for number in range(99)] + [90_000.0])

    assert usual is not None
    assert with_one is not None
    assert abs(with_one.mean - usual.mean) < 1.0


def test_the_mean_of_a_skewed_kind_is_found_without_its_tail() -> None:
    random = Random(1)
    took = [30.0 * random.lognormvariate(0.0, 0.894) for _ in range(4000)]

    found = costs.run_times(took)

    assert found is not None
    assert found.mean == pytest.approx(sum(took) / len(took), rel=0.08)


def test_a_cold_start_goes_by_the_declared_speed() -> None:
    assert costs.cost(None, declared=40.0) == 40.0
    assert costs.run_times([]) is None


def test_what_was_learned_replaces_what_was_declared() -> None:
    times = RunTimes(count=500, p10=80.0, median=80.0, p90=80.0)
    few = RunTimes(count=5, p10=80.0, median=80.0, p90=80.0)

    assert costs.cost(times, declared=40.0) == pytest.approx(80.0, rel=0.01)
    assert 50.0 < costs.cost(few, declared=40.0) < 65.0


def test_a_length_that_never_ran_learns_from_its_model() -> None:
    times = RunTimes(count=500, p10=80.0, median=80.0, p90=80.0)

    error = costs.speed_error([(times, 40.0)])

    assert costs.cost(None, declared=10.0, error=error) == pytest.approx(20.0, rel=0.01)
    assert costs.speed_error([]) == 1.0


def test_a_job_of_several_pools_costs_what_it_costs_in_most_slots() -> None:
    assert costs.over_pools([(10.0, 3), (50.0, 1)]) == 20.0
    assert costs.over_pools([]) == 0.0
