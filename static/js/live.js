// The owner's feed over a websocket. Pushes are hints with a sequence number; a gap or a new
// connection asks for what was missed. HTTP is asked only when the socket stays away.
import * as cards from "./cards.js";
import * as notices from "./notices.js";
import * as numbers from "./numbers.js";
import * as toasts from "./toasts.js";
import * as truth from "./truth.js";

const CATCH_UP_EVERY = 30_000;
// notifications/presence.py forgets a page that was silent for 40 s.
const LOOKING_EVERY = 15_000;
const FALLBACK_AFTER = 15_000;
const FALLBACK_EVERY = 10_000;
// Between two tries to connect: somebody who looks waits for no longer than this.
const LONGEST_PAUSE = 2_500;
const LONGEST_PAUSE_UNSEEN = 10_000;
// A socket that leaves a question open for so long is dead, though nobody said so; after a sleep it is asked at once.
const ANSWERS_WITHIN = 10_000;
const ANSWERS_AFTER_SLEEP = 1_500;
const TICK = 1_000;
const SLEPT = 5_000;
const ASKED_AGAIN_AFTER = 2_000;
const SIGNED_OUT = 4401;
// Who loses the truth here, and finds it again.
const FEED = "feed";

let push = "";
let last = 0;
let socket = null;
let tries = 0;
let reconnect = 0;
let silence = 0;
let silentUntil = Infinity;
let ticked = Date.now();

const pageJob = () => document.querySelector("[data-page-job]")?.dataset.pageJob;

const isSeen = () => document.visibilityState === "visible";

const isAnswered = () => {
  clearTimeout(silence);
  silentUntil = Infinity;
};

// The earlier of two deadlines holds.
const expectAnswer = (within) => {
  const until = Date.now() + within;
  if (until >= silentUntil) return;
  isAnswered();
  silentUntil = until;
  silence = setTimeout(giveUp, within);
};

const catchUp = (within = ANSWERS_WITHIN) => {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ type: "catch_up", after: last }));
  expectAnswer(within);
};

// Whoever looks at the page is told by it alone: no mail, no push.
const sayWhetherSeen = () => {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ type: isSeen() ? "looking" : "away" }));
};

// One look at everything is cheaper than one at each, and true at once.
const MANY = 5;
const TOGETHER = 120;
let touched = new Set();
let soon = 0;

// Says whether it was answered.
const fetchToday = async () => {
  try {
    const answer = await fetch(cards.source(), { headers: { Accept: "application/json" } });
    if (answer.redirected) return true;
    if (!answer.ok) return false;
    const today = await answer.json();
    cards.putAll(today);
    last = Math.max(last, today.feed_head);
    truth.heard(FEED);
    return true;
  } catch {
    // The server is away; the notice says since when.
    return false;
  }
};

// What was heard of and could not be read is asked for again: its event does not come a second time.
const missed = (ids) => {
  for (const id of ids) touched.add(id);
  soon ||= setTimeout(look, ASKED_AGAIN_AFTER);
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
  if (cards.hasLists() && (ids.size > MANY || cards.source() !== "/")) {
    void fetchToday().then((isAnswered) => isAnswered || missed(ids));
  } else for (const id of ids) cards.fetchCard(id);
  if (cards.hasLists()) return;
  numbers.refresh();
  void notices.refresh();
};

const heard = (event) => {
  last = event.sequence;
  if (event.name === "batch.ended") {
    toasts.batchEnded(event.subject_id, event.payload);
    return;
  }
  if (!event.name.startsWith("job.")) return;
  if (event.payload?.batch_id) toasts.leaveToBatch(event.subject_id);
  touched.add(event.subject_id);
  soon ||= setTimeout(look, touched.size > 1 ? TOGETHER : 0);
};

const receive = (message) => {
  isAnswered();
  truth.heard(FEED);
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

const lost = () => {
  isAnswered();
  truth.lost(FEED);
  tries += 1;
  const longest = isSeen() ? LONGEST_PAUSE : LONGEST_PAUSE_UNSEEN;
  const pause = Math.min(longest, 500 * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
  clearTimeout(reconnect);
  reconnect = setTimeout(connect, pause);
};

// A connection that was cut without a word does not close by itself: it is left behind.
const giveUp = () => {
  const dead = socket;
  socket = null;
  dead?.close();
  lost();
};

const connect = () => {
  clearTimeout(reconnect);
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  const made = new WebSocket(`${push}/ws/feed`);
  socket = made;
  expectAnswer(ANSWERS_WITHIN);
  made.addEventListener("open", () => {
    if (made !== socket) return;
    tries = 0;
    truth.found(FEED);
    catchUp();
    sayWhetherSeen();
  });
  made.addEventListener("message", (event) => made === socket && receive(JSON.parse(event.data)));
  made.addEventListener("close", (event) => {
    if (made !== socket) return;
    if (event.code === SIGNED_OUT) location.assign("/sign-in");
    else lost();
  });
};

// Somebody looks again, or the machine slept: what is shown is asked about at once.
const wake = () => {
  connect();
  catchUp(ANSWERS_AFTER_SLEEP);
  expectAnswer(ANSWERS_AFTER_SLEEP);
};

const tick = () => {
  const now = Date.now();
  if (now - ticked > SLEPT && isSeen()) wake();
  ticked = now;
  truth.show();
};

const fallBack = async (after = FALLBACK_AFTER) => {
  if (!truth.lostFor(FEED) || truth.lostFor(FEED) < after) return;
  if (pageJob()) await cards.fetchPage();
  else if (cards.hasLists()) await fetchToday();
  else numbers.refresh();
};

export const start = () => {
  push = document.body.dataset.push;
  last = Number(document.body.dataset.feedHead || 0);
  if (!push) return;
  connect();
  setInterval(() => catchUp(), CATCH_UP_EVERY);
  setInterval(() => isSeen() && sayWhetherSeen(), LOOKING_EVERY);
  setInterval(tick, TICK);
  setInterval(() => void fallBack(), FALLBACK_EVERY);
  addEventListener("online", wake);
  document.addEventListener("page:try", () => {
    connect();
    void fallBack(0);
  });
  document.addEventListener("job:missed", ({ detail: id }) => missed([id]));
  document.addEventListener("page:refresh", () => cards.hasLists() && void fetchToday());
  document.addEventListener("visibilitychange", () => {
    sayWhetherSeen();
    if (isSeen()) wake();
  });
};
