// The form of a new video: counter, price, sending without leaving the page.
import * as cards from "./cards.js";
import * as image from "./image.js";

const headers = (form) => ({
  Accept: "application/json",
  "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
});

const showFaults = (form, errors) => {
  for (const line of form.querySelectorAll("[data-fault]")) {
    const [text] = errors[line.dataset.fault] ?? [];
    line.hidden = !text;
    line.querySelector("span").textContent = text ?? "";
    form.elements[line.dataset.fault].toggleAttribute("aria-invalid", Boolean(text));
    if (text) form.elements[line.dataset.fault].setAttribute("aria-invalid", "true");
  }
  const [first] = Object.keys(errors);
  if (first) form.elements[first]?.focus();
};

const refuse = (form, text) => {
  const line = form.querySelector("[data-refusal]");
  line.hidden = !text;
  line.querySelector("span").textContent = text;
  if (text) form.querySelector('[data-quoted="in_the_way"]').hidden = true;
};

const price = ({ rates }, { elements: { seconds, size, takes } }) =>
  Number(seconds.value) * rates[size.value] * Number(takes.value);

const allow = (select, values) => {
  for (const option of select.options) option.hidden = option.disabled = !values.includes(option.value);
  if (!values.includes(select.value)) [select.value] = values;
};

const quote = (form, catalog) => {
  const offer = catalog.models.find((model) => model.id === form.elements.model.value);
  const shown = form.querySelector("[data-quote]");
  shown.hidden = !offer;
  if (!offer) return;
  image.offer(form, offer.takes_image);
  allow(form.elements.seconds, offer.seconds.map(String));
  allow(form.elements.size, offer.sizes[form.elements.seconds.value]);
  shown.querySelector("[data-cost]").textContent = `${price(offer, form).toLocaleString("en")} credits`;
};

let asking = 0;

// Asks what it would cost and wait once the choices rest; the server's word replaces what was known before.
const askQuote = (form) => {
  clearTimeout(asking);
  asking = setTimeout(async () => {
    if (document.hidden) return;
    let told = {};
    try {
      const body = new FormData(form);
      // It changes neither price nor wait, and may be large.
      body.delete("input_reference");
      const sent = await fetch("/quote", { method: "POST", headers: headers(form), body });
      if (sent.ok) told = await sent.json();
    } catch {
      // No connection: the price stands, and nothing is said about the time.
    }
    for (const part of form.querySelectorAll("[data-quoted]")) {
      const isSaid = part.dataset.quoted === "in_the_way" && !form.querySelector("[data-refusal]").hidden;
      const text = isSaid ? "" : (told[part.dataset.quoted] ?? "");
      part.hidden = !text;
      if (part.tagName !== "DT") part.textContent = text;
    }
  }, 400);
};

const summarise = (form) => {
  const chosen = ["model", "seconds", "size"].map((name) => form.elements[name].selectedOptions[0]?.text);
  const takes = form.elements.takes.value;
  if (takes !== "1") chosen.push(`${takes} takes`);
  if (image.isChosen(form)) chosen.push("image");
  form.querySelector("[data-summary]").replaceChildren(
    ...chosen.filter(Boolean).map((text) => Object.assign(document.createElement("span"), { textContent: text })),
  );
};

const count = (form) => {
  const { value } = form.elements.prompt;
  form.querySelector("[data-count]").textContent = `${[...value].length.toLocaleString("en")} / 4,000`;
};

const GONE = { cancelled: ", and cancelled since", failed: ", and failed since", expired: ", and expired since" };

const ago = (seconds, look) =>
  `Already submitted ${seconds < 1 ? "a moment" : `${seconds} s`} ago${GONE[look] ?? ""}.`;

// The same prompt again within seconds is the same job; a second video is one press away.
const showRepeated = (form, answer, look) => {
  const notice = form.querySelector("[data-repeated]");
  notice.querySelector("[data-ago]").textContent = ago(answer.seconds_ago, look);
  notice.querySelector("[data-open]").href = answer.url;
  notice.hidden = false;
};

