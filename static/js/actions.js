// Cancel and retry, without leaving the page. What costs credits asks first.
import * as cards from "./cards.js";
import { toast } from "./toasts.js";

const post = async (form) => {
  const sent = await fetch(form.action, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    body: new FormData(form),
  });
  return { sent, answer: await sent.json() };
};

const cancel = async (form) => {
  try {
    const { answer } = await post(form);
    if (document.querySelector("[data-page-job]")) await cards.fetchPage();
    else cards.put(answer);
    if (answer.detail) toast(answer.detail);
  } catch {
    toast("We could not reach the server. Nothing was cancelled.");
  }
};

const retry = async (form) => {
  try {
    const { sent, answer } = await post(form);
    if (!sent.ok) toast(answer.detail ?? "This could not be tried again.");
    else if (document.querySelector("[data-page-job]")) location.assign(answer.url);
    else {
      cards.put(answer);
      toast(answer.repeated ? "It was already tried again: this is that video." : "Submitted again as a new video.");
    }
  } catch {
    toast("We could not reach the server. Pressing again is safe.");
  }
};

// The form may be replaced by fresher news while the dialog is open; its answer is then the fresh price.
const ask = (form) => {
  const dialog = document.getElementById("cancel");
  dialog.querySelector("[data-question]").textContent = form.dataset.question;
  dialog.querySelector("[data-verb]").textContent = form.dataset.verb;
  dialog.querySelector("[data-confirm]").onclick = () => {
    dialog.close();
    void cancel(form);
  };
  dialog.showModal();
};

export const start = () => {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-retry]")) void retry(form);
    else if (form.matches("[data-cancel]")) form.dataset.question ? ask(form) : void cancel(form);
    else return;
    event.preventDefault();
  });
};
