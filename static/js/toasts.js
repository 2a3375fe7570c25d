// Short words about what happened while the page was open, three at most.
import { isInView } from "./cards.js";

const MOST = 3;
const STAYS = 6_000;

const holder = () => document.querySelector(".toasts");

// For those who listen instead of look: what the page itself shows already.
export const say = (text) => {
  const words = Object.assign(document.createElement("p"), { className: "sr", textContent: text });
  holder().append(words);
  setTimeout(() => words.remove(), STAYS);
};

// url: a job that the words are about.
export const toast = (text, url = "") => {
  const shown = document.createElement("div");
  shown.className = "toast";
  const words = document.createElement("p");
  words.className = "user-text";
  words.textContent = text;
  shown.append(words);
  if (url) shown.append(Object.assign(document.createElement("a"), { href: url, textContent: "Open it" }));
  holder().append(shown);
  while (holder().children.length > MOST) holder().firstElementChild.remove();
  setTimeout(() => shown.remove(), STAYS);
};

// The card itself shows an ending to somebody who looks at it; a toast is for the others.
export const start = () => {
  document.addEventListener("jobs:ended", ({ detail: ended }) => {
    const hidden = ended.filter((card) => !isInView(card));
    if (hidden.length > MOST) toast(`${hidden.length} videos ended.`);
    else for (const card of hidden) document.dispatchEvent(new CustomEvent("job:ended", { detail: card }));
  });
  document.addEventListener("job:ended", ({ detail: card }) => {
    if (isInView(card)) return;
    const state = card.querySelector(".state").textContent.trim();
    const prompt = card.querySelector(".prompt").textContent.trim();
    toast(`${state}: ${prompt.slice(0, 80)}`);
  });
};
