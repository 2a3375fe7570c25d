// The image that a video begins from: chosen or dropped, shown before it is sent, removed.
const LARGEST = 10 * 2 ** 20;
const KINDS = ["image/jpeg", "image/png", "image/webp"];
let shownAs = "";

const parts = (form) => {
  const within = form.querySelector("[data-image]");
  const find = (name) => within?.querySelector(`[data-image-${name}]`);
  return { within, shown: find("shown"), name: find("name"), remove: find("remove") };
};

const fault = (form, text) => {
  const line = form.querySelector('[data-fault="input_reference"]');
  line.hidden = !text;
  line.querySelector("span").textContent = text;
};

const draw = (form, { src = "", name = "" }) => {
  const { shown, name: said, remove } = parts(form);
  // What was shown before is let go of: an address of a file holds all of it.
  if (shownAs) URL.revokeObjectURL(shownAs);
  shownAs = src.startsWith("blob:") ? src : "";
  shown.hidden = !src;
  if (src) shown.src = src;
  else shown.removeAttribute("src");
  said.textContent = name || "No image";
  remove.hidden = !src;
};

const size = (bytes) => (bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} kB` : `${(bytes / 2 ** 20).toFixed(1)} MB`);

const clear = (form) => {
  form.elements.input_reference.value = "";
  form.elements.image_of.value = "";
  draw(form, {});
};

const choose = (form) => {
  const [file] = form.elements.input_reference.files;
  if (!file) return;
  const wrong = !KINDS.includes(file.type)
    ? "Choose a JPEG, PNG or WebP image."
    : file.size > LARGEST && `The image is larger than 10 MB: it has ${size(file.size)}.`;
  if (wrong) {
    clear(form);
    fault(form, wrong);
    return;
  }
  form.elements.image_of.value = "";
  fault(form, "");
  draw(form, { src: URL.createObjectURL(file), name: `${file.name}, ${size(file.size)}` });
};

// The image of an earlier video, or none.
export const takeOver = (form, id) => {
  if (!parts(form).within) return;
  clear(form);
  fault(form, "");
  if (!id) return;
  form.elements.image_of.value = id;
  draw(form, { src: `/jobs/${id}/image`, name: "The image of that video" });
};

// A model that begins from no image is sent none.
export const offer = (form, isTaken) => {
  const { within } = parts(form);
  if (!within) return;
  within.hidden = !isTaken;
  if (!isTaken && isChosen(form)) clear(form);
};

export const isChosen = (form) => Boolean(form.elements.input_reference?.value || form.elements.image_of?.value);

export const sent = (form) => parts(form).within && clear(form);

export const start = (form) => {
  const { within, remove } = parts(form);
  if (!within) return;
  remove.hidden = !form.elements.image_of.value;
  form.elements.input_reference.addEventListener("change", () => choose(form));
  remove.addEventListener("click", () => {
    clear(form);
    fault(form, "");
    form.dispatchEvent(new Event("change"));
    form.elements.input_reference.focus();
  });
  const hasFile = (event) => !within.hidden && event.dataTransfer?.types.includes("Files");
  form.addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    form.dataset.over = "";
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) delete form.dataset.over;
  });
  form.addEventListener("drop", (event) => {
    delete form.dataset.over;
    if (!hasFile(event)) return;
    event.preventDefault();
    form.elements.input_reference.files = event.dataTransfer.files;
    choose(form);
    form.dispatchEvent(new Event("change"));
  });
  within.querySelector("[data-image-shown]").addEventListener("error", () => {
    if (!within.querySelector("[data-image-shown]").hasAttribute("src")) return;
    clear(form);
    fault(form, "This image cannot be shown. Choose another one.");
  });
};
