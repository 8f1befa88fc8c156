// The picture that was chosen, shown before it is sent, and made small enough to send: a phone's
// own are larger than we take. Where this cannot read it, the server says what it thinks of it.

const SIDE = 512;

async function squareOf(file) {
  const whole = await createImageBitmap(file);
  const side = Math.min(whole.width, whole.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  canvas.getContext("2d").drawImage(
    whole, (whole.width - side) / 2, (whole.height - side) / 2, side, side, 0, 0, SIDE, SIDE,
  );
  whole.close();
  return canvas;
}

const fileOf = (canvas, name) => new Promise((resolve, reject) => {
  canvas.toBlob((blob) => (blob ? resolve(new File([blob], name, { type: blob.type })) : reject()), "image/png");
});

function show(canvas, place) {
  canvas.className = "picture";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The picture you chose");
  place.replaceChildren(canvas);
}

function watch(input, place) {
  const before = [...place.childNodes];
  let latest = 0;
  input.addEventListener("change", async () => {
    const mine = ++latest;
    const [file] = input.files;
    if (!file) return place.replaceChildren(...before);
    try {
      const canvas = await squareOf(file);
      const small = new DataTransfer();
      small.items.add(await fileOf(canvas, file.name));
      if (mine !== latest) return;
      input.files = small.files;
      show(canvas, place);
    } catch {
      if (mine === latest) place.replaceChildren(...before);
    }
  });
}

const input = document.querySelector("input[data-picture]");
const place = document.querySelector("[data-picture-shown]");
if (input && place && "createImageBitmap" in window) watch(input, place);
