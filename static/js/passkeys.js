// Passkeys: a form that names what is asked has the browser ask for it, and is sent with the answer.
// It shows itself where the browser knows passkeys, and says in words what went wrong.

const MARGIN = 30; // seconds that a challenge is good for at least when it is answered
const SAYS = {
  AbortError: "",
  InvalidStateError: "This device has a passkey of your account already. Choose another, or use that one.",
  NotSupportedError: "This device makes no passkeys of the kind we need. Choose another.",
  SecurityError: "Passkeys work at one address alone: ",
};
const CALLED_OFF = "No passkey was chosen, or it took too long. Press the button to try once more.";
const FAILED = "That did not work in this browser. Try once more, or choose another way.";
const TOO_LATE = "This page was open for too long. Load it again.";

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const toKnown = (listed = []) => listed.map((each) => ({ ...each, id: toBytes(each.id) }));

async function ask(asked, how) {
  const publicKey = { ...asked, challenge: toBytes(asked.challenge) };
  if (!asked.user) {
    publicKey.allowCredentials = toKnown(asked.allowCredentials);
    return navigator.credentials.get({ ...how, publicKey });
  }
  publicKey.user = { ...asked.user, id: toBytes(asked.user.id) };
  publicKey.excludeCredentials = toKnown(asked.excludeCredentials);
  return navigator.credentials.create({ ...how, publicKey });
}

function inWords({ id, rawId, type, response }) {
  const said = { clientDataJSON: toText(response.clientDataJSON) };
  if (response.attestationObject) {
    said.attestationObject = toText(response.attestationObject);
    said.transports = response.getTransports?.() ?? [];
  } else {
    said.authenticatorData = toText(response.authenticatorData);
    said.signature = toText(response.signature);
    if (response.userHandle) said.userHandle = toText(response.userHandle);
  }
  return JSON.stringify({ id, rawId: toText(rawId), type, response: said });
}

function guard(form) {
  const button = form.querySelector("button");
  const says = form.querySelector("[data-passkey-says]");
  const answer = form.elements.namedItem("credential");
  const offers = document.querySelector("input[autocomplete~=webauthn]");
  let asked = JSON.parse(form.dataset.passkey);
  let ends = Date.now() + asked.timeout - MARGIN * 1000;
  let pending = null; // what the browser was asked, while it has not answered
  let waiting = false; // for the button
  let again; // when to offer with a new challenge

  function say(text) {
    says.hidden = !text;
    says.firstElementChild.textContent = text;
  }

  // The page of the form has a challenge that is new, and so has this one afterwards.
  async function renew() {
    const page = await (await fetch(form.dataset.passkeyAgain)).text();
    const fresh = new DOMParser().parseFromString(page, "text/html").querySelector("[data-passkey]");
    if (!fresh) return false;
    asked = JSON.parse(fresh.dataset.passkey);
    ends = Date.now() + asked.timeout - MARGIN * 1000;
    return true;
  }

  async function answered(how) {
    pending?.abort();
    const mine = (pending = new AbortController());
    const given = await ask(asked, { ...how, signal: mine.signal });
    ends = 0; // it is good once
    answer.value = inWords(given);
    form.requestSubmit(button);
  }

  async function press() {
    waiting = true;
    clearTimeout(again);
    button.setAttribute("aria-disabled", "true");
    say("");
    try {
      if (Date.now() > ends && !(await renew())) return say(TOO_LATE);
      await answered({});
    } catch ({ name }) {
      const words = name === "NotAllowedError" ? CALLED_OFF : SAYS[name] ?? FAILED;
      say(name === "SecurityError" ? words + (asked.rpId ?? asked.rp.id) : words);
    } finally {
      waiting = false;
      if (!answer.value) {
        button.removeAttribute("aria-disabled");
        if (offers) offer();
      }
    }
  }

  // In the list that a browser shows at the field for the address, for as long as the page is open.
  async function offer() {
    clearTimeout(again);
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    try {
      if (Date.now() > ends && !(await renew())) return;
      if (waiting) return;
      again = setTimeout(offer, ends - Date.now());
      await answered({ mediation: "conditional" });
    } catch {
      // The button was pressed, a new challenge came, or the browser would not.
    }
  }

  form.addEventListener("submit", (event) => {
    if (answer.value) return;
    event.preventDefault();
    // Before, and not after, or the device keeps one that we never hear of.
    if (!waiting && form.reportValidity()) press();
  });
  // The back button brings the page back with an answer that was spent.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    answer.value = "";
    ends = 0;
    button.removeAttribute("aria-disabled");
    if (offers) offer();
  });

  form.hidden = false;
  if (offers) offer();
}

if (window.PublicKeyCredential && navigator.credentials) {
  document.querySelectorAll("form[data-passkey]").forEach(guard);
  document.querySelector("[data-passkey-missing]")?.remove();
}

// Password managers that can be told stop offering what was removed.
const accepted = document.querySelector("[data-passkeys-accepted]");
if (accepted) {
  window.PublicKeyCredential?.signalAllAcceptedCredentials?.(
    JSON.parse(accepted.dataset.passkeysAccepted),
  ).catch(() => {});
}
