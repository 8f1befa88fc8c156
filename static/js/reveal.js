// A "Show" button inside every password field marked data-reveal.

function addToggle(input) {
  const button = document.createElement("button");
  const verb = document.createElement("span");
  const noun = document.createElement("span");
  button.type = "button";
  button.className = "field__reveal";
  button.setAttribute("aria-controls", input.id);
  noun.className = "visually-hidden";
  noun.textContent = " password";
  button.append(verb, noun);

  const show = (visible) => {
    input.type = visible ? "text" : "password";
    verb.textContent = visible ? "Hide" : "Show";
  };
  show(false);
  button.addEventListener("click", () => show(input.type === "password"));
  // Browsers remember what was typed into text fields, so it leaves as a password again.
  input.form?.addEventListener("submit", () => show(false));
  input.spellcheck = false;
  input.autocapitalize = "none";
  input.after(button);
}

document.querySelectorAll("input[data-reveal]").forEach(addToggle);
