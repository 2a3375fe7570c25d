// Actions that are asked about, with the count of the moment: done, told in a toast, and taken back where they can be.
import * as cards from "./cards.js";
import { toast } from "./toasts.js";

const JSON_PLEASE = { Accept: "application/json" };
let address = "";

const ask = async (link) => {
  address = link.href;
  const answer = await fetch(address, { headers: JSON_PLEASE });
  if (!answer.ok || answer.redirected) {
    location.assign(address);
    return;
  }
  const choice = await answer.json();
  if (!choice.count) {
    toast("There is nothing left to do.");
    return;
  }
  const dialog = document.getElementById("sure");
  const put = (name, text) => (dialog.querySelector(`[data-sure-${name}]`).textContent = text);
  put("title", choice.title);
  put("text", choice.text);
  put("leave", choice.leave);
  put("do", choice.verb);
  dialog.querySelector("[data-sure-do]").classList.toggle("danger", !choice.credits);
  dialog.showModal();
};

const send = (to, body) => {
  const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  return fetch(to, { method: "POST", headers: { ...JSON_PLEASE, "X-CSRFToken": token }, body });
};

const refresh = () => document.dispatchEvent(new CustomEvent("page:refresh"));

export const putBack = async (ids) => {
  const body = new FormData();
  for (const id of ids) body.append("job", id);
  try {
    const answer = await send("/jobs/put-back", body);
    if (answer.redirected) location.reload();
    else toast((await answer.json()).detail);
    refresh();
  } catch {
    toast("No answer came from the server. The videos are still there, each with Retry.");
  }
};

const act = async () => {
  document.getElementById("sure").close();
  try {
    const answer = await send(address);
    if (answer.redirected) {
      location.reload();
      return;
    }
    const { detail, undo, removed } = await answer.json();
    toast(detail, "", undo?.length ? () => void putBack(undo) : null);
    if (removed && cards.isPage()) location.assign("/");
    else if (removed) cards.remove(cards.find(removed));
    refresh();
  } catch {
    toast("No answer came from the server. Pressing again is safe.");
  }
};

export const start = () => {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-sure]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    ask(link).catch(() => location.assign(link.href));
  });
  document.querySelector("[data-sure-do]").addEventListener("click", () => void act());
};
