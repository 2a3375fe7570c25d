"""What a program does with the official SDK for Python; run in an environment that has nothing but the SDK.

Reads what it needs as JSON on standard input and writes what it found as JSON. `sync` or `async` is its argument;
both are written once, because a value that is no promise need not be waited for.
"""

import asyncio
import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import openai

# The newer generation warns at every call that the hosted API is withdrawn.
warnings.simplefilter("ignore")
GIVEN = json.load(sys.stdin)
IS_ASYNC = sys.argv[1] == "async"
SHAPE: dict[str, Any] = {"seconds": "8", "size": "1280x720"}
SENT: list[str] = []


def client() -> Any:
    """Make a client that counts what it sends."""
    options = {"base_url": f"{GIVEN['url']}/v1", "api_key": GIVEN["key"]}
    if IS_ASYNC:

        async def count_later(request: Any) -> None:
            count(request)

        hooks = {"request": [count_later]}
        http = openai.DefaultAsyncHttpxClient(event_hooks=hooks)
        return openai.AsyncOpenAI(**options, http_client=http)
    return openai.OpenAI(
        **options, http_client=openai.DefaultHttpxClient(event_hooks={"request": [count]})
    )


def count(request: Any) -> None:
    """Remember where a request went, and whether our key went with it."""
    SENT.append(f"{request.url.host}:{request.url.port} {'authorization' in request.headers}")


async def done(value: Any) -> Any:
    """Wait for a value that may be a promise."""
    return await value if inspect.isawaitable(value) else value


async def listed(page: Any) -> list[str]:
    """Give the ids of a list, over all its pages."""
    if IS_ASYNC:
        return [video.id async for video in page]
    return [video.id for video in page]


async def refusal(call: Any) -> dict[str, Any]:
    """Give what an error looks like to the program, and how many requests it took."""
    before = len(SENT)
    try:
        await done(call())
    except openai.APIStatusError as error:
        return {
            "kind": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "param": error.param,
            "has_request_id": str(error.request_id).startswith("req_"),
            "sent": len(SENT) - before,
        }
    return {"kind": "none"}


async def files(api: Any, video_id: str) -> dict[str, Any]:
    """Download every variant."""
    found = {}
    for variant in (None, "video", "thumbnail", "spritesheet"):
        chosen = {"variant": variant} if variant else {}
        answer = await done(api.videos.download_content(video_id, **chosen))
        content = await done(answer.read())
        found[str(variant)] = content[:12].hex()
    return found


async def strictly(kind: Any, call: Any) -> bool:
    """Hold an answer against the type that the SDK publishes, and itself never checks."""
    answer = await done(call)
    kind.model_validate_json(answer.http_response.text, strict=True)
    return True


def last_received() -> dict[str, Any]:
    """Give the last message that the receiver of webhooks got."""
    found: dict[str, Any] = json.loads(Path(GIVEN["journal"]).read_text().splitlines()[-1])
    return found


async def endpoints(api: Any) -> dict[str, Any] | None:
    """Manage a webhook endpoint from its beginning to its end; None where the SDK cannot."""
    hooks = api.webhooks
    if not hasattr(hooks, "create"):
        return None
    types = openai.types.webhooks
    made = await done(
        hooks.create(name="shop", url=GIVEN["receiver"], event_types=["video.completed"])
    )
    raw = hooks.with_raw_response
    strict = [
        await strictly(types.WebhookEndpoint, raw.retrieve(made.id)),
        await strictly(types.WebhookEndpointList, raw.list(limit=5)),
        await strictly(types.WebhookEventTypeList, hooks.event_types.with_raw_response.list()),
    ]
    page = hooks.list(limit=1)
    ids = [one.id async for one in page] if IS_ASYNC else [one.id for one in page]
    changed = await done(hooks.update(made.id, name="store", event_types=["video.failed"]))
    rotated = await done(hooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True))
    tested = await done(hooks.test(made.id, event_type="video.completed"))
    got = last_received()
    events = [
        api.webhooks.unwrap(got["body"], got["headers"], secret=secret).type
        for secret in (made.signing_secret, rotated.signing_secret)
    ]
    gone = await done(hooks.delete(made.id))
    return {
        "made": made.to_dict(),
        "is_listed": made.id in ids,
        "changed": changed.to_dict(),
        "rotated": rotated.to_dict(),
        "tested": tested.to_dict(),
        "strict": strict,
        "events": events,
        "deleted": gone.to_dict(),
        "after": await refusal(lambda: hooks.retrieve(made.id)),
    }


