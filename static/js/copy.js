// "Copy link" buttons. They are hidden until this script says that copying will work.

const SHOWN = 2500; // milliseconds that "Copied" stays

async function copy(source) {
  source.select?.();
  // The clipboard is only offered over https and on localhost.
  if (navigator.clipboard) await navigator.clipboard.writeText(source.value ?? source.textContent);
  else if (!document.execCommand("copy")) throw new Error("copying is not possible here");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.querySelector(button.dataset.copy);
  if (!source) continue;

  const idle = button.textContent;
  const live = document.createElement("span");
  live.className = "visually-hidden";
  live.setAttribute("role", "status");
  button.after(live);
  button.hidden = false;

  let back;
  button.addEventListener("click", async () => {
    let words = "Copied";
    try {
      await copy(source);
    } catch {
      words = "Press Ctrl or ⌘ and C";
    }
    button.textContent = live.textContent = words;
    clearTimeout(back);
    back = setTimeout(() => {
      button.textContent = idle;
      live.textContent = "";
    }, SHOWN);
  });
}
