// Parts of a page stay true: they are read anew every few seconds. Without an answer nothing pretends to be live.
import * as truth from "./truth.js";

const follower = document.querySelector("[data-follow]");
const PARTS = "parts";

// What the reader is in the middle of stays where it is; the next answer brings it up to date.
const isInUse = (part) => part.contains(document.activeElement) || (!getSelection().isCollapsed && getSelection().containsNode(part, true));

const put = (text) => {
  const answer = new DOMParser().parseFromString(text, "text/html");
  for (const fresh of answer.querySelectorAll("[data-part]")) {
    const part = document.querySelector(`[data-part="${fresh.dataset.part}"]`);
    if (!part) continue;
    // What it is now decides which buttons the page has.
    if (part.dataset.stateName !== fresh.dataset.stateName) return location.reload();
    if (part.innerHTML === fresh.innerHTML || isInUse(part)) continue;
    for (const details of part.querySelectorAll("details[open]")) {
      const again = fresh.querySelectorAll("details")[[...part.querySelectorAll("details")].indexOf(details)];
      if (again) again.open = true;
    }
    part.replaceChildren(...fresh.childNodes);
  }
};

const look = async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(follower.dataset.follow, { signal: AbortSignal.timeout(10_000) });
    // Signed out, or not allowed any more: the page itself says so.
    if (answer.redirected || answer.status === 403) return location.reload();
    if (!answer.ok) return truth.lost(PARTS, 0);
    put(await answer.text());
    truth.found(PARTS);
  } catch {
    truth.lost(PARTS, 0);
  }
};

const follow = async () => {
  await look();
  setTimeout(follow, Number(follower.dataset.every) * 1000);
};

if (follower) {
  setTimeout(follow, Number(follower.dataset.every) * 1000);
  document.addEventListener("visibilitychange", look);
  document.addEventListener("page:try", look);
}
