// The owner's feed over a websocket. Pushes are hints with a sequence number; a gap or a new
// connection asks for what was missed. HTTP is asked only when the socket stays away.
import * as cards from "./cards.js";
import * as notices from "./notices.js";
import * as numbers from "./numbers.js";

const CATCH_UP_EVERY = 30_000;
const OFFLINE_AFTER = 3_000;
const FALLBACK_AFTER = 15_000;
const FALLBACK_EVERY = 10_000;
const LONGEST_PAUSE = 10_000;
const SIGNED_OUT = 4401;

let push = "";
let last = 0;
let socket = null;
let tries = 0;
let truth = new Date();
let lostAt = null;
let reconnect = 0;

const pageJob = () => document.querySelector("[data-page-job]")?.dataset.pageJob;

const catchUp = () => {
  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ type: "catch_up", after: last }));
  }
};

// One look at everything is cheaper than one at each, and true at once.
const MANY = 5;
const TOGETHER = 120;
let touched = new Set();
let soon = 0;

const fetchToday = async () => {
  try {
    const answer = await fetch("/", { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    const today = await answer.json();
    cards.putAll(today);
    last = Math.max(last, today.feed_head);
    truth = new Date();
  } catch {
    // The server is away; the notice says since when, and the next catch-up asks again.
  }
};

const look = () => {
  soon = 0;
  const ids = touched;
  touched = new Set();
  if (pageJob()) {
    if (ids.has(pageJob())) void cards.fetchPage();
    else numbers.refresh();
    return;
  }
  if (ids.size > MANY && cards.hasLists()) void fetchToday();
  else for (const id of ids) cards.fetchCard(id);
  if (cards.hasLists()) return;
  numbers.refresh();
  void notices.refresh();
};

const heard = (event) => {
  last = event.sequence;
  if (!event.name.startsWith("job.")) return;
  touched.add(event.subject_id);
  soon ||= setTimeout(look, touched.size > 1 ? TOGETHER : 0);
};

const receive = (message) => {
  truth = new Date();
  if (message.type === "progress") {
    cards.progress(message.job_id, message.percent);
    return;
  }
  if (message.type !== "events") return;
  for (const event of message.events) {
    if (event.sequence <= last) continue;
    if (event.sequence > last + 1) {
      catchUp();
      return;
    }
    heard(event);
  }
  if (message.more) catchUp();
};

const showConnection = () => {
  const away = lostAt !== null && Date.now() - lostAt >= OFFLINE_AFTER;
  const notice = document.querySelector("[data-offline]");
  notice.hidden = !away;
  if (away) {
    document.body.dataset.stale = "";
    const clock = truth.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    notice.querySelector("[data-truth]").textContent = `what was true at ${clock}`;
  } else {
    delete document.body.dataset.stale;
  }
};

const connect = () => {
  clearTimeout(reconnect);
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  socket = new WebSocket(`${push}/ws/feed`);
  socket.addEventListener("open", () => {
    tries = 0;
    lostAt = null;
    truth = new Date();
    showConnection();
    catchUp();
  });
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    if (event.code === SIGNED_OUT) {
      location.assign("/sign-in");
      return;
    }
    lostAt ??= Date.now();
    tries += 1;
    const pause = Math.min(LONGEST_PAUSE, 500 * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
    reconnect = setTimeout(connect, pause);
    setTimeout(showConnection, OFFLINE_AFTER + 50);
  });
};

const fallBack = async () => {
  if (lostAt === null || Date.now() - lostAt < FALLBACK_AFTER) return;
  if (pageJob()) await cards.fetchPage();
  else if (cards.hasLists()) await fetchToday();
  else numbers.refresh();
};

export const start = () => {
  push = document.body.dataset.push;
  last = Number(document.body.dataset.feedHead || 0);
  if (!push) return;
  connect();
  setInterval(catchUp, CATCH_UP_EVERY);
  setInterval(showConnection, 1_000);
  setInterval(fallBack, FALLBACK_EVERY);
  addEventListener("online", connect);
  document.addEventListener("page:refresh", () => cards.hasLists() && void fetchToday());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    // A pause of up to ten seconds before the next try is for servers; somebody who looks now waits for none.
    connect();
    catchUp();
  });
};
