// What the admin's theme leaves out for those who listen: where the page's matter is, and names of its parts.
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("main")?.setAttribute("role", "main");
  for (const holder of document.querySelectorAll("[data-simplebar]")) {
    holder.dataset.simplebarAriaLabel = holder.closest("#nav-sidebar-apps, nav, aside") ? "All tables" : "Rows";
  }
  const name = () => {
    for (const icon of document.querySelectorAll(".help-tooltip[aria-label]:not([role])")) icon.setAttribute("role", "img");
  };
  name();
  // The choosers of many are drawn after the page was loaded.
  addEventListener("load", name);
});
