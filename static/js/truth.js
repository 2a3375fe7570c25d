// Whether this page can know what is true, and as of when. Whoever reads for it says so; where one of
// them gets no answer, the page says it and nothing pretends to be live.
import * as clock from "./clock.js";

const PATIENCE = 3_000;
const heardAt = new Map();
const lostAt = new Map();

export const show = () => {
  const notice = document.querySelector("[data-offline]");
  if (!notice) return;
  const away = [...lostAt].filter(([, { at, patience }]) => Date.now() - at >= patience);
  notice.hidden = !away.length;
  document.body.toggleAttribute("data-stale", away.length > 0);
  const loaded = clock.loadedAt;
  const since = clock.clock(Math.min(...away.map(([who]) => heardAt.get(who) ?? loaded)), true);
  const told = notice.querySelector("[data-truth]");
  // Written only when it says something else: whoever listens is not told the same every second.
  if (away.length && !told.textContent.endsWith(since)) told.textContent = `what was true at ${since}`;
  const shown = document.querySelector("[data-as-of]");
  if (shown) shown.textContent = away.length ? ` · as of ${since}` : "";
};

export const heard = (who) => heardAt.set(who, clock.now());

export const found = (who) => {
  heard(who);
  lostAt.delete(who);
  show();
};

// A short break is not worth a word.
export const lost = (who, patience = PATIENCE) => {
  if (!lostAt.has(who)) lostAt.set(who, { at: Date.now(), patience });
  setTimeout(show, patience + 50);
  show();
};

// For how long there was no answer, ms; 0 while there is one.
export const lostFor = (who) => (lostAt.has(who) ? Date.now() - lostAt.get(who).at : 0);

export const start = () => {
  document.querySelector("[data-try-now]")?.addEventListener("click", () => document.dispatchEvent(new Event("page:try")));
};
