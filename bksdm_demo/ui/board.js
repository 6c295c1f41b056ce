// Handles the board's controls: open the viewer, run again, and compare every picture with a reference.
// Gradio changes the board's elements during a run, so the script stores none of them and looks each up by its data.
(() => {
  const UNREACHABLE = tr("The server did not answer, so the pictures could not be compared.");
  const MOST_ANSWERS = 24; // in the cache

  let again = ""; // index of the cell to run again, read by the hidden button's handler
  let chosen = { job: "", place: "" }; // the reference's index among the models, "" for none
  const answers = new Map();

  const board = () => document.querySelector(".bk-board[data-job]");
  const press = (id) => document.getElementById(id)?.click();

  // A picture's address names its run, so an answer is valid for exactly these pictures.
  function similarity(place) {
    const root = board();
    if (!root || place === "") return Promise.resolve({ problem: "", words: new Map() });
    const sources = [...root.querySelectorAll(".bk-picture img")].map((image) => image.getAttribute("src"));
    const key = [root.dataset.job, place, ...sources].join(" ");
    if (!answers.has(key)) {
      if (answers.size >= MOST_ANSWERS) answers.clear();
      answers.set(key, request(root.dataset.job, place, key));
    }
    return answers.get(key);
  }

  async function request(job, place, key) {
    try {
      const answer = await fetch(`similarity/${encodeURIComponent(job)}?reference=${encodeURIComponent(place)}`);
      if (!answer.ok) return { problem: await answer.text(), words: new Map() };
      const { pictures } = await answer.json();
      return { problem: "", words: new Map(pictures.map(({ index, words }) => [String(index), words])) };
    } catch {
      answers.delete(key); // the next look sends the request again
      return { problem: UNREACHABLE, words: new Map() };
    }
  }

  function reference() {
    return chosen.job === board()?.dataset.job ? chosen.place : "";
  }

  function compareWith(place) {
    chosen = { job: board()?.dataset.job ?? "", place };
    fill();
    document.dispatchEvent(new CustomEvent("bk-reference"));
  }

  async function fill() {
    const select = document.querySelector("[data-reference]");
    if (select && select.value !== reference()) select.value = reference();
    const place = select ? select.value : "";
    const { problem, words } = await similarity(place);
    if (place !== (document.querySelector("[data-reference]") ? reference() : "")) return; // the choice has changed
    for (const cell of document.querySelectorAll(".bk-board .bk-column")) {
      const line = cell.querySelector(".bk-similarity");
      if (line) write(line, place === "" ? "" : problem || words.get(cell.dataset.index) || "");
    }
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const cell = target?.closest(".bk-column[data-index]");
    if (target?.closest("[data-look]")) window.bksdm.look(null);
    else if (target?.closest(".bk-picture") && cell) window.bksdm.look(cell.dataset.index);
    else if (target?.closest("[data-again]")) {
      again = target.closest("[data-again]").dataset.again;
      cell?.focus(); // the button disappears while the cell runs
      press("bk-again");
    } else if (target?.closest("[data-rest]")) press("bk-rest");
    else if (target?.closest("[data-measure]")) press("bk-measure-more");
  });

  document.addEventListener("change", (event) => {
    if (event.target instanceof Element && event.target.matches("[data-reference]")) compareWith(event.target.value);
  });

  // The board can change at any time. One callback in the next frame handles all changes until then.
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

  Object.assign(window.bksdm, { similarity, reference, compareWith, cellToRun: () => again, shownJob: () => board()?.dataset.job ?? "" });
})();
