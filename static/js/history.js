// Older videos are loaded as one scrolls. What goes on is said where they will be.
const wordsOf = (event) => event.target.closest("[data-older]")?.querySelector("span");

const say = (event, words) => {
  const shown = wordsOf(event);
  if (shown) shown.textContent = words;
};

document.addEventListener("htmx:beforeRequest", (event) => say(event, "Loading older videos."));
for (const fault of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(fault, (event) => say(event, "They could not be loaded. Press to try again."));
}
// Signed out meanwhile: the whole page goes where it would have gone.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (new URL(xhr.responseURL).pathname === location.pathname) return;
  event.detail.shouldSwap = false;
  location.reload();
});
