// Finds the number with which a salt has the SHA-256 asked for, off the page's own thread.
// Written out here because crypto.subtle answers each hash by a promise, some twenty times slower,
// and is missing over plain http. FIPS 180-4.

const fraction = (x) => (x - Math.floor(x)) * 2 ** 32 | 0;
const primes = [];
for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime)) primes.push(n);
const K = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

const words = new Int32Array(64);
const state = new Int32Array(8);
const rotated = (x, by) => (x >>> by) | (x << (32 - by));

function addBlock(view, offset) {
  for (let i = 0; i < 16; i += 1) words[i] = view.getInt32(offset + 4 * i);
  for (let i = 16; i < 64; i += 1) {
    const a = words[i - 15];
    const b = words[i - 2];
    const low = rotated(a, 7) ^ rotated(a, 18) ^ (a >>> 3);
    const high = rotated(b, 17) ^ rotated(b, 19) ^ (b >>> 10);
    words[i] = words[i - 16] + low + words[i - 7] + high;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const upper = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const one = (h + upper + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
    const lower = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const two = (lower + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0;
    d = c; c = b; b = a; a = (one + two) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

function solve({ salt, challenge, maxnumber }) {
  const wanted = Int32Array.from(challenge.match(/.{8}/g), (hex) => parseInt(hex, 16));
  const bytes = new Uint8Array(256); // a salt of ours has 70 characters
  const view = new DataView(bytes.buffer);
  const length = new TextEncoder().encodeInto(salt, bytes).written;
  for (let number = 0; number < maxnumber; number += 1) {
    const digits = String(number);
    let end = length;
    for (let i = 0; i < digits.length; i += 1) bytes[end++] = digits.charCodeAt(i);
    const size = end;
    const whole = Math.ceil((size + 9) / 64) * 64;
    bytes[end] = 0x80;
    bytes.fill(0, end + 1, whole);
    view.setUint32(whole - 4, size * 8);
    state.set(START);
    for (let offset = 0; offset < whole; offset += 64) addBlock(view, offset);
    if (wanted.every((word, i) => word === state[i])) return number;
  }
  return null;
}

self.addEventListener("message", ({ data }) => self.postMessage(solve(data)));
