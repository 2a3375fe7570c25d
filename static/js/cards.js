import * as clock from "./clock.js";
import { keepHeight } from "./heights.js";
import * as numbers from "./numbers.js";

// Puts what the server says about a job in its place on the page. Older news never replaces newer.
const WAITS_EVERY = 10_000;
const WAITS_AFTER_CHANGE = 2_500;

const lists = () => ({
  "under-way": document.querySelector('[data-list="under-way"]'),
  finished: document.querySelector('[data-list="finished"]'),
});

const parse = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content.firstElementChild;
};

export const hasLists = () => Boolean(lists().finished);

// Where the lists of this page come from: today's, or those of one batch.
export const source = () => document.querySelector("[data-lists]")?.dataset.lists ?? "/";

const isToday = () => source() === "/";
export const isPage = () => Boolean(document.querySelector("[data-page-job]"));

// The job's row, still or page: whatever shows it here.
export const find = (id) =>
  document.querySelector(`[data-job="${CSS.escape(id)}"], [data-page-job="${CSS.escape(id)}"]`);

// One of the frames of a batch's picture.
const findPart = (id) => document.querySelector(`[data-part="${CSS.escape(id)}"]`);

export const idOf = (within) => {
  const { job, pageJob } = within.closest("[data-job], [data-page-job]").dataset;
  return job ?? pageJob;
};

export const isInView = (card) => {
  const { top, bottom } = card.getBoundingClientRect();
  return !document.hidden && top >= 0 && bottom <= innerHeight;
};

const CONTROLS = ["[data-edit]", "[data-cancel] button", "[data-cancels]", "[data-retries]", "[popovertarget]", "[data-retry] button", "[data-reuse]", "[data-play]"];

export const focusOn = (card, control) => {
  const target = (control && card?.querySelector(control)) ?? card?.querySelector(".prompt a, h1");
  target?.focus({ preventScroll: true });
};

// What of its card somebody stands on; nothing for the link.
export const controlOf = (element) => CONTROLS.find((selector) => element.matches(selector));

// Puts fresh in the place of old; who stood on a button of the old one stands on that of the new one.
const replace = (old, fresh, place) => {
  const focused = document.activeElement;
  const had = old?.contains(focused);
  keepHeight(old, fresh);
  const control = had && controlOf(focused);
  place();
  if (had) focusOn(fresh, control);
};

// Something of a job is different; or one came, moved or left, which changes the line and the price of time.
const changed = () => document.dispatchEvent(new CustomEvent("job:changed"));
const placed = () => document.dispatchEvent(new CustomEvent("job:placed"));

const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// A video that became ready while somebody looks starts by itself, without sound.
const play = (card) => {
  const video = card.querySelector("video");
  if (video && !isCalm()) video.play().catch(() => {});
};

