// Short words about what happened while the page was open, three at most.
import { find, isInView } from "./cards.js";

const MOST = 3;
const STAYS = 6_000;
const UNDO_STAYS = 10_000;

const holder = () => document.querySelector(".toasts");

// For those who listen instead of look: what the page itself shows already.
export const say = (text) => {
  const words = Object.assign(document.createElement("p"), { className: "sr", textContent: text });
  holder().append(words);
  setTimeout(() => words.remove(), STAYS);
};

// url: a job that the words are about. undo: what takes back what they tell.
export const toast = (text, url = "", undo = null) => {
  const shown = document.createElement("div");
  shown.className = "toast";
  const words = document.createElement("p");
  words.className = "user-text";
  words.textContent = text;
  shown.append(words);
  if (url) shown.append(Object.assign(document.createElement("a"), { href: url, textContent: "Open it" }));
  if (undo) {
    const button = Object.assign(document.createElement("button"), { className: "btn", type: "button", textContent: "Undo" });
    button.addEventListener("click", () => {
      shown.remove();
      undo();
    });
    shown.append(button);
  }
  holder().append(shown);
  while (holder().children.length > MOST) holder().firstElementChild.remove();
  // Who reaches for the button has the time to press it.
  const leave = () => (shown.matches(":hover, :focus-within") ? setTimeout(leave, STAYS) : shown.remove());
  setTimeout(leave, undo ? UNDO_STAYS : STAYS);
};

// Jobs of a batch are told of together, when the last of them has ended.
const ofBatches = new Set();
export const leaveToBatch = (id) => ofBatches.add(id);
export const batchEnded = (id, { size, ready, failed, expired, canceled }) => {
  const url = `/batches/${id}`;
  const card = find(id);
  // Its own page says so itself, and so does its card to who looks at it.
  if (location.pathname === url || (card && isInView(card))) return;
  const others = Object.entries({ failed, expired, cancelled: canceled }).filter(([, count]) => count);
  toast([`${ready} of ${size} ready`, ...others.map(([word, count]) => `${count} ${word}`)].join(", "), url);
};

const isToldByBatch = ({ dataset }) => "batch" in dataset || ofBatches.has(dataset.job);

// The card itself shows an ending to somebody who looks at it; a toast is for the others.
export const start = () => {
  document.addEventListener("jobs:ended", ({ detail: ended }) => {
    const hidden = ended.filter((card) => !isInView(card) && !isToldByBatch(card));
    if (hidden.length > MOST) toast(`${hidden.length} videos ended.`);
    else for (const card of hidden) document.dispatchEvent(new CustomEvent("job:ended", { detail: card }));
  });
  document.addEventListener("job:ended", ({ detail: card }) => {
    if (isInView(card) || isToldByBatch(card)) return;
    const state = card.querySelector(".state").textContent.trim();
    const prompt = card.querySelector(".prompt").textContent.trim();
    toast(`${state}: ${prompt.slice(0, 80)}`);
  });
};