async def main() -> None:
    """Do everything once."""
    api = client()
    facts: dict[str, Any] = {"version": openai.__version__}
    image = ("ref.png", bytes.fromhex(GIVEN["png"]), "image/png")

    made = await done(
        api.videos.create_and_poll(
            prompt="A whale", input_reference=image, model=GIVEN["served_model"], seconds="4"
        )
    )
    facts["made"] = made.to_dict()
    facts["retrieved"] = (await done(api.videos.retrieve(made.id))).to_dict()
    before = len(SENT)
    answer = await done(api.videos.download_content(made.id))
    facts["streamed"] = (await done(answer.read()))[4:8].hex()
    facts["hops"] = SENT[before:]
    facts["files"] = await files(api, GIVEN["preview_id"])
    facts["remix"] = (
        await done(api.videos.remix(GIVEN["preview_id"], prompt="At night"))
    ).to_dict()
    await done(api.videos.delete(facts["remix"]["id"]))

    again = {"extra_headers": {"Idempotency-Key": f"{sys.argv[1]} {openai.__version__}"}}
    first = await done(api.videos.create(prompt="A heron", model="sora-2", **SHAPE, **again))
    second = await done(api.videos.create(prompt="A heron", model="sora-2", **SHAPE, **again))
    facts["first"] = first.to_dict()
    facts["same"] = first.id == second.id
    raw = api.videos.with_raw_response
    facts["strict"] = [
        await strictly(openai.types.Video, raw.retrieve(video.id)) for video in (first, made)
    ]
    facts["live_remix"] = await refusal(lambda: api.videos.remix(first.id, prompt="x"))
    gone = await done(raw.delete(first.id))
    facts["strict"].append(await strictly(openai.types.VideoDeleteResponse, gone))
    facts["deleted"] = gone.parse().to_dict()
    facts["after_delete"] = (await done(api.videos.poll(first.id))).to_dict()
    facts["strict"].append(await strictly(openai.types.Video, raw.retrieve(first.id)))

    facts["endpoints"] = await endpoints(api)
    facts["listed"] = await listed(api.videos.list(limit=2))
    facts["ids"] = [first.id, facts["remix"]["id"], made.id]
    await done(api.videos.delete(made.id))
    facts["models"] = [model.id for model in (await done(api.models.list())).data]

    facts["refusals"] = await refusals(api, made.id, image)
    event = api.webhooks.unwrap(
        GIVEN["webhook"]["body"], GIVEN["webhook"]["headers"], secret=GIVEN["webhook"]["secret"]
    )
    facts["event"] = [event.type, event.data.id]
    print(json.dumps(facts))


async def refusals(api: Any, deleted: str, image: Any) -> dict[str, Any]:
    """Collect every kind of refusal."""
    videos = api.videos
    stranger = api.with_options(api_key="vg_nobody")
    big = b"\x89PNG\r\n\x1a\n" + b"0" * 11_000_000
    calls = {
        "deleted": lambda: videos.retrieve(deleted),
        "unknown": lambda: videos.retrieve("video_nobody"),
        "no_key": lambda: stranger.videos.retrieve(deleted),
        "no_model": lambda: videos.create(prompt="x", model="nothing"),
        "field": lambda: videos.create(prompt="x", extra_body={"num_frames": 81}),
        "reused": lambda: videos.create(
            prompt="another",
            extra_headers={"Idempotency-Key": f"{sys.argv[1]} {openai.__version__}"},
        ),
        "no_image": lambda: videos.create(prompt="x", input_reference=b"text"),
        "large": lambda: videos.create(prompt="x", input_reference=big),
        "edit": lambda: videos.edit(prompt="x", video=image),
        "extend": lambda: videos.extend(prompt="x", seconds="4", video=image),
        "character": lambda: videos.create_character(name="x", video=image),
        "no_character": lambda: videos.get_character("char_1"),
    }
    return {name: await refusal(call) for name, call in calls.items()}


asyncio.run(main())
