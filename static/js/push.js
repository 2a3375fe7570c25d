// Turns pushes to this browser on and off. A browser that changed its subscription says so at its next page.
const WORKER = "/static/js/service-worker.js";
// What this browser registered last: its endpoint, and the id that the server gave it.
const KNOWN = "push-known";
const API = "/api/v1/push/subscriptions";

const isPossible = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

const keyBytes = (text) => {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
};

const known = () => JSON.parse(localStorage.getItem(KNOWN) ?? "{}");

const sameKey = (subscription, key) => {
  const made = new Uint8Array(subscription.options.applicationServerKey ?? []);
  const ours = keyBytes(key);
  return made.length === ours.length && made.every((byte, at) => byte === ours[at]);
};

const active = async (registration) => {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return registration;
  return new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve(registration);
      if (worker.state === "redundant") reject(new Error("The browser did not take the worker."));
    });
  });
};

const register = async (subscription, token) => {
  const sent = await fetch(API, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token },
    body: JSON.stringify(subscription),
  });
  const answer = await sent.json();
  if (!sent.ok) throw new Error(answer.detail);
  localStorage.setItem(KNOWN, JSON.stringify({ endpoint: subscription.endpoint, id: answer.id }));
};

const turnOn = async (panel) => {
  if ((await Notification.requestPermission()) !== "granted") {
    throw new Error("Your browser does not let this site notify you. Its settings for this site can change that.");
  }
  const registration = await active(await navigator.serviceWorker.register(WORKER));
  const key = panel.dataset.pushKey;
  let subscription = await registration.pushManager.getSubscription();
  if (subscription && !sameKey(subscription, key)) {
    await subscription.unsubscribe();
    subscription = null;
  }
  subscription ??= await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: keyBytes(key),
  });
  await register(subscription, panel.querySelector("[name=csrfmiddlewaretoken]").value);
};

const say = (panel, text) => {
  const said = panel.querySelector("[data-push-said]");
  said.textContent = text;
  said.hidden = !text;
};

const offer = (panel) => {
  const button = panel.querySelector("[data-push-on]");
  if (!isPossible()) {
    say(panel, "This browser has no web push.");
    return;
  }
  if (document.querySelector(`[data-browser="${known().id}"]`)) {
    say(panel, "It is on in this browser.");
    return;
  }
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(panel, "");
    try {
      await turnOn(panel);
      location.reload();
    } catch (error) {
      say(panel, `Push is not on. ${error.message}`);
      button.disabled = false;
    }
  });
};

const confirm = async () => {
  const { endpoint } = known();
  if (!endpoint || !isPossible() || Notification.permission !== "granted") return;
  const registration = await navigator.serviceWorker.getRegistration(WORKER);
  const subscription = await registration?.pushManager.getSubscription();
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
  if (subscription && token && subscription.endpoint !== endpoint) await register(subscription, token);
};

export const start = () => {
  const panel = document.querySelector("[data-push-key]");
  if (panel) offer(panel);
  // Without it pushes stop until somebody turns them on again; the page itself needs none of it.
  confirm().catch(() => undefined);
  // Whoever signs in here next has turned nothing on.
  document.addEventListener("submit", ({ target }) => {
    if (target.action.endsWith("/sign-out")) localStorage.removeItem(KNOWN);
  });
};
