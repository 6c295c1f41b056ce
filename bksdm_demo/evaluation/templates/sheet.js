// Filters, sorts and enlarges. The choices live in the address, so a link opens the same view.
"use strict";
const tools = document.getElementById("tools");
const list = document.getElementById("rows");
const lines = Array.from(list.children);
const orders = {
  difference: (one, other) => other.dataset.difference - one.dataset.difference,
  slow: (one, other) => other.dataset.slow - one.dataset.slow,
  speed: (one, other) => (Number(one.dataset.speed) || Infinity) - (Number(other.dataset.speed) || Infinity),
};
let sorted = "";

function arrange(order) {
  if (order === sorted) return;
  sorted = order;
  const compare = orders[order];
  list.append(...(compare ? lines.slice().sort(compare) : lines));
}

function show() {
  const chosen = new FormData(tools);
  const words = (chosen.get("text") || "").toLowerCase().split(/\s+/).filter(Boolean);
  const outcome = chosen.get("outcome");
  const category = chosen.get("category");
  let count = 0;
  for (const line of lines) {
    const fits = words.every((word) => line.dataset.words.includes(word))
      && (!outcome || line.dataset.outcome.split(" ").includes(outcome))
      && (!category || line.dataset.category === category);
    line.hidden = !fits;
    count += fits;
  }
  arrange(chosen.get("sort") || "");
  const shown = document.getElementById("shown");
  shown.textContent = shown.dataset.words.replace("{count}", count).replace("{total}", lines.length);
  const kept = Array.from(chosen).filter(([, value]) => value);
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

function restore() {
  const kept = new URLSearchParams(location.hash.slice(1));
  for (const field of tools.elements) if (field.name) field.value = kept.get(field.name) || "";
  show();
}

const large = document.getElementById("large");
const picture = document.getElementById("large-picture");
let current = null;

function enlarge(image) {
  if (!image) return;
  current = image;
  picture.src = image.src;
  picture.alt = image.alt;
  document.getElementById("large-name").textContent = image.alt;
  if (!large.open) large.showModal();
}

function turn(by) {
  const open = Array.from(list.querySelectorAll(".line:not([hidden]) .open img"));
  enlarge(open[open.indexOf(current) + by]);
}

list.addEventListener("click", (event) => {
  const button = event.target.closest(".open");
  if (button) enlarge(button.querySelector("img"));
});
document.getElementById("before").addEventListener("click", () => turn(-1));
document.getElementById("after").addEventListener("click", () => turn(1));
large.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") turn(-1);
  if (event.key === "ArrowRight") turn(1);
});
large.addEventListener("close", () => current && current.closest(".open").focus());
tools.addEventListener("input", show);
tools.addEventListener("submit", (event) => event.preventDefault());
tools.hidden = false;
if (location.hash.includes("=")) restore();
else show();