// Without JavaScript the browser's own controls are there; here a still is a picture until it plays.
const dress = (within) => {
  for (const button of within.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  for (const button of within.querySelectorAll("[data-play][hidden]")) {
    const frame = button.parentElement;
    const video = frame.querySelector("video");
    video.controls = false;
    button.hidden = false;
    button.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
    video.addEventListener("play", () => (frame.dataset.playing = ""));
    video.addEventListener("pause", () => delete frame.dataset.playing);
  }
};

const ORDER = ["running", "starting", "waiting", "retrying", "batch", "cancelling"];

// Running first, then what waits; rows keep their place while the pointer or the focus is on them.
const arrange = (list) => {
  if (list.matches(":hover, :focus-within")) return;
  const cards = [...list.children];
  const sorted = cards.toSorted((a, b) => ORDER.indexOf(a.dataset.look) - ORDER.indexOf(b.dataset.look));
  if (sorted.some((card, at) => card !== cards[at])) list.append(...sorted);
};

const refresh = () => {
  const { "under-way": underWay, finished } = lists();
  dress(document);
  if (!underWay) return;
  arrange(underWay);
  const count = underWay.children.length + finished.children.length;
  document.querySelector("[data-finished]").hidden = !finished.children.length;
  const shown = document.querySelector("[data-under-way]");
  if (shown) shown.hidden = !underWay.children.length;
  document.querySelector("[data-empty]").hidden = Boolean(count);
};

const showNumbers = ({ tally, bulk, summary, left_out: leftOut, ...frame }) => {
  const parts = {
    "[data-tally]": tally,
    "[data-bulk]": bulk,
    "[data-summary-of-batch]": summary,
    "[data-left-out]": leftOut,
  };
  for (const [selector, html] of Object.entries(parts)) {
    const shown = document.querySelector(selector);
    if (!shown || html === undefined || shown.innerHTML === html) continue;
    const at = [...shown.querySelectorAll("a")].indexOf(document.activeElement);
    shown.innerHTML = html;
    // Who stood on a link stands on the one in its place, or on the page where it is gone.
    if (at >= 0) (shown.querySelectorAll("a")[at] ?? document.getElementById("main")).focus({ preventScroll: true });
  }
  numbers.show(frame);
};

// A page that stays open all day shows as many as one that is loaded now.
const dropOldest = (list) => {
  while (list.children.length > Number(list.dataset.most)) list.lastElementChild.remove();
};

// answer: {group, version, card, tally, credits}, as the server gives it for one job. Gives the card.
export const put = (answer) => {
  const list = lists()[answer.group];
  if (!list) return null;
  const card = parse(answer.card);
  if (!isToday()) {
    // Whether it belongs here, and what that makes of the whole, the server says.
    document.dispatchEvent(new CustomEvent("page:refresh"));
    return find(card.dataset.job);
  }
  const old = find(card.dataset.job);
  if (old && Number(old.dataset.version) > answer.version) return old;
  const ended = old && old.dataset.group === "under-way" && answer.group === "finished";
  replace(old, card, () => {
    if (old && old.dataset.group === answer.group) old.replaceWith(card);
    else {
      old?.remove();
      list.prepend(card);
      dropOldest(list);
    }
  });
  if (ended) {
    play(card);
    numbers.ended(card.dataset.look);
    document.dispatchEvent(new CustomEvent("job:ended", { detail: card }));
  }
  showNumbers(answer);
  refresh();
  changed();
  placed();
  return card;
};

const byId = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return new Map([...holder.content.querySelectorAll("[data-job]")].map((card) => [card.dataset.job, card]));
};

// Makes a list what the server says: what is unchanged keeps its element, so that a clip plays on.
const reconcile = (list, fresh) => {
  const ended = [];
  for (const [id, card] of fresh) {
    const old = find(id);
    if (old && Number(old.dataset.version) >= Number(card.dataset.version) && old.parentElement === list) {
      fresh.set(id, old);
    } else if (old) {
      if (old.dataset.group === "under-way" && card.dataset.group === "finished") ended.push(card);
      replace(old, card, () => old.replaceWith(card));
    }
  }
  const wanted = [...fresh.values()];
  if (wanted.some((card, at) => card !== list.children[at]) || wanted.length !== list.children.length) {
    list.replaceChildren(...wanted);
  }
  return ended;
};

// today: {under_way, finished, tally, bulk, credits, unread}: everything at once, after much has happened.
export const putAll = (today) => {
  const { "under-way": underWay, finished } = lists();
  if (!underWay) return;
  const ended = [...reconcile(finished, byId(today.finished)), ...reconcile(underWay, byId(today.under_way))];
  for (const card of ended) numbers.ended(card.dataset.look);
  if (ended.length) document.dispatchEvent(new CustomEvent("jobs:ended", { detail: ended }));
  showNumbers(today);
  refresh();
  changed();
  placed();
};

// Moves the drawing of a running job; the words and the money wait for its event.
export const progress = (id, percent) => {
  const shown = find(id) ?? findPart(id);
  if (!shown || shown.dataset.look !== "running") return;
  shown.querySelector("[data-done]")?.setAttribute("width", `${percent}%`);
  shown.querySelector("[data-head]")?.setAttribute("x", `${percent}%`);
  shown.querySelector("[data-pie]")?.setAttribute("stroke-dasharray", `${percent} 100`);
  shown.querySelector("[data-hand]")?.setAttribute("transform", `rotate(${percent * 3.6} 80 45)`);
  const text = shown.querySelector("[data-percent]");
  if (text) text.textContent = `${percent}%`;
  else void fetchCard(id);
  const detail = shown.querySelector("[data-detail]");
  if (detail) detail.textContent = `${percent}%${clock.left(shown.dataset.started, percent)}`;
  const ready = shown.querySelector("[data-ready]");
  if (ready) ready.textContent = clock.ready(shown.dataset.started, percent);
  changed();
};

