// Fills the form with a demo account.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-email]");
  if (!button) return;
  document.getElementById("email").value = button.dataset.email;
  document.getElementById("password").value = button.dataset.password;
  document.querySelector("button[type=submit]").focus();
});
