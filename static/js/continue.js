// A page that is only a step on the way goes on by itself; without us it has a button.

document.querySelector("[data-continue]").requestSubmit();
