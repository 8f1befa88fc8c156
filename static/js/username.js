// Says while typing whether a username is still free. The answer is a courtesy:
// when it does not come (busy, offline, too many questions) we say nothing.

const PAUSE = 450; // milliseconds without typing before we ask

function watch(input, address) {
  const live = document.createElement("p");
  live.className = "field__live";
  live.setAttribute("aria-live", "polite");
  (input.closest(".field__control") ?? input).after(live);

  const say = (text, state) => {
    live.textContent = text;
    live.dataset.state = state;
  };

  let pause;
  let asking;
  async function ask() {
    const username = input.value.trim();
    if (!username) return;
    asking = new AbortController();
    try {
      const url = `${address}?u=${encodeURIComponent(username)}`;
      const answer = await fetch(url, { signal: asking.signal, headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const { free, message } = await answer.json();
      if (typeof message === "string") say(message, free === true ? "good" : "bad");
    } catch {
      // Aborted by the next letter, or the network is away.
    }
  }

  input.addEventListener("input", () => {
    asking?.abort();
    clearTimeout(pause);
    say("", "");
    pause = setTimeout(ask, PAUSE);
  });
}

for (const input of document.querySelectorAll("input[data-username-check]")) {
  watch(input, input.dataset.usernameCheck);
}
