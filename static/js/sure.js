// Actions on many jobs: asked about with today's count, done, and told in a toast.
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

const act = async () => {
  document.getElementById("sure").close();
  const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  try {
    const answer = await fetch(address, { method: "POST", headers: { ...JSON_PLEASE, "X-CSRFToken": token } });
    if (answer.redirected) location.reload();
    else toast((await answer.json()).detail);
    document.dispatchEvent(new CustomEvent("page:refresh"));
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
