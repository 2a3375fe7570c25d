"""How long a webhook takes to be refused, by what is wrong with it: the time must not tell which pools there are.

`bin/bench refusals` sends each kind in turn, round by round, through the whole application, so that what slows the
machine slows all of them. The figures are milliseconds, and the widest difference of medians in per cent, for
each shape of address.
"""

import base64
import json
import secrets
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench import private

_ROUNDS = 1_500
_POOL = "bench-signed"
_SILENT = "bench-preview"
_WITHOUT = "bench-without-secret"
_STALE = 600


def measure() -> dict[str, float]:
    """Give the median of each kind, and how far they are apart."""
    with private.application():
        return _measure()


def _measure() -> dict[str, float]:
    from django.conf import settings  # noqa: PLC0415 - after django.setup
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import override_settings  # noqa: PLC0415

    kinds = _kinds()
    client = Client()
    with override_settings(
        FLOOD_WEBHOOKS_PER_MINUTE=10**9, ALLOWED_HOSTS=[*settings.ALLOWED_HOSTS, "testserver"]
    ):
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for number in range(_ROUNDS + 50):
            for name, make in kinds.items():
                path, headers, body = make()
                began = time.perf_counter()
                answer = client.post(
                    path, body, content_type="application/json", headers=dict(headers)
                )
                took = time.perf_counter() - began
                if answer.status_code != 401:
                    raise SystemExit(f"{name} was answered with {answer.status_code}.")
                # The first rounds fill caches.
                if number >= 50:
                    times[name].append(1000 * took)
    medians = {name: statistics.median(found) for name, found in times.items()}
    at_attempts = {name: one for name, one in medians.items() if name.startswith("token_")}
    at_pools = {name: one for name, one in medians.items() if name not in at_attempts}
    return {
        **{f"{name}_ms": one for name, one in medians.items()},
        "pool_address_spread_percent": _spread(at_pools),
        "attempt_address_spread_percent": _spread(at_attempts),
    }


def _spread(medians: Mapping[str, float]) -> float:
    return 100 * (max(medians.values()) / min(medians.values()) - 1)


def _kinds() -> dict[str, Callable[[], tuple[str, Mapping[str, str], bytes]]]:
    from jobs import orders, pools  # noqa: PLC0415 - after django.setup
    from jobs.ids import new_job_id  # noqa: PLC0415
    from videogen.fake_gpu.signing import StandardWebhooks, new_secret  # noqa: PLC0415

    secret = new_secret()
    plain = {"slots": 1, "model_names": ["m"], "seconds": [4], "sizes": ["1280x720"]}
    served: dict[str, Any] = {"driver": "openai_videos", "profile": "openai"}
    served |= {"url": "http://127.0.0.1:1", "key": "sk-bench"}
    pools.put(_POOL, {**plain, **served, "webhook_secret": secret}, actor="bench")
    pools.put(_WITHOUT, {**plain, **served}, actor="bench")
    pools.put(_SILENT, {**plain, "driver": "preview"}, actor="bench")
    body = json.dumps({"type": "video.completed", "data": {"id": "video_1"}}).encode()
    sign, other = StandardWebhooks(secret), StandardWebhooks(new_secret())
    token = orders.token(new_job_id(), 1)

    def signed(by: StandardWebhooks = sign, *, age: int = 0) -> Mapping[str, str]:
        return by(body, message_id="msg_1", timestamp=int(time.time()) - age, forged=False)

    def nonsense() -> Mapping[str, str]:
        mac = base64.b64encode(secrets.token_bytes(32)).decode()
        return {**signed(), "webhook-signature": f"v1,{mac}"}

    return {
        "no_such_pool": lambda: (f"/hooks/{'no-' + _POOL}", signed(), body),
        "no_such_pool_no_headers": lambda: (f"/hooks/{'no-' + _POOL}", {}, body),
        "pool_takes_none": lambda: (f"/hooks/{_SILENT}", signed(), body),
        "pool_without_secret": lambda: (f"/hooks/{_WITHOUT}", signed(), body),
        "no_headers": lambda: (f"/hooks/{_POOL}", {}, body),
        "signature_nonsense": lambda: (f"/hooks/{_POOL}", nonsense(), body),
        "signature_of_another": lambda: (f"/hooks/{_POOL}", signed(other), body),
        "replayed_late": lambda: (f"/hooks/{_POOL}", signed(age=_STALE), body),
        "token_not_ours": lambda: (f"/hooks/{_POOL}/not-a-token", signed(), body),
        "token_ours_forged": lambda: (f"/hooks/{_POOL}/{token}", signed(other), body),
        "token_no_such_pool": lambda: (f"/hooks/{'no-' + _POOL}/{token}", signed(other), body),
    }
