// Puts what the server says about a job in its place on the page. Older news never replaces newer.
const WAITS_EVERY = 10_000;

const lists = () => ({
  "under-way": document.querySelector('[data-list="under-way"]'),
  finished: document.querySelector('[data-list="finished"]'),
});

const parse = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content.firstElementChild;
};

export const isPage = () => Boolean(document.querySelector("[data-page-job]"));

// The job's row, still or page: whatever shows it here.
export const find = (id) =>
  document.querySelector(`[data-job="${CSS.escape(id)}"], [data-page-job="${CSS.escape(id)}"]`);

export const idOf = (within) => {
  const { job, pageJob } = within.closest("[data-job], [data-page-job]").dataset;
  return job ?? pageJob;
};

export const isInView = (card) => {
  const { top, bottom } = card.getBoundingClientRect();
  return !document.hidden && top >= 0 && bottom <= innerHeight;
};

const CONTROLS = ["[data-cancel] button", "[data-retry] button", "[data-reuse]", "[data-play]"];

export const focusOn = (card, control) => {
  const target = (control && card?.querySelector(control)) ?? card?.querySelector(".prompt a, h1");
  target?.focus({ preventScroll: true });
};

// Puts fresh in the place of old; who stood on a button of the old one stands on that of the new one.
const replace = (old, fresh, place) => {
  const focused = document.activeElement;
  const had = old?.contains(focused);
  const control = had && CONTROLS.find((selector) => focused.matches(selector));
  place();
  if (had) focusOn(fresh, control);
};

const changed = () => document.dispatchEvent(new CustomEvent("job:changed"));

const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// A video that became ready while somebody looks starts by itself, without sound.
const play = (card) => {
  const video = card.querySelector("video");
  if (video && !isCalm()) video.play().catch(() => {});
};

// Without JavaScript the browser's own controls are there; here a still is a picture until it plays.
const dress = (within) => {
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

const ORDER = ["running", "starting", "waiting", "retrying", "cancelling"];

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
  const count = underWay.children.length;
  document.querySelector("[data-finished]").hidden = !finished.children.length;
  document.querySelector("[data-empty]").hidden = Boolean(count + finished.children.length);
  document.title = count ? `(${count}) Studio · videogen` : "Studio · videogen";
};

const showNumbers = ({ tally, credits }) => {
  const shown = document.querySelector("[data-tally]");
  if (shown && tally !== undefined) shown.innerHTML = tally;
  if (credits !== undefined && credits !== null) {
    document.querySelector("[data-credits]").textContent = credits.toLocaleString("en");
  }
};

// answer: {group, version, card, tally, credits}, as the server gives it for one job. Gives the card.
export const put = (answer) => {
  const list = lists()[answer.group];
  if (!list) return null;
  const card = parse(answer.card);
  const old = find(card.dataset.job);
  if (old && Number(old.dataset.version) > answer.version) return old;
  const ended = old && old.dataset.group === "under-way" && answer.group === "finished";
  replace(old, card, () => {
    if (old && old.dataset.group === answer.group) old.replaceWith(card);
    else {
      old?.remove();
      list.prepend(card);
    }
  });
  if (ended) {
    play(card);
    document.dispatchEvent(new CustomEvent("job:ended", { detail: card }));
  }
  showNumbers(answer);
  refresh();
  changed();
  return card;
};

// today: {under_way, finished, tally, credits}: everything at once, where the socket is away.
export const putAll = (today) => {
  const { "under-way": underWay, finished } = lists();
  if (!underWay) return;
  underWay.innerHTML = today.under_way;
  const playing = [...finished.querySelectorAll("video")].some((video) => !video.paused);
  if (!playing) finished.innerHTML = today.finished;
  showNumbers(today);
  refresh();
  changed();
};

// Moves the drawing of a running job; the words and the money wait for its event.
export const progress = (id, percent) => {
  const shown = find(id);
  if (!shown || shown.dataset.look !== "running") return;
  shown.querySelector("[data-done]")?.setAttribute("width", `${percent}%`);
  shown.querySelector("[data-head]")?.setAttribute("x", `${percent}%`);
  shown.querySelector("[data-pie]")?.setAttribute("stroke-dasharray", `${percent} 100`);
  shown.querySelector("[data-hand]")?.setAttribute("transform", `rotate(${percent * 3.6} 80 45)`);
  const text = shown.querySelector("[data-percent]");
  if (text) text.textContent = `${percent}%`;
  else void fetchCard(id);
  const detail = shown.querySelector("[data-detail]");
  if (detail) detail.textContent = `${percent}%`;
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
      const shown = find(id);
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
      const answer = await fetch(`/jobs/${id}/card`, { headers: { Accept: "application/json" } });
      if (answer.ok) put(await answer.json());
    } catch {
      // No connection: the catch-up after it comes back asks again.
    } finally {
      asked.delete(id);
      if (state.again) fetchCard(id);
    }
  })();
};

// The job page is drawn whole by the server.
export const fetchPage = async () => {
  try {
    // A refused action is answered at an address of its own; the page is always here.
    const address = `/jobs/${document.querySelector("[data-page-job]").dataset.pageJob}/`;
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [old, found] = [document, fresh].map((page) => page.querySelector("[data-page-job]"));
    if (!found || Number(old.dataset.version) > Number(found.dataset.version)) return;
    const became = old.dataset.look !== found.dataset.look;
    document.adoptNode(found);
    replace(old, found, () => old.replaceWith(found));
    dress(document);
    if (became) play(found);
    const credits = fresh.querySelector("[data-credits]");
    if (credits) document.querySelector("[data-credits]").textContent = credits.textContent;
    changed();
  } catch {
    // No connection: the catch-up after it comes back asks again.
  }
};

export const start = () => {
  refresh();
  setInterval(refreshWaits, WAITS_EVERY);
};
