// Forms that already work, made calmer: the error summary takes focus,
// and a form that is on its way cannot be sent a second time.

// Browsers that know autofocus on any element have done it by the first frame.
requestAnimationFrame(() => setTimeout(() => {
  const summary = document.querySelector("[data-error-summary]");
  if (document.activeElement !== summary) summary?.focus();
}));

// A mistake that is being mended is no longer shouted about.
document.addEventListener("input", ({ target }) => {
  const field = target.closest(".field--error");
  if (!field) return;
  field.classList.remove("field--error");
  field.querySelector(".field__errors")?.remove();
  target.removeAttribute("aria-invalid");
  const described = (target.getAttribute("aria-describedby") ?? "").split(" ");
  target.setAttribute("aria-describedby", described.filter((id) => !id.endsWith("_error")).join(" "));
});

// What the password's form says of staying logged in holds for the other ways in beside it.
document.addEventListener("formdata", ({ target, formData }) => {
  const kept = document.getElementById("id_remember");
  if (kept?.checked && kept.form !== target) formData.set("remember", "on");
});

const idleText = new WeakMap();

function showBusy(button) {
  idleText.set(button, button.textContent);
  const status = document.createElement("span");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  button.after(status);
  button.textContent = status.textContent = button.dataset.busy;
  button.setAttribute("aria-disabled", "true");
}

function showIdle(button) {
  if (!idleText.has(button)) return;
  button.textContent = idleText.get(button);
  idleText.delete(button);
  button.removeAttribute("aria-disabled");
  button.nextElementSibling.remove();
}

document.addEventListener("submit", (event) => {
  const button = event.submitter ?? event.target.querySelector("[data-busy]");
  if (!button?.dataset.busy || event.defaultPrevented) return;
  if (idleText.has(button)) event.preventDefault();
  else showBusy(button);
});

// The back button brings the page back as it was left: busy.
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-busy]")) showIdle(button);
});
