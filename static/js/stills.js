// Stills are fetched when they are about to be seen: the browser's own laziness begins several screens ahead.
const AHEAD = "120px";
const STILL = "img[data-still]:not([src])";

// The frame is looked at: what has no picture yet has no box of its own.
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      for (const still of target.querySelectorAll(STILL)) still.src = still.dataset.still;
    }
  },
  { rootMargin: AHEAD },
);

const watch = (within) => {
  for (const still of within.querySelectorAll(STILL)) near.observe(still.closest(".frame"));
};

export const start = () => {
  const main = document.getElementById("main");
  watch(main);
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) watch(node);
    }
  }).observe(main, { childList: true, subtree: true });
};
