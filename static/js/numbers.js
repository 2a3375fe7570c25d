// What the frame of every page shows: credits, unread notices, the count in the title and on the icon.
// Whether nobody looks at this page.
const isAway = () => document.hidden;

const icon = document.querySelector('link[rel="icon"]');
const plainIcon = icon?.href;
const plainTitle = document.title;
let unseen = 0;
let hasFailed = false;

// A dot on the icon: something ended while the page was out of sight; red when a video failed.
const dotted = (colour) =>
  `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="15" cy="17" r="11" fill="none" stroke="#7a8790" stroke-width="4"/><circle cx="24" cy="8" r="8" fill="${colour}"/></svg>`,
  )}`;

export const showTitle = () => {
  document.title = unseen ? `(${unseen}) ${plainTitle}` : plainTitle;
  if (!icon) return;
  const wanted = unseen ? dotted(hasFailed ? "#d5334e" : "#f5b04d") : plainIcon;
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

// Asks once for several events that come together.
export const refresh = () => {
  clearTimeout(asking);
  asking = setTimeout(async () => {
    try {
      const answer = await fetch("/numbers", { headers: { Accept: "application/json" } });
      if (answer.ok && !answer.redirected) show(await answer.json());
    } catch {
      // No connection: the catch-up after it comes back asks again.
    }
  }, 100);
};

export const start = () => {
  document.addEventListener("visibilitychange", seen);
  addEventListener("focus", seen);
};
