// What the board's own controls do: look closely, run again, and compare every picture with a reference.
// Gradio patches the board while it runs, so nothing is kept in its elements: everything is found again by its data.
(() => {
  const UNREACHABLE = "The server did not answer; the pictures could not be compared.";
  const KEPT = 24; // answers

  let again = ""; // index of the column to run again, for the hidden button's handler
  let wanted = { job: "", place: "" }; // the reference's place among the models, "" for none
  const answers = new Map();

  const board = () => document.querySelector(".bk-board[data-job]");
  const press = (id) => document.getElementById(id)?.click();

  // The address says which run a picture is of, so an answer holds for exactly these pictures.
  function similarity(place) {
    const root = board();
    if (!root || place === "") return Promise.resolve({ said: "", words: new Map() });
    const sources = [...root.querySelectorAll(".bk-picture img")].map((image) => image.getAttribute("src"));
    const key = [root.dataset.job, place, ...sources].join(" ");
    if (!answers.has(key)) {
      if (answers.size >= KEPT) answers.clear();
      answers.set(key, ask(root.dataset.job, place, key));
    }
    return answers.get(key);
  }

  async function ask(job, place, key) {
    try {
      const answer = await fetch(`similarity/${encodeURIComponent(job)}?reference=${encodeURIComponent(place)}`);
      if (!answer.ok) return { said: await answer.text(), words: new Map() };
      const told = await answer.json();
      return { said: "", words: new Map(told.pictures.map(({ index, words }) => [String(index), words])) };
    } catch {
      answers.delete(key); // the next look asks again
      return { said: UNREACHABLE, words: new Map() };
    }
  }

  function reference() {
    return wanted.job === board()?.dataset.job ? wanted.place : "";
  }

  function compareWith(place) {
    wanted = { job: board()?.dataset.job ?? "", place };
    fill();
    document.dispatchEvent(new CustomEvent("bk-reference"));
  }

  async function fill() {
    const select = document.querySelector("[data-reference]");
    if (select && select.value !== reference()) select.value = reference();
    const place = select ? select.value : "";
    const { said, words } = await similarity(place);
    if (place !== (document.querySelector("[data-reference]") ? reference() : "")) return; // overtaken by another choice
    for (const cell of document.querySelectorAll(".bk-board .bk-column")) {
      const line = cell.querySelector(".bk-similarity");
      if (line) write(line, place === "" ? "" : said || words.get(cell.dataset.index) || "");
    }
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const cell = target?.closest(".bk-column[data-index]");
    if (target?.closest("[data-look]")) window.bksdm.look(null, target.closest("[data-look]"));
    else if (target?.closest(".bk-picture") && cell) window.bksdm.look(cell.dataset.index, target.closest(".bk-picture"));
    else if (target?.closest("[data-again]")) {
      again = target.closest("[data-again]").dataset.again;
      cell?.focus(); // the button is gone while the column runs
      press("bk-again");
    } else if (target?.closest("[data-rest]")) press("bk-rest");
  });

  document.addEventListener("change", (event) => {
    if (event.target instanceof Element && event.target.matches("[data-reference]")) compareWith(event.target.value);
  });

  // The board comes and changes at any time; the look is put off to the next frame, once for many changes.
  let due = false;
  new MutationObserver((changes) => {
    if (due || !changes.some(({ target }) => target instanceof Element && target.closest("#bk-board"))) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      fill();
      document.dispatchEvent(new CustomEvent("bk-board"));
    });
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });

  Object.assign(window.bksdm, { similarity, reference, compareWith, asked: () => again, shown: () => board()?.dataset.job ?? "" });
})();
