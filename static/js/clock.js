// The server's clock, and what ticks by it: how long a generation runs, against what is usual.
const began = performance.now();
const server = Date.parse(document.body.dataset.now);

export const now = () => server + performance.now() - began;

const words = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

const KNOWN_PERCENT = 10;
const KNOWN_SECONDS = 4;

// What is left by the pace so far, as the server says it too; empty while nothing honest can be said.
export const left = (started, percent) => {
  const elapsed = (now() - Date.parse(started)) / 1_000;
  if (percent < KNOWN_PERCENT || elapsed < KNOWN_SECONDS) return "";
  const seconds = (elapsed * (100 - percent)) / percent;
  return seconds <= 60 ? `, about ${Math.max(5, 5 * Math.round(seconds / 5))} s left` : `, about ${Math.round(seconds / 60)} min left`;
};

const tick = () => {
  if (document.hidden || "stale" in document.body.dataset) return;
  for (const running of document.querySelectorAll("[data-started]")) {
    const elapsed = (now() - Date.parse(running.dataset.started)) / 1_000;
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
