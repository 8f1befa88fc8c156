// A hint, in words, on how easily a new password could be guessed.
// It is an estimate made here in the browser; the password goes nowhere, and the server has the last word.

const PAUSE = 350; // milliseconds without typing before we speak
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop"];

const lengthOf = (text) => Array.from(text).length;

/** How many characters continue a run such as "abcd", "4321", "qwer" or "aaaa". */
function predictable(text) {
  const letters = Array.from(text.toLowerCase());
  const follows = (a, b) => a === b || ROWS.some((row) => row.includes(a + b) || row.includes(b + a));
  let total = 0;
  let run = 1;
  for (let i = 1; i <= letters.length; i += 1) {
    if (i < letters.length && follows(letters[i - 1], letters[i])) {
      run += 1;
    } else {
      if (run >= 4) total += run - 2;
      run = 1;
    }
  }
  return total;
}

/** The piece a text is made of when it is only that piece again and again ("bananabanana"), or "". */
function repeatedPiece(text) {
  const at = (text + text).indexOf(text, 1);
  return at < text.length ? text.slice(0, at) : "";
}

/** The length that is left once what a guesser tries first is taken out, and what was taken out. */
function weigh(password, own) {
  let rest = password.toLowerCase();
  const found = own.find((word) => rest.includes(word.text));
  if (found) rest = rest.split(found.text).join("");
  const piece = repeatedPiece(rest);
  const length = piece ? lengthOf(piece) + 1 : lengthOf(rest) - predictable(rest);
  if (found) return { length, why: `It contains ${found.name}, which is among the first things a guesser tries.` };
  if (piece) return { length, why: "It says the same thing again and again." };
  if (new Set(rest).size < 6) return { length: Math.min(length, 6), why: "It uses only a few different characters." };
  return { length, why: predictable(rest) ? "Part of it is a run such as abcd, 1234 or aaaa." : "" };
}

export function judge(password, own, least) {
  const typed = lengthOf(password);
  if (typed === 0) return { level: 0, words: "" };
  if (typed < least) {
    const missing = least - typed;
    return { level: 1, words: `${missing} more ${missing === 1 ? "character" : "characters"}, at least.` };
  }
  const { length, why } = weigh(password, own);
  if (length < least) return { level: 2, words: `Long enough, but easy to guess. ${why}` };
  if (length < least + 5) return { level: 3, words: "Good. Nothing obvious stands out." };
  return { level: 4, words: "Very good. Long, and nothing obvious stands out." };
}

function ownWords(form) {
  const email = form?.elements.namedItem("email")?.value.trim().toLowerCase() ?? "";
  const username = form?.elements.namedItem("username")?.value.trim().toLowerCase() ?? "";
  return [
    { text: email, name: "your email address" },
    { text: email.split("@")[0], name: "part of your email address" },
    { text: username, name: "your username" },
    { text: "thebottomline", name: "our name" },
    { text: "bottomline", name: "our name" },
  ].filter((word) => word.text.length >= 4);
}

function addMeter(input) {
  const least = Number(input.dataset.minlength) || 15;
  const meter = document.createElement("div");
  const line = document.createElement("div");
  const words = document.createElement("p");
  meter.className = "strength";
  line.className = "strength__line";
  line.append(...Array.from({ length: 4 }, () => document.createElement("span")));
  words.className = "strength__words";
  words.setAttribute("aria-live", "polite");
  meter.append(line, words);
  (input.closest(".field__control") ?? input).after(meter);

  const update = () => {
    const { level, words: text } = judge(input.value, ownWords(input.form), least);
    meter.dataset.level = level;
    if (words.textContent !== text) words.textContent = text;
  };
  let pause;
  input.form?.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(update, PAUSE);
  });
  update();
}

document.querySelectorAll("input[data-strength]").forEach(addMeter);
