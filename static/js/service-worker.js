// Shows pushes (notifications/channels/web_push.py writes them) and opens what they are about.
const SEEN = "videogen-push-seen";
const MOST_SEEN = 200;

// A push service may deliver twice, and we may send twice after a crash: an id is shown once.
const isRepeat = async (id) => Boolean(await (await caches.open(SEEN)).match(`/pushes/${id}`));

const remember = async (id) => {
  const seen = await caches.open(SEEN);
  await seen.put(`/pushes/${id}`, new Response());
  const all = await seen.keys();
  for (const old of all.slice(0, Math.max(0, all.length - MOST_SEEN))) await seen.delete(old);
};

const show = async ({ id, title, body, url, tag }) => {
  if (await isRepeat(id)) return;
  const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  // The page that is being looked at shows it by itself.
  if (!open.some((client) => client.visibilityState === "visible")) {
    await self.registration.showNotification(title, {
      body,
      tag,
      data: { id, url },
      icon: "/static/img/favicon.svg",
    });
  }
  await remember(id);
};

const openPage = async (url) => {
  const target = new URL(url, self.location.origin);
  if (target.origin !== self.location.origin) return;
  const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = open.find((client) => new URL(client.url).pathname === target.pathname);
  // A tab with something else may hold a half written prompt: it is left alone.
  await (there ? there.focus() : self.clients.openWindow(target.href));
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("push", (event) => {
  event.waitUntil(show(event.data.json()));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(event.notification.data.url));
});
