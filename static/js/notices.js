// Marks notices as read without leaving the page.
import * as numbers from "./numbers.js";

const mark = async (form) => {
  const sent = await fetch(form.action, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    body: new FormData(form),
  });
  if (!sent.ok || sent.redirected) {
    location.reload();
    return;
  }
  const rows = form.matches("[data-read]") ? [form.closest("li")] : document.querySelectorAll(".feed [data-unread]");
  for (const row of rows) {
    delete row.dataset.unread;
    row.querySelector(".sr")?.remove();
    row.querySelector("[data-read]")?.remove();
    row.querySelector("a")?.focus({ preventScroll: true });
  }
  if (!document.querySelector(".feed [data-unread]")) document.querySelector("[data-read-all]")?.remove();
  numbers.show(await sent.json());
};

const AGAIN_AFTER = 2_000;
let again = 0;

// What comes while the page is open is put above what is there.
export const refresh = async () => {
  const shown = document.querySelector("[data-notices]");
  if (!shown || location.search || shown.contains(document.activeElement)) return;
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (answer.redirected) return;
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["[data-notices]", "[data-sent-today]"]) {
      const fresh = page.querySelector(part);
      if (fresh) document.querySelector(part).replaceChildren(...fresh.childNodes);
    }
  } catch {
    // Its event does not come a second time.
    clearTimeout(again);
    again = setTimeout(refresh, AGAIN_AFTER);
  }
};

export const start = () => {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-read], [data-read-all]")) return;
    event.preventDefault();
    mark(event.target).catch(() => location.reload());
  });
};