const hideRepeated = (form) => {
  const notice = form.querySelector("[data-repeated]");
  // A hidden button cannot keep the focus.
  if (notice.contains(document.activeElement)) form.elements.prompt.focus();
  notice.hidden = true;
};

const accept = (form, answer, sentPrompt) => {
  showFaults(form, {});
  refuse(form, answer.left);
  const card = cards.put(answer);
  if (answer.repeated) {
    showRepeated(form, answer, card?.dataset.look);
  } else {
    hideRepeated(form);
    // What was typed while the answer was on its way is the next prompt.
    if (form.elements.prompt.value === sentPrompt && !answer.left) form.elements.prompt.value = "";
    if (!answer.left) image.sent(form);
    // The next prompt is not paid for several times by mistake.
    form.elements.takes.value = "1";
    form.dispatchEvent(new Event("change"));
  }
  count(form);
};

const SLOW = 400;
let slow = 0;

// What takes longer than a moment says that it is on its way.
const showBusy = (form, isBusy) => {
  form.ariaBusy = isBusy ? "true" : null;
  clearTimeout(slow);
  const words = form.querySelector("[data-send]");
  if (isBusy) slow = setTimeout(() => (words.textContent = "Sending"), SLOW);
  else words.textContent = "Generate";
};

const send = async (form, { anotherTake = false } = {}) => {
  // One press at a time; a disabled button would lose the focus of who presses it.
  if (form.ariaBusy === "true") return;
  const body = new FormData(form);
  if (anotherTake) body.set("another_take", "1");
  showBusy(form, true);
  try {
    const sent = await fetch(form.action, { method: "POST", headers: headers(form), body });
    const answer = await sent.json();
    if (sent.ok) accept(form, answer, body.get("prompt"));
    else if (answer.errors) {
      refuse(form, "");
      showFaults(form, answer.errors);
    } else refuse(form, answer.detail ?? "This was not accepted. Your prompt is kept.");
    if (answer.token) form.elements.token.value = answer.token;
  } catch {
    refuse(form, "We could not reach the server. Your prompt is kept; pressing again is safe.");
  } finally {
    showBusy(form, false);
  }
};

// The prompt with its settings, as far as they are offered; a variation gets a seed of its own.
const takeOver = (form, { reuse, variation, seed = "", imageOf = "", ...settings }) => {
  form.elements.prompt.value = reuse;
  form.elements.seed.value = variation === undefined ? seed : "";
  for (const name of ["model", "seconds", "size"]) {
    const select = form.elements[name];
    if ([...select.options].some(({ value }) => value === settings[name])) select.value = settings[name];
  }
  image.takeOver(form, imageOf);
};

export const start = () => {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#composer")) return;
    event.preventDefault();
    void send(event.target);
  });
  document.addEventListener("click", (event) => {
    const reuse = event.target.closest("[data-reuse]");
    const form = document.getElementById("composer");
    if (!reuse || !form) return;
    event.preventDefault();
    reuse.closest("[popover]")?.hidePopover();
    takeOver(form, reuse.dataset);
    form.dispatchEvent(new Event("input"));
    form.elements.prompt.focus();
  });
  const form = document.getElementById("composer");
  if (!form) return;
  image.start(form);
  const catalog = JSON.parse(document.getElementById("catalog").textContent);
  form.addEventListener("input", () => {
    hideRepeated(form);
    count(form);
    quote(form, catalog);
    summarise(form);
  });
  form.addEventListener("change", () => {
    quote(form, catalog);
    summarise(form);
    askQuote(form);
  });
  document.addEventListener("job:placed", () => askQuote(form));
  setInterval(() => askQuote(form), 30_000);
  form.querySelector("[data-another-take]").addEventListener("click", () => void send(form, { anotherTake: true }));
  form.elements.prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  count(form);
  quote(form, catalog);
  summarise(form);
  // The page came with one.
  if (!form.querySelector("[data-quoted]:not([hidden])")) askQuote(form);
};
