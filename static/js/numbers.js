// What the frame of every page shows: credits, unread notices, the count in the title and on the icon.
// Whether nobody looks at this page.
const isAway = () => document.hidden;

const icon = document.querySelector('link[rel="icon"]');
const plainIcon = icon?.href;
const plainTitle = document.title;
let unseen = 0;
let hasFailed = false;

// The count on the icon: what ended while the page was out of sight; on red when a video failed.
const counted = (count, { ground, ink }) =>
  `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="13" cy="19" r="10.5" fill="none" stroke="#7a8790" stroke-width="4"/><circle cx="21" cy="11" r="11" fill="${ground}"/><text x="21" y="${count > 9 ? 15.5 : 16.5}" font-family="system-ui,sans-serif" font-size="${count > 9 ? 13 : 16}" font-weight="700" text-anchor="middle" fill="${ink}">${count > 9 ? "9+" : count}</text></svg>`,
  )}`;
const READY = { ground: "#f5b04d", ink: "#1c2327" };
const FAILED = { ground: "#c62544", ink: "#fff" };

export const showTitle = () => {
  document.title = unseen ? `(${unseen}) ${plainTitle}` : plainTitle;
  if (!icon) return;
  const wanted = unseen ? counted(unseen, hasFailed ? FAILED : READY) : plainIcon;
  if (icon.href !== wanted) icon.href = wanted;
};

const seen = () => {
  if (isAway()) return;
  unseen = 0;
  hasFailed = false;
  showTitle();
};

export const ended = (look) => {
  if (!isAway()) return;
  unseen += 1;
  hasFailed ||= look === "failed" || look === "expired";
  showTitle();
};

export const show = ({ credits, unread }) => {
  if (credits !== undefined && credits !== null) {
    for (const shown of document.querySelectorAll("[data-credits]")) shown.textContent = credits.toLocaleString("en");
  }
  if (unread === undefined) return;
  const badge = document.querySelector("[data-unread-count]");
  badge.textContent = unread >= 100 ? "99+" : String(unread);
  badge.hidden = document.querySelector("[data-unread-word]").hidden = !unread;
};

let asking = 0;
const AGAIN_AFTER = 2_000;

const ask = async () => {
  try {
    const answer = await fetch("/numbers", { headers: { Accept: "application/json" } });
    if (answer.redirected) return;
    if (answer.ok) show(await answer.json());
    else refresh(AGAIN_AFTER);
  } catch {
    refresh(AGAIN_AFTER);
  }
};

// Asks once for several events that come together.
export const refresh = (after = 100) => {
  clearTimeout(asking);
  asking = setTimeout(ask, after);
};

export const start = () => {
  document.addEventListener("visibilitychange", seen);
  addEventListener("focus", seen);
};
