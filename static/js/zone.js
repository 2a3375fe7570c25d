// Offers the time zone of this device, where it is another one than the account's.
const select = document.getElementById("time-zone");
const button = document.querySelector("[data-zone-of-device]");
const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const isKnown = [...select.options].some((option) => option.value === timeZone);

button.hidden = !isKnown || select.value === timeZone;
button.textContent = `Use ${timeZone}, as this device`;
button.addEventListener("click", () => {
  select.value = timeZone;
  button.form.requestSubmit();
});
