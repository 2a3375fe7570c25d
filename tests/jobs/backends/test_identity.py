"""Servers that count their ids anew after a restart: a job by our id that is somebody else's."""

from dataclasses import replace

import pytest

from jobs.backends.backend import BackendError, Cancellation, Finished, Gone, Order
from jobs.backends.openai_videos import identity
from jobs.backends.openai_videos.profiles import profile
from jobs.failures import FailureKind
from tests.gpu import FakeGpu
from tests.jobs.backends.dialects import DIALECTS, Dialect
from tests.jobs.backends.video_servers import order

FORGETFUL = [one for one in DIALECTS if not one.remembers]


def _a_minute_earlier(wanted: Order) -> Order:
    then = float(wanted.handle["created_at"])
    return replace(wanted, handle={**wanted.handle, "created_at": str(then - 60)})


@pytest.mark.parametrize("spoken", FORGETFUL, ids=lambda one: one.name)
def test_an_id_that_is_given_again_never_shows_another_owners_job(spoken: Dialect) -> None:
    driver = spoken.backend
    with FakeGpu(dialect=spoken.name, speed=0.001, counted_ids=True) as gpu:
        first = spoken.sent(spoken.order(gpu))
        spoken.until_ended(first)
        gpu.restart()
        second = spoken.sent(spoken.order(gpu))
        mine = spoken.until_ended(second)
        before = _a_minute_earlier(first)

        assert first.backend_job_id == second.backend_job_id
        assert isinstance(mine, Finished)
        assert driver.content(second).url
        assert isinstance(driver.look(before), Gone)
        assert driver.look_at_many([before]) == {before.backend_job_id: Gone()}
        assert driver.cancel(before) is Cancellation.UNKNOWN
        with pytest.raises(BackendError) as forgotten:
            driver.content(before)
        assert forgotten.value.kind is FailureKind.BACKEND_FORGOT
        # The other's job is unharmed.
        assert isinstance(driver.look(second), Finished)


def test_one_job_is_itself_however_little_it_shows() -> None:
    wanted = order(type("_Gpu", (), {"url": "http://gpu.test"})(), "generic")
    kind = profile("generic")
    told = replace(wanted, handle=identity.shown({"created_at": 1_000, "prompt": "As they put it"}))

    assert not identity.is_another({}, wanted, kind)
    assert not identity.is_another({"prompt": f" {wanted.prompt} "}, wanted, kind)
    assert identity.is_another({"prompt": "Another"}, wanted, kind)
    assert not identity.is_another({"prompt": f"{wanted.prompt[:20]}..."}, wanted, kind)
    assert identity.is_another({"prompt": wanted.prompt[:4]}, wanted, kind)
    # What the server said at the create counts, also where that is not what was sent.
    assert not identity.is_another({"created_at": 1_001.2, "prompt": "As they put it"}, told, kind)
    assert identity.is_another({"created_at": 1_002}, told, kind)
    assert identity.is_another({"created_at": 1_000, "prompt": wanted.prompt}, told, kind)
