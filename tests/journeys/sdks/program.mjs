// What a program does with the official SDK for JavaScript; the same as program.py, in short.
import OpenAI, { toFile } from "openai";
import { readFileSync } from "node:fs";

const given = JSON.parse(readFileSync(0, "utf8"));
let sent = 0;
const counted = (...call) => {
  sent += 1;
  return fetch(...call);
};
const api = new OpenAI({ baseURL: `${given.url}/v1`, apiKey: given.key, fetch: counted });
const shape = { seconds: "8", size: "1280x720" };

async function ended(id) {
  for (;;) {
    const video = await api.videos.retrieve(id);
    if (["completed", "failed"].includes(video.status)) return video;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function refusal(call) {
  const before = sent;
  try {
    await call();
  } catch (error) {
    return {
      kind: error.constructor.name,
      status: error.status,
      code: error.code,
      has_request_id: String(error.requestID).startsWith("req_"),
      sent: sent - before,
    };
  }
  return { kind: "none" };
}

const image = await toFile(Buffer.from(given.png, "hex"), "ref.png", { type: "image/png" });
const made = await ended(
  (
    await api.videos.create({
      prompt: "A whale",
      input_reference: image,
      model: given.served_model,
      seconds: "4",
    })
  ).id,
);
const file = await api.videos.downloadContent(given.preview_id, { variant: "thumbnail" });
const head = Buffer.from(await file.arrayBuffer()).subarray(0, 4).toString();
const remix = await api.videos.remix(given.preview_id, { prompt: "At night" });
await api.videos.delete(remix.id);
const again = { headers: { "Idempotency-Key": "js" } };
const first = await api.videos.create({ prompt: "A heron", ...shape }, again);
const second = await api.videos.create({ prompt: "A heron", ...shape }, again);
const liveRemix = await refusal(() => api.videos.remix(first.id, { prompt: "x" }));
const deleted = await api.videos.delete(first.id);
const listed = [];
for await (const video of api.videos.list({ limit: 2 })) listed.push(video.id);
const { data: eventTypes } = await api.webhooks.eventTypes.list();
const hook = await api.webhooks.create({
  name: "shop",
  url: given.receiver,
  event_types: ["video.completed"],
});
const rotated = await api.webhooks.rotateSecret(hook.id, { keep_old_secret_active_for_24_hours: true });
const tested = await api.webhooks.test(hook.id, { event_type: "video.completed" });
const renamed = await api.webhooks.update(hook.id, { name: "store" });
const hooks = [];
for await (const one of api.webhooks.list()) hooks.push(one.id);
const unhooked = await api.webhooks.delete(hook.id);
const event = await api.webhooks.unwrap(
  given.webhook.body,
  given.webhook.headers,
  given.webhook.secret,
);
console.log(
  JSON.stringify({
    made,
    head,
    remix,
    same: first.id === second.id,
    live_remix: liveRemix,
    deleted,
    hook,
    rotated,
    tested,
    renamed,
    hooks,
    unhooked,
    event_types: eventTypes,
    listed,
    ids: [first.id, remix.id, made.id],
    event: [event.type, event.data.id],
    unknown: await refusal(() => api.videos.retrieve("video_nobody")),
    no_model: await refusal(() => api.videos.create({ prompt: "x", model: "nothing" })),
  }),
);
