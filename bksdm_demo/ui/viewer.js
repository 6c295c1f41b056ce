// The viewer: shows the pictures of one seed in a dialog, side by side, with a slider between two, or as the difference
// of two. It reads the pictures from the board. zoom.js zooms; board.js fetches the similarity.
(() => {
  const MARKUP = `
    <header class="bk-viewer-head">
      <h2 id="bk-viewer-title"></h2>
      <div class="bk-viewer-seeds" role="group" aria-label="${tr("Seed")}">
        <button type="button" data-seed-step="-1" aria-label="${tr("Previous seed")}">‹</button>
        <span role="status"></span>
        <button type="button" data-seed-step="1" aria-label="${tr("Next seed")}">›</button>
      </div>
      <button type="button" class="bk-viewer-close" aria-label="${tr("Close the viewer")}">×</button>
    </header>
    <div class="bk-viewer-tools">
      <fieldset class="bk-choice"><legend class="bk-hidden">${tr("View")}</legend>
        <label><input type="radio" name="bk-mode" value="side" checked><span>${tr("Side by side")}</span></label>
        <label><input type="radio" name="bk-mode" value="slider"><span>${tr("Slider")}</span></label>
        <label><input type="radio" name="bk-mode" value="difference"><span>${tr("Difference")}</span></label>
      </fieldset>
      <label class="bk-viewer-select" data-for="side">${tr("Compare with")} <select data-viewer="reference"></select></label>
      <label class="bk-viewer-select" data-for="slider difference"><span class="bk-hidden">${tr("First picture")}</span>
        <select data-viewer="first"></select></label>
      <label class="bk-viewer-select" data-for="slider difference">${tr("and")} <select data-viewer="second"
        aria-label="${tr("Second picture")}"></select></label>
      <fieldset class="bk-choice" data-for="difference"><legend class="bk-hidden">${tr("Amplify the difference")}</legend>
        <label><input type="radio" name="bk-gain" value="1"><span>×1</span></label>
        <label><input type="radio" name="bk-gain" value="4" checked><span>×4</span></label>
        <label><input type="radio" name="bk-gain" value="16"><span>×16</span></label>
      </fieldset>
      <div class="bk-viewer-zoom" role="group" aria-label="${tr("Zoom")}">
        <button type="button" data-zoom="-" aria-label="${tr("Zoom out")}">−</button>
        <output aria-label="${tr("Magnification")}">1×</output>
        <button type="button" data-zoom="+" aria-label="${tr("Zoom in")}">+</button>
        <button type="button" data-zoom="0">${tr("Fit")}</button>
      </div>
      <div class="bk-viewer-divide" data-for="slider" role="group" aria-label="${tr("Divider between the two pictures")}">
        <button type="button" data-divide="-10" aria-label="${tr("Move the divider left")}">‹</button>
        <button type="button" data-divide="10" aria-label="${tr("Move the divider right")}">›</button>
      </div>
    </div>
    <div class="bk-stage"></div>
    <div class="bk-viewer-pan" role="group" aria-label="${tr("Move the pictures")}" hidden>
      <button type="button" data-pan="ArrowLeft" aria-label="${tr("Look further left")}">←</button>
      <button type="button" data-pan="ArrowUp" aria-label="${tr("Look further up")}">↑</button>
      <button type="button" data-pan="ArrowDown" aria-label="${tr("Look further down")}">↓</button>
      <button type="button" data-pan="ArrowRight" aria-label="${tr("Look further right")}">→</button>
    </div>
    <p class="bk-viewer-hint">${tr("Zoom with the wheel or + − 0. Move by dragging or with arrow keys. At full view, arrow keys change the seed.")}</p>`;
  const GAP = 16; // pixels between two windows
  const STEP = 1.5; // of one press of + or −
  const NUDGE = 0.08; // of a window, for one press of an arrow

  let dialog = null;
  let zoom = null;
  let opener = null; // index of the cell whose picture was clicked, null for the board's button
  let drawn = ""; // a signature of what the stage shows, to avoid drawing it twice
  const state = { seed: "", mode: "side", first: "", second: "", gain: "4", split: 50 };

  const part = (selector) => dialog.querySelector(selector);
  const stage = () => part(".bk-stage");

  // --- Reading the board ------------------------------------------------------------------------------------------

  function cells() {
    return [...document.querySelectorAll(".bk-board[data-job] .bk-column")].map((cell) => {
      const image = cell.querySelector(".bk-picture img");
      const link = cell.querySelector("a[download]");
      return {
        index: cell.dataset.index,
        model: cell.dataset.model,
        seed: cell.dataset.seed,
        name: cell.querySelector("h3, h4")?.textContent ?? "",
        source: image?.getAttribute("src") ?? "",
        alt: image?.alt ?? "",
        file: link?.getAttribute("download") ?? "",
        title: cell.querySelector(".bk-frame strong")?.textContent ?? "",
        ratio: image?.naturalWidth ? image.naturalWidth / image.naturalHeight : 1,
      };
    });
  }

  const seedsOf = (every) => [...new Set(every.map((cell) => cell.seed))];
  const row = (every) => every.filter((cell) => cell.seed === state.seed);
  const pictures = (every) => row(every).filter((cell) => cell.source);

  // --- Opening and closing -----------------------------------------------------------------------------------------

  function look(index) {
    if (!dialog) build();
    const every = cells();
    const found = every.find((cell) => cell.index === index) ?? every.find((cell) => cell.source);
    if (!found) return;
    opener = index;
    Object.assign(state, { seed: found.seed, mode: "side", first: found.model, second: "", split: 50 });
    drawn = "";
    document.documentElement.classList.add("bk-still");
    dialog.showModal();
    draw();
    zoom.reset();
    part("input[name=bk-mode]:checked").focus();
  }

  function closed() {
    document.documentElement.classList.remove("bk-still");
    stage().replaceChildren();
    const cell = `.bk-column[data-index="${CSS.escape(opener ?? "")}"] .bk-picture`;
    (document.querySelector(cell) ?? document.querySelector("[data-look]"))?.focus();
  }

  function build() {
    dialog = document.createElement("dialog");
    dialog.className = "bk-viewer";
    dialog.setAttribute("aria-labelledby", "bk-viewer-title");
    dialog.innerHTML = MARKUP;
    document.body.append(dialog);
    zoom = window.bksdm.zoom(stage(), { zoomed, dragged, swiped: step });
    dialog.addEventListener("close", closed);
    dialog.addEventListener("click", clicked);
    dialog.addEventListener("change", changed);
    dialog.addEventListener("keydown", typed);
    new ResizeObserver(() => arrange()).observe(stage());
    document.addEventListener("bk-board", () => dialog.open && draw());
    document.addEventListener("bk-reference", () => dialog.open && showSimilarity());
  }

  // --- Drawing -----------------------------------------------------------------------------------------------------

  function draw() {
    const every = cells();
    const shown = pictures(every);
    if (!seedsOf(every).includes(state.seed)) {
      dialog.close(); // the board now shows another comparison
      return;
    }
    choosePair(shown);
    const signature = JSON.stringify([state.seed, state.mode, state.first, state.second, row(every)]);
    if (signature !== drawn) {
      drawn = signature;
      part("#bk-viewer-title").textContent = document.querySelector(".bk-board")?.dataset.prompt ?? "";
      controls(every, shown);
      stage().dataset.mode = state.mode;
      stage().replaceChildren(...(state.mode === "side" ? row(every).map(pane) : [pair(shown)]));
      arrange();
    }
    showSimilarity();
  }

  // Chooses two different pictures of this seed; earlier choices stay if they exist.
  function choosePair(shown) {
    const models = shown.map((cell) => cell.model);
    if (!models.includes(state.first)) state.first = models[0] ?? "";
    if (!models.includes(state.second) || state.second === state.first) {
      state.second = models.find((model) => model !== state.first) ?? "";
    }
    if (!state.second) state.mode = "side";
  }

  function controls(every, shown) {
    const seeds = seedsOf(every);
    const place = seeds.indexOf(state.seed);
    const several = seeds.length > 1;
    const named = { seed: state.seed, place: place + 1, count: seeds.length };
    const message = several ? tr("Seed {seed} ({place} of {count})", named) : tr("Seed {seed}", named);
    part(".bk-viewer-seeds span").textContent = message;
    for (const button of dialog.querySelectorAll("[data-seed-step]")) {
      button.hidden = !several;
      button.disabled = !seeds[place + Number(button.dataset.seedStep)];
    }
    for (const input of dialog.querySelectorAll("[name=bk-mode]")) {
      input.checked = input.value === state.mode;
      input.disabled = input.value !== "side" && !state.second;
    }
    for (const element of dialog.querySelectorAll("[data-for]")) {
      element.hidden = !element.dataset.for.split(" ").includes(state.mode) || shown.length < 2;
    }
    options("first", shown, state.first);
    options("second", shown.filter((cell) => cell.model !== state.first), state.second);
    options("reference", [{ model: "", name: tr("nothing") }, ...shown], window.bksdm.reference());
  }

  function options(name, every, chosen) {
    const select = part(`[data-viewer=${name}]`);
    select.replaceChildren(...every.map((cell) => new Option(cell.name, cell.model)));
    select.value = chosen;
  }

  function element(tag, name, text = "") {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = text;
    return made;
  }

  function picture(cell) {
    const image = element("img", "bk-zoomed");
    Object.assign(image, { src: cell.source, alt: cell.alt, draggable: false });
    image.addEventListener("load", arrange, { once: true });
    return image;
  }

  function view(...inside) {
    const made = element("div", "bk-view");
    made.append(...inside);
    return made;
  }

  function caption(...every) {
    const made = element("figcaption", "bk-pane-caption");
    for (const cell of every) {
      const line = element("p", "bk-pane-name");
      line.append(element("strong", "", cell.name));
      if (cell.source) {
        const link = element("a", "bk-pane-save", tr("Save PNG"));
        link.append(element("span", "bk-hidden", ` ${tr("of {model}", { model: cell.name })}`));
        Object.assign(link, { href: cell.source, download: cell.file });
        line.append(link);
      }
      made.append(line);
    }
    const words = element("p", "bk-pane-words");
    words.dataset.index = every.at(-1).index;
    made.append(words);
    return made;
  }

  function pane(cell) {
    const made = element("figure", "bk-pane");
    const inside = cell.source ? view(picture(cell)) : element("div", "bk-view bk-view-empty", cell.title);
    made.append(inside, caption(cell));
    return made;
  }

  // Two pictures in one window: the second lies over the first, clipped at the slider or subtracted from it.
  function pair(shown) {
    const [first, second] = [state.first, state.second].map((model) => shown.find((cell) => cell.model === model));
    const made = element("figure", "bk-pane");
    const under = element("div", "bk-layer");
    const over = element("div", "bk-layer bk-over");
    under.append(picture(first));
    over.append(picture(second));
    const window_ = view(under, over);
    if (state.mode === "slider") window_.append(handle());
    made.append(window_, caption(first, second));
    window_.style.setProperty("--gain", state.gain);
    divide(state.split, window_, [first.name, second.name]);
    return made;
  }

  function handle() {
    const made = element("div", "bk-split");
    made.tabIndex = 0;
    const role = { role: "slider", "aria-label": tr("Divider between the two pictures"), "aria-valuemin": 0, "aria-valuemax": 100 };
    for (const [name, value] of Object.entries(role)) made.setAttribute(name, value);
    made.addEventListener("keydown", slid);
    return made;
  }

  function divide(percent, window_ = part(".bk-view"), names = chosenNames()) {
    state.split = Math.min(100, Math.max(0, percent));
    window_.style.setProperty("--split", `${state.split}%`);
    const split = window_.querySelector(".bk-split");
    const left = Math.round(state.split);
    split?.setAttribute("aria-valuenow", left);
    split?.setAttribute("aria-valuetext", `${left} % ${names[0]}, ${100 - left} % ${names[1]}`);
  }

  function chosenNames() {
    return ["first", "second"].map((name) => part(`[data-viewer=${name}]`).selectedOptions[0]?.text ?? "");
  }

  // Chooses the number of windows in a row that makes them largest; all have the same size.
  function arrange() {
    const panes = [...stage().querySelectorAll(".bk-pane")];
    if (!panes.length) return;
    const image = stage().querySelector("img");
    const ratio = image?.naturalWidth ? image.naturalWidth / image.naturalHeight : 1;
    const low = Math.max(...panes.map((pane_) => pane_.lastElementChild.offsetHeight));
    const { clientWidth, clientHeight } = stage();
    let best = { width: 0, columns: 1 };
    for (let columns = 1; columns <= panes.length; columns += 1) {
      const rows = Math.ceil(panes.length / columns);
      const wide = (clientWidth - GAP * (columns - 1)) / columns;
      const high = (clientHeight - GAP * (rows - 1)) / rows - low;
      const width = Math.floor(Math.min(wide, high * ratio));
      if (width > best.width) best = { width, columns };
    }
    const width = Math.max(best.width, 96);
    stage().style.setProperty("--columns", best.columns);
    stage().style.setProperty("--view-width", `${width}px`);
    stage().style.setProperty("--view-height", `${Math.floor(width / ratio)}px`);
    for (const view of stage().querySelectorAll(".bk-view")) settle(view);
    zoom.apply();
  }

  // Moves a window to whole pixels. Between them, two pictures in one place would be drawn a little unlike.
  function settle(view) {
    view.style.translate = "";
    const { x, y } = view.getBoundingClientRect();
    view.style.translate = `${Math.round(x) - x}px ${Math.round(y) - y}px`;
  }

  async function showSimilarity() {
    const side = state.mode === "side";
    const place = side ? window.bksdm.reference() : state.first;
    part("[data-viewer=reference]").value = window.bksdm.reference();
    const { problem, words } = await window.bksdm.similarity(place);
    const [first, second] = chosenNames();
    const against = side ? "" : `${tr("{second} against {first}", { second, first })}: `;
    for (const line of dialog.querySelectorAll(".bk-pane-words")) {
      const found = place === "" ? "" : problem || words.get(line.dataset.index) || "";
      line.textContent = found && !problem ? against + found : found;
    }
    if (dialog.open) arrange();
  }

  // --- Handling events -------------------------------------------------------------------------------------------

  function clicked({ target }) {
    if (target.closest(".bk-viewer-close")) dialog.close();
    const button = target.closest("[data-zoom]");
    if (button) press(button.dataset.zoom);
    const seed = target.closest("[data-seed-step]");
    if (seed) step(Number(seed.dataset.seedStep));
    const pan = target.closest("[data-pan]"); // what a drag does, for those who cannot drag
    if (pan) zoom.move(...ARROWS[pan.dataset.pan].map((share) => 3 * share * NUDGE));
    const split = target.closest("[data-divide]");
    if (split) divide(state.split + Number(split.dataset.divide));
  }

  function changed({ target }) {
    if (target.name === "bk-mode") state.mode = target.value;
    if (target.name === "bk-gain") {
      state.gain = target.value;
      part(".bk-view")?.style.setProperty("--gain", state.gain);
    }
    if (target.dataset.viewer === "reference") window.bksdm.compareWith(target.value);
    else if (target.dataset.viewer) state[target.dataset.viewer] = target.value;
    draw();
  }

  function press(key) {
    if (key === "0") zoom.reset();
    else zoom.by(key === "-" ? 1 / STEP : STEP);
  }

  function step(by) {
    const seeds = seedsOf(cells());
    const next = seeds[seeds.indexOf(state.seed) + by];
    if (next === undefined) return;
    state.seed = next;
    draw();
  }

  const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  function typed(event) {
    if (event.key === "Tab") return wrap(event);
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const key = event.key === "=" ? "+" : event.key === "_" ? "-" : event.key;
    const busy = event.target.matches("select, input[type=radio]"); // these use the arrow keys themselves
    if (["+", "-", "0"].includes(key)) press(key);
    else if (key === "PageUp" || key === "PageDown") step(key === "PageUp" ? -1 : 1);
    else if (ARROWS[key] && !busy) arrow(...ARROWS[key]);
    else return;
    event.preventDefault();
  }

  function arrow(x, y) {
    if (zoom.scale > 1) zoom.move(x * NUDGE, y * NUDGE);
    else step(x < 0 || y < 0 ? 1 : -1);
  }

  function slid(event) {
    const steps = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    divide(state.split + steps[event.key] * (event.shiftKey ? 5 : 1));
  }

  // At full view, a drag anywhere moves the slider; zoomed in, only a drag on its handle does.
  function dragged(window_, event) {
    if (state.mode !== "slider") return;
    const box = window_.getBoundingClientRect();
    divide(((event.clientX - box.left) / box.width) * 100);
  }

  function zoomed(scale) {
    part(".bk-viewer-zoom output").textContent = `${scale < 10 ? Number(scale.toFixed(1)) : Math.round(scale)}×`;
    part("[data-zoom='-']").disabled = part("[data-zoom='0']").disabled = scale === 1;
    part(".bk-viewer-pan").hidden = scale === 1;
  }

  // Keeps the focus inside the dialog, also where Tab would lead to the browser's controls.
  function wrap(event) {
    const every = [...dialog.querySelectorAll("button, select, input, a[href], [tabindex]")];
    const stops = every.filter((stop) => !stop.disabled && stop.checkVisibility() && (stop.type !== "radio" || stop.checked));
    const end = event.shiftKey ? stops[0] : stops.at(-1);
    if (document.activeElement !== end) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  }

  Object.assign(window.bksdm, { look });
})();
