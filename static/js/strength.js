// A hint, in words, on how easily a new password could be guessed.
// It is an estimate made here in the browser; the password goes nowhere, and the server, which knows more
// passwords, has the last word. So it says what looks good, never that it is.

const PAUSE = 350; // milliseconds without typing before we speak
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop"];

const ENOUGH = 12; // characters that nothing explains
const PLENTY = 18;

// The words that stand in most of the passwords people choose. The server knows many more.
const COMMON = `
access adidas admin airborne alexande alexis america andrey angel angels animal apollo apple apples
april arsenal asdasd asdfasdf asdfgh asdfghjk asdfghjkl august austin autumn azerty babygirl badboy
banana bandit barney baseball batman beatles beaver beavis bigboy bigdaddy bigdog birdie blazer
boomer boston brandy braves bronco broncos brooklyn bubba bubbles buddy buffalo bulldog buster
butter camaro cameron canada captain carolina cartman casper cassie celtic changeme charlie cheese
chelsea cherry chester chicago chicken christin cocacola coffee compaq computer cookie copper
corvette cowboy cowboys creative cricket dakota dallas darkness december destiny dexter diablo
diamond digital doctor doggie dolphin dolphins donkey dragon dreams driver eagles eclipse elephant
eminem enigma enter explorer facebook falcon family february fender ferrari fishing florida flower
fluffy flyers football forever freddy freedom friday gandalf garfield gateway gators geheim gemini
genius gfhjkm ghbdtn giants ginger girls gmail godzilla golden golfer google guinness guitar gunner
hallo hammer hannah hardcore harley heaven hello helpme hockey horses hotdog hotmail hunter iceman
ichliebedich iloveyou internet iwantu jaguar january jasmine jasper jetaime jordan july june junior
kennwort killer kitten klaster lacrosse lakers lasvegas legend letmein lifehack liverpoo liverpool
login london lovely loveme lover lovers lucky maddog madison maggie magic magnum march marina marine
marlboro master matrix maverick maximus maxwell mercedes merlin metallic metallica mexico michigan
mickey midnight minecraft monday money monkey monster montana mother mountain muffin mustang nascar
natasha newyork nikita nintendo nirvana nissan november october oliver online orange packers
pakistan pantera panther paradise password passwort peaches peanut pepper phantom phoenix platinum
player pokemon police pookie porsche prince princess private pumpkin purple qazwsx qazwsxedc qazxsw
qwaszx qweqwe qwert qwerty qwertyu qwertyui qwertyuiop qwertz rabbit raiders rainbow ranger rangers
redskins redsox redwings rocket rosebud runner samantha samson samsung saturn scooby scooter scorpio
scorpion scotty secret september sergey shadow shelby sierra silver skippy slayer slipknot smokey
snickers sniper snoopy snowball soccer sophie spanky sparky speedy spider spring startrek starwars
steelers stupid success summer sunshine superman sydney teamo tennis testing theman therock thunder
tiger tigers tigger tomcat topgun toyota trinity trouble turtle vampire viking voodoo voyager
warrior welcome whatever willkommen willow winner winston winter wizard xavier yahoo yamaha yankee
yankees yellow zxcvbn zxcvbnm
`.trim().split(/\s+/).sort((one, other) => other.length - one.length);

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

/** The text as the server reads it: no case, no separators, letters for their look-alikes. */
function plain(text) {
  const letters = { 0: "o", 1: "i", 3: "e", 4: "a", 5: "s", 7: "t", "@": "a", $: "s", "!": "i" };
  return text.toLowerCase().replace(/[\s.,_-]+/g, "").replace(/[013457@$!](?=[a-z])/g, (sign) => letters[sign]);
}

/** What a guesser still has to guess, in characters, and what makes it so few. */
function weigh(password, own) {
  let rest = plain(password);
  let why = "";
  for (const word of own) {
    if (!rest.includes(word.text)) continue;
    rest = rest.replaceAll(word.text, "");
    why ||= `It contains ${word.name}, which is among the first things a guesser tries.`;
  }
  const piece = repeatedPiece(rest);
  if (piece) {
    rest = piece;
    why ||= "It says the same thing again and again.";
  }
  // Digits before or after words add little; a password of digits alone is another matter.
  const [, digits, words] = /^(?=.*\d)(\d{0,8})([^\d]+)\d{0,8}$/.exec(rest) ?? [];
  if (words && digits !== undefined) {
    rest = `${words}#`;
    why ||= "Digits before or after a word add little.";
  }
  const known = COMMON.filter((word) => rest.includes(word));
  for (const word of known) rest = rest.replaceAll(word, "#");
  if (known.length) why ||= `“${known[0]}” is among the first things a guesser tries.`;
  if (new Set(rest).size < 6) return { length: Math.min(lengthOf(rest), 6), why: why || "It uses only a few different characters." };
  const run = predictable(rest);
  return { length: lengthOf(rest) - run, why: why || (run ? "Part of it is a run such as abcd, 1234 or aaaa." : "") };
}

export function judge(password, own, least) {
  const typed = lengthOf(password);
  if (typed === 0) return { level: 0, words: "" };
  if (typed < least) {
    const missing = least - typed;
    return { level: 1, words: `${missing} more ${missing === 1 ? "character" : "characters"}, at least.` };
  }
  const { length, why } = weigh(password, own);
  if (length < ENOUGH) return { level: 2, words: `Long enough, but easy to guess. ${why}`.trim() };
  const strength = length < PLENTY ? "good" : "very good";
  return { level: length < PLENTY ? 3 : 4, words: `Looks ${strength}. When you send it, we also look for it among known passwords.` };
}

function ownWords(form) {
  const typed = (name) => form?.elements.namedItem(name)?.value.trim() ?? "";
  // Where the password is changed, the address stands in the field that password managers read.
  const named = typed("username");
  const email = typed("email") || (named.includes("@") ? named : "");
  const username = named.includes("@") ? "" : named;
  return [
    { text: plain(email), name: "your email address" },
    { text: plain(email.split("@")[0]), name: "part of your email address" },
    { text: plain(username), name: "your username" },
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
