// Cancel and retry, without leaving the page. What costs credits asks first.
import * as cards from "./cards.js";
import { putBack } from "./sure.js";
import { say, toast } from "./toasts.js";

const busy = new Set();

// Gives null when the answer of an equal press is still on its way, or when somebody has signed out.
const post = async (form) => {
  if (busy.has(form.action)) return null;
  busy.add(form.action);
  form.ariaBusy = "true";
  try {
    const sent = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: new FormData(form),
    });
    if (sent.redirected) {
      location.reload();
      return null;
    }
    return { isTaken: sent.ok, ...(await sent.json()) };
  } finally {
    busy.delete(form.action);
    form.ariaBusy = null;
  }
};

const cancel = async (form) => {
  try {
    const answer = await post(form);
    if (!answer) return;
    if (cards.isPage()) await cards.fetchPage();
    else cards.put(answer);
    if (answer.detail) toast(answer.detail);
    else if (answer.undo) toast("Cancelled, free.", "", () => void putBack([answer.undo]));
  } catch {
    toast("No answer came from the server. Pressing Cancel again is safe.");
  }
};

const retry = async (form) => {
  try {
    const answer = await post(form);
    if (!answer) return;
    if (!answer.isTaken) toast(answer.detail);
    else if (cards.isPage()) location.assign(answer.repeated ? `${answer.url}?repeated` : answer.url);
    else show(answer);
  } catch {
    toast("No answer came from the server. Pressing Retry again is safe.");
  }
};

const show = (answer) => {
  const card = cards.put(answer);
  if (answer.repeated) toast("Already submitted again. It stays one video.", answer.url);
  else if (card && cards.isInView(card)) say("Submitted again as a new video.");
  else toast("Submitted again as a new video.", answer.url);
};

const OVER = {
  cancelling: "It is being cancelled already.",
  ready: "It is ready, and charged once.",
};

let asked = "";
let askedFrom;

// Shows what is true now: while somebody reads, the video may move on, end, or have another price.
const fill = () => {
  const dialog = document.getElementById("cancel");
  const card = cards.find(asked);
  const form = card?.querySelector("[data-cancel]");
  const percent = card?.querySelector("[data-percent]")?.textContent;
  const [price, other] = [dialog.querySelector("[data-price]"), dialog.querySelector("[data-other]")];
  const hasPrice = Boolean(form?.dataset.money);
  price.hidden = !hasPrice;
  other.hidden = hasPrice;
  dialog.querySelector("[data-confirm]").hidden = !form;
  dialog.querySelector("h2").textContent = form ? "Cancel this video?" : "Too late to cancel";
  dialog.querySelector("[data-leave]").textContent = form ? "Let it finish" : "Close";
  dialog.querySelector("[data-verb]").textContent = form?.dataset.verb ?? "Cancel · free";
  if (hasPrice) {
    price.querySelector("[data-done]").textContent = percent ? `${percent} done` : "being generated";
    price.querySelector("[data-money]").textContent = form.dataset.money;
    price.querySelector("[data-rest]").textContent = form.dataset.rest;
  } else {
    const ended = OVER[card?.dataset.look] ?? "It had already ended.";
    other.textContent = form ? "It waits in line again, so cancelling is free now." : ended;
  }
  // A hidden button cannot keep the focus.
  if (!form && dialog.open) dialog.querySelector("[data-leave]").focus();
};

const ask = (form) => {
  asked = cards.idOf(form);
  askedFrom = cards.controlOf(document.activeElement);
  fill();
  document.getElementById("cancel").showModal();
};

export const start = () => {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-retry]")) void retry(form);
    else if (form.matches("[data-cancel]")) form.dataset.money ? ask(form) : void cancel(form);
    else return;
    event.preventDefault();
  });
  const dialog = document.getElementById("cancel");
  document.addEventListener("job:changed", () => {
    if (dialog.open) fill();
  });
  dialog.querySelector("[data-confirm]").addEventListener("click", () => {
    const form = cards.find(asked)?.querySelector("[data-cancel]");
    dialog.close();
    if (form) void cancel(form);
  });
  // What it was opened from may have been replaced; then its successor gets the focus.
  dialog.addEventListener("close", () => {
    const { activeElement } = document;
    if (activeElement !== document.body && !dialog.contains(activeElement)) return;
    cards.focusOn(cards.find(asked), askedFrom);
  });
};
