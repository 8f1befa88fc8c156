// Solves the challenge of a form while the person types, and says so only to whoever is faster.
// When that cannot be done, the form is sent without, which the server takes a few times.

const MARGIN = 20; // seconds a solution has left at least when it is sent
const PATIENCE = 20000; // milliseconds until a form is sent without

function solved(challenge, address) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(address);
    const patience = setTimeout(() => finish(reject), PATIENCE);
    function finish(done, value) {
      clearTimeout(patience);
      worker.terminate();
      done(value);
    }
    worker.addEventListener("message", ({ data }) => finish(data === null ? reject : resolve, data));
    worker.addEventListener("error", () => finish(reject));
    worker.postMessage(challenge);
  });
}

async function another(address) {
  const answer = await fetch(address, {
    signal: AbortSignal.timeout(PATIENCE),
    headers: { Accept: "application/json" },
  });
  if (!answer.ok) throw new Error("no other challenge was to be had");
  return answer.json();
}

function guard(field) {
  const { form } = field;
  const { challengeAgain, challengeWorker, challengeWait } = field.dataset;
  const life = (Number(field.dataset.challengeLife) - MARGIN) * 1000;
  let challenge = JSON.parse(field.dataset.challenge);
  let began = Date.now();
  let work = null; // under way or done
  let state = "idle"; // then "working", "solved" or "failed"

  const isOld = () => Date.now() - began > life;

  async function solve() {
    state = "working";
    try {
      challenge ??= await another(challengeAgain);
      const { algorithm, challenge: hash, salt, signature } = challenge;
      const number = await solved(challenge, challengeWorker);
      field.value = btoa(JSON.stringify({ algorithm, challenge: hash, number, salt, signature }));
      state = "solved";
    } catch {
      field.value = "";
      state = "failed";
    }
  }

  function begin() {
    if (isOld()) forget();
    work ??= solve();
    return work;
  }

  function forget() {
    began = Date.now();
    challenge = work = null;
    field.value = "";
    state = "idle";
  }

  let waiting = false;
  async function sendWhenReady(button) {
    const words = button.textContent;
    const live = document.createElement("p");
    live.className = "visually-hidden";
    live.setAttribute("aria-live", "polite");
    button.after(live);
    waiting = true;
    button.setAttribute("aria-disabled", "true");
    button.textContent = live.textContent = challengeWait;
    await begin();
    button.textContent = words;
    button.removeAttribute("aria-disabled");
    live.remove();
    waiting = false;
    form.requestSubmit(button);
  }

  form.addEventListener("input", begin);
  form.addEventListener("submit", (event) => {
    if (waiting) {
      event.preventDefault();
    } else if (state !== "failed" && (state !== "solved" || isOld())) {
      event.preventDefault();
      sendWhenReady(event.submitter ?? form.querySelector("button"));
    }
  });
  // The back button brings the page back with a solution that was spent.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (persisted) forget();
  });
}

document.querySelectorAll("input[data-challenge]").forEach(guard);
