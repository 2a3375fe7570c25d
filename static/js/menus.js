// Theme switch, dialogs in browsers without invoker commands, and keyboard shortcuts.
const THEMES = ["system", "light", "dark"];
const root = document.documentElement;

const showTheme = () => {
  const label = document.querySelector("[data-theme-next] span");
  if (label) label.textContent = `Theme: ${root.dataset.theme ?? "system"}`;
};

const nextTheme = () => {
  const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // The choice lasts as long as the page.
  }
  showTheme();
};

const command = (button) => {
  if ("commandForElement" in button) return;
  const dialog = document.getElementById(button.getAttribute("commandfor"));
  if (button.getAttribute("command") === "show-modal") dialog?.showModal();
  else dialog?.close();
};

// Keyboard: the row that has the focus, or was the last to have it, is the current one.
const rows = () => [...document.querySelectorAll("main [data-job]")].filter((row) => !row.closest("[hidden]"));
let last = null;

const currentRow = () =>
  document.activeElement.closest("[data-job]") ?? (last?.isConnected ? last : document.querySelector("[data-page-job]"));

const walk = (step) => {
  const all = rows();
  if (!all.length) return;
  const here = document.activeElement.closest("[data-job]") ?? last;
  const at = all.indexOf(here);
  last = all[at === -1 ? (step > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + step))];
  (last.querySelector(".prompt a") ?? last).focus();
  last.scrollIntoView({ block: "nearest" });
};

// A form of one job, or the link that asks about those of a batch.
const press = (form, link) => {
  const row = currentRow();
  const found = row?.querySelector(form);
  if (found) found.requestSubmit();
  else row?.querySelector(link)?.click();
};

const go = (address, selector) => {
  const field = document.querySelector(selector);
  if (field) field.focus();
  else location.assign(address);
};

// Plays or pauses the clip that the focus is on, or that of the job's page; elsewhere the space bar scrolls as ever.
const playOrPause = () => {
  const row = document.activeElement.closest("[data-job]") ?? document.querySelector("[data-page-job]");
  const button = row?.querySelector("[data-play]");
  button?.click();
  return Boolean(button);
};

const SHORTCUTS = {
  j: () => walk(1),
  k: () => walk(-1),
  n: () => go("/#prompt", "#prompt"),
  "/": () => go("/history#q", "input[type=search]"),
  c: () => press("[data-cancel]", "[data-cancels]"),
  r: () => press("[data-retry]", "[data-retries]"),
  u: () => currentRow()?.querySelector("[data-reuse], [data-reuse-job]")?.click(),
  e: () => currentRow()?.querySelector("[data-edit]")?.click(),
  " ": playOrPause,
  "?": () => document.getElementById("keys")?.showModal(),
};

const copy = async (button) => {
  const words = button.querySelector("span");
  const before = words.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    words.textContent = "Copied";
  } catch {
    words.textContent = "Could not be copied";
  }
  setTimeout(() => (words.textContent = before), 2_000);
};

export const start = () => {
  showTheme();
  for (const field of document.querySelectorAll("#prompt, #q")) {
    if (location.hash === `#${field.id}`) field.focus();
  }
  document.addEventListener("focusin", ({ target }) => {
    last = target.closest("[data-job]") ?? last;
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-next]")) nextTheme();
    if (button.matches("[data-copy]")) void copy(button);
    if (button.hasAttribute("command")) command(button);
    if (button.matches("[data-dismiss]")) button.closest(".toast").remove();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open], [popover]:popover-open")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = SHORTCUTS[event.key];
    // On a button the space bar presses it.
    if (!act || (event.key === " " && event.target.closest("button, summary, video, [role=button]"))) return;
    if (act() !== false) event.preventDefault();
  });
};
