// Keeps the previews of the comparison on the page, in this tab's memory only, and lets a range show them in the picture
// once it is finished: denoising, to look at slowly. The previews of a picture that is blocked, or does not come, go at once.
(() => {
  const LARGEST = 256; // pixels of a side

  let job = "";
  const kept = new Map(); // index of a cell -> its previews as canvases, in order
  const settled = new Set(); // indices of cells that are done; when one runs again, its previews begin anew

  const board = () => document.querySelector(".bk-board[data-job]");

  function keep(image) {
    const cell = image.closest(".bk-column[data-tone=working]");
    if (!cell || !board()) return;
    settle();
    const every = kept.get(cell.dataset.index) ?? [];
    if (every.at(-1)?.dataset.source === image.src) return;
    const scale = Math.min(1, LARGEST / Math.max(image.naturalWidth, image.naturalHeight));
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth * scale;
    canvas.height = image.naturalHeight * scale;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.dataset.source = image.src;
    kept.set(cell.dataset.index, [...every, canvas]);
  }

  function settle() {
    const root = board();
    if ((root?.dataset.job ?? "") !== job) {
      job = root?.dataset.job ?? "";
      kept.clear();
      settled.clear();
    }
    for (const cell of root?.querySelectorAll(".bk-column") ?? []) {
      const { index, tone } = cell.dataset;
      if (tone === "done") {
        settled.add(index);
        offer(cell);
      } else if (!["waiting", "working"].includes(tone) || settled.delete(index)) kept.delete(index);
    }
  }

  // Gradio may have built the range anew.
  function offer(cell) {
    const label = cell.querySelector(".bk-scrub");
    const every = kept.get(cell.dataset.index) ?? [];
    const range = label?.querySelector("input"); // not while the comparison runs
    if (!range || (Number(range.max) === every.length && label.hidden === !every.length)) return;
    range.max = every.length;
    range.value = every.length;
    label.hidden = !every.length;
    show(cell, every.length);
  }

  function show(cell, place) {
    const every = kept.get(cell.dataset.index) ?? [];
    const canvas = cell.querySelector(".bk-early");
    const range = cell.querySelector(".bk-scrub input");
    const words = every[place]
      ? tr("Estimate {place} of {count}", { place: place + 1, count: every.length })
      : tr("The finished picture");
    range.setAttribute("aria-valuetext", words);
    canvas.hidden = !every[place];
    if (!every[place]) return;
    canvas.width = every[place].width;
    canvas.height = every[place].height;
    canvas.getContext("2d").drawImage(every[place], 0, 0);
  }

  document.addEventListener("load", ({ target }) => {
    if (target instanceof Element && target.matches(".bk-backdrop[data-kind=preview]")) keep(target);
  }, true);

  document.addEventListener("input", ({ target }) => {
    const cell = target instanceof Element && target.closest(".bk-scrub") ? target.closest(".bk-column") : null;
    if (cell) show(cell, Number(target.value));
  });

  document.addEventListener("bk-board", settle);
})();
