// Fills the forms of the way in: the time zone of this device, and the demo account that somebody picks.
for (const field of document.querySelectorAll("[data-zone]")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-email]");
  if (!button) return;
  document.getElementById("email").value = button.dataset.email;
  document.getElementById("password").value = button.dataset.password;
  document.querySelector("button[type=submit]").focus();
});
