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

let current = -1;
const walk = (step) => {
  const jobs = [...document.querySelectorAll("[data-job]")];
  if (!jobs.length) return;
  current = Math.max(0, Math.min(jobs.length - 1, current + step));
  jobs[current].querySelector(".prompt a")?.focus();
};

const SHORTCUTS = {
  j: () => walk(1),
  k: () => walk(-1),
  n: () => document.getElementById("prompt")?.focus(),
  c: () =>
    (document.activeElement.closest("[data-job]") ?? document.querySelector("[data-page-job]"))
      ?.querySelector("[data-cancel]")
      ?.requestSubmit(),
  "?": () => document.getElementById("keys")?.showModal(),
};

export const start = () => {
  showTheme();
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-next]")) nextTheme();
    if (button.hasAttribute("command")) command(button);
    if (button.matches("[data-dismiss]")) button.closest(".toast").remove();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = SHORTCUTS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
};
