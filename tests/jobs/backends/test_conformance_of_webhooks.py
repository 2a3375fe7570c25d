"""Every driver whose server sends webhooks, against the reference server: what is believed of them."""

import time

import pytest

from jobs.backends.backend import Forged, Hint
from tests.jobs.backends.dialects import SIGNING, Dialect, letters
from tests.jobs.backends.video_servers import Servers, struck

TEN_MINUTES = 600


@pytest.mark.parametrize("spoken", SIGNING, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("fault", "count", "is_true"),
    [
        ("webhook_duplicated", 5, True),
        ("webhook_early", 1, True),
        ("webhook_forged", 1, False),
        ("webhook_stale", 1, False),
    ],
)
def test_webhooks_are_believed_by_their_signature_and_their_time(
    spoken: Dialect, servers: Servers, fault: str, count: int, *, is_true: bool
) -> None:
    gpu = servers.get(spoken.name)
    with struck(gpu, fault):
        wanted = spoken.sent(spoken.order(gpu, callback_url=servers.receiver.url))
    came = letters(servers.receiver, wanted.backend_job_id, count)

    hints: set[Hint] = set()
    for letter in came:
        site, now = wanted.site, time.time()
        if is_true:
            hints.add(spoken.backend.hint(site, letter.headers, letter.body, now=now))
            with pytest.raises(Forged):
                spoken.backend.hint(site, letter.headers, letter.body + b" ", now=now)
            with pytest.raises(Forged):
                # The very same, ten minutes later: somebody's replay.
                spoken.backend.hint(site, letter.headers, letter.body, now=now + TEN_MINUTES)
        else:
            with pytest.raises(Forged):
                spoken.backend.hint(site, letter.headers, letter.body, now=now)

    assert [one.backend_job_id for one in hints] == ([wanted.backend_job_id] if is_true else [])
