// The server's clock, and what ticks by it: how long a generation runs, against what is usual.
// Not by performance.now(): in many browsers it stands still while the machine sleeps.
const ahead = Date.parse(document.body.dataset.now) - Date.now();

export const now = () => Date.now() + ahead;

export const loadedAt = now();

const words = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

// Clock times are those of the owner's zone, wherever the browser is.
const TIME = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: document.body.dataset.zone || "UTC" };

export const clock = (at, seconds = false) =>
  new Date(at).toLocaleTimeString("en", seconds ? { ...TIME, second: "2-digit" } : TIME);

const KNOWN_PERCENT = 10;
const KNOWN_SECONDS = 4;
const SOONEST = 0.85;
const LATEST = 1.25;

const secondsLeft = (started, percent) => {
  const elapsed = (now() - Date.parse(started)) / 1_000;
  return percent < KNOWN_PERCENT || elapsed < KNOWN_SECONDS ? null : (elapsed * (100 - percent)) / percent;
};

// When it is ready by that pace, as the server says it too.
export const ready = (started, percent) => {
  const seconds = secondsLeft(started, percent);
  if (seconds === null) return "";
  const [low, high] = [SOONEST, LATEST].map((by) => clock(now() + 1_000 * seconds * by));
  return low === high ? `Ready about ${low}` : `Ready ${low} to ${high}`;
};

// What is left by the pace so far, as the server says it too; empty while nothing honest can be said.
export const left = (started, percent) => {
  const seconds = secondsLeft(started, percent);
  if (seconds === null) return "";
  return seconds <= 60 ? `, about ${Math.max(5, 5 * Math.round(seconds / 5))} s left` : `, about ${Math.round(seconds / 60)} min left`;
};

const tick = () => {
  if (document.hidden || "stale" in document.body.dataset) return;
  for (const running of document.querySelectorAll("[data-started]")) {
    // What started a moment ago may lie ahead of this clock, which is known to a fraction of a second.
    const elapsed = Math.max(0, (now() - Date.parse(running.dataset.started)) / 1_000);
    for (const shown of running.querySelectorAll("[data-elapsed]")) shown.textContent = words(elapsed);
    const { median, most } = running.dataset;
    if (!most || running.querySelector("[data-percent]")) continue;
    // No percentage: the playhead walks along the usual time, which is the hatched band.
    const whole = Math.max(Number(most) * 1.15, elapsed * 1.05);
    const at = (seconds) => `${((100 * seconds) / whole).toFixed(1)}%`;
    running.querySelector("[data-done]")?.setAttribute("width", at(elapsed));
    running.querySelector("[data-head]")?.setAttribute("x", at(elapsed));
    const band = running.querySelector("[data-usual]");
    band?.setAttribute("x", at(median));
    band?.setAttribute("width", at(most - median));
  }
};

export const start = () => {
  tick();
  setInterval(tick, 1_000);
};