// Written anew only when it says something else, so that nobody hears it twice.
const showNotice = (html) => {
  const shown = document.querySelector("[data-notice]");
  const told = parse(html)?.textContent ?? "";
  if (shown && shown.textContent.trim() !== told.trim()) shown.innerHTML = html;
};

// Places and ranges change without an event: they are asked for while somebody looks.
const refreshWaits = async () => {
  const waiting = '[data-look="waiting"], [data-look="retrying"]';
  if (document.hidden || !document.querySelector(waiting)) return;
  try {
    const answer = await fetch("/waiting", { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    const { waiting, notice } = await answer.json();
    showNotice(notice);
    for (const [id, told] of Object.entries(waiting)) {
      const shown = find(id) ?? findPart(id);
      if (!shown || shown.dataset.look !== told.look) continue;
      const [place, detail, wait] = ["place", "detail", "wait"].map((part) => shown.querySelector(`[data-${part}]`));
      if (place) place.textContent = told.place;
      if (detail) detail.textContent = told.detail;
      if (wait) wait.innerHTML = told.wait;
    }
  } catch {
    // No connection: what is shown is marked as old by then.
  }
};

// Its owner deleted it, perhaps on another device. Who stood on it stands on the page.
export const remove = (card) => {
  if (!card) return;
  const had = card.contains(document.activeElement);
  card.remove();
  if (had) document.getElementById("main").focus({ preventScroll: true });
  refresh();
  numbers.refresh();
  changed();
};

// A line of the history, where it is on this page.
const fetchRow = async (id) => {
  const old = find(id);
  if (!old) return;
  const answer = await fetch(`/jobs/${id}/row`);
  if (answer.redirected) return;
  if (answer.status === 404) remove(old);
  else if (!answer.ok) missed(id);
  if (!answer.ok) return;
  const fresh = parse(await answer.text());
  if (Number(old.dataset.version) > Number(fresh.dataset.version)) return;
  replace(old, fresh, () => old.replaceWith(fresh));
};

// Nobody answered: it is asked for again a little later.
const missed = (id) => document.dispatchEvent(new CustomEvent("job:missed", { detail: id }));

const asked = new Map();

// Asks once for several events of the same job that come together.
export const fetchCard = (id) => {
  if (asked.has(id)) {
    asked.get(id).again = true;
    return;
  }
  const state = { again: false };
  asked.set(id, state);
  void (async () => {
    try {
      if (!lists().finished) return await fetchRow(id);
      const answer = await fetch(`/jobs/${id}/card`, { headers: { Accept: "application/json" } });
      if (answer.redirected) return;
      if (answer.ok) put(await answer.json());
      if (!answer.ok && answer.status !== 404) missed(id);
      if (answer.status === 404 && find(id)) remove(find(id));
      // A part of a batch is gone: the whole is drawn anew.
      else if (answer.status === 404 && findPart(id)) document.dispatchEvent(new CustomEvent("page:refresh"));
    } catch {
      missed(id);
    } finally {
      asked.delete(id);
      if (state.again) fetchCard(id);
    }
  })();
};

// The job page is drawn whole by the server.
export const fetchPage = async () => {
  const id = document.querySelector("[data-page-job]").dataset.pageJob;
  try {
    // A refused action is answered at an address of its own; the page is always here.
    const address = `/jobs/${id}/`;
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (answer.status === 404) location.assign("/");
    else if (!answer.ok) missed(id);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [old, found] = [document, fresh].map((page) => page.querySelector("[data-page-job]"));
    if (!found || Number(old.dataset.version) > Number(found.dataset.version)) return;
    const became = old.dataset.look !== found.dataset.look;
    document.adoptNode(found);
    replace(old, found, () => old.replaceWith(found));
    dress(document);
    if (became) play(found);
    if (became) numbers.ended(found.dataset.look);
    numbers.refresh();
    changed();
  } catch {
    missed(id);
  }
};

// Who came or went changes the places of the others, as soon as these are published anew.
let waitsSoon = 0;
const refreshWaitsSoon = () => {
  waitsSoon ||= setTimeout(() => {
    waitsSoon = 0;
    void refreshWaits();
  }, WAITS_AFTER_CHANGE);
};

export const start = () => {
  refresh();
  setInterval(refreshWaits, WAITS_EVERY);
  document.addEventListener("job:placed", refreshWaitsSoon);
};
