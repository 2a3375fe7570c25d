// Other words for a video that waits, without leaving the page. The form is the server's, which knows whether it is too late.
import * as cards from "./cards.js";
import { toast } from "./toasts.js";

const JSON_PLEASE = { Accept: "application/json" };
let address = "";

const dialog = () => document.getElementById("edit");

const show = (form) => {
  dialog().querySelector("[data-edit-fields]").innerHTML = form;
  const isLate = Boolean(dialog().querySelector("[data-too-late]"));
  dialog().querySelector("[data-edit-save]").hidden = isLate;
  dialog().querySelector("[data-edit-leave]").textContent = isLate ? "Close" : "Leave it as it is";
};

const ask = async (link) => {
  address = link.href;
  const answer = await fetch(address, { headers: JSON_PLEASE });
  if (answer.redirected || (!answer.ok && answer.status !== 409)) {
    location.assign(address);
    return;
  }
  show((await answer.json()).form);
  dialog().showModal();
  dialog().querySelector("textarea")?.focus();
};

const save = async (form) => {
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { ...JSON_PLEASE, "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: new FormData(form),
    });
    if (answer.redirected) {
      location.reload();
      return;
    }
    const told = await answer.json();
    if (!answer.ok) {
      show(told.form);
      (dialog().querySelector("[aria-invalid]") ?? dialog().querySelector("[data-edit-leave]")).focus();
      return;
    }
    dialog().close();
    if (cards.isPage()) await cards.fetchPage();
    else cards.put(told);
    toast(told.detail);
  } catch {
    toast("No answer came from the server. Your words are kept; saving again is safe.");
  } finally {
    form.ariaBusy = null;
  }
};

export const start = () => {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-edit]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    ask(link).catch(() => location.assign(link.href));
  });
  dialog().querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    void save(event.target);
  });
};
