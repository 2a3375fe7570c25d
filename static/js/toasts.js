// Short words about what happened while the page was open, three at most.
const MOST = 3;
const STAYS = 6_000;

export const toast = (text) => {
  const holder = document.querySelector(".toasts");
  const shown = document.createElement("div");
  shown.className = "toast";
  const words = document.createElement("p");
  words.className = "user-text";
  words.textContent = text;
  shown.append(document.createElement("span"), words);
  holder.append(shown);
  while (holder.children.length > MOST) holder.firstElementChild.remove();
  setTimeout(() => shown.remove(), STAYS);
};

// The card itself shows an ending to somebody who looks at it; a toast is for the others.
export const start = () => {
  document.addEventListener("job:ended", ({ detail: card }) => {
    const { top, bottom } = card.getBoundingClientRect();
    if (!document.hidden && top >= 0 && bottom <= innerHeight) return;
    const state = card.querySelector(".state").textContent.trim();
    const prompt = card.querySelector(".prompt").textContent.trim();
    toast(`${state}: ${prompt.slice(0, 80)}`);
  });
};
