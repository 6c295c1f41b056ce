// Copies a picture as PNG, and the table of times as a table for documents and as tab-separated text for anything else.
(() => {
  const SHOWN = 2000; // milliseconds that a button says what it did
  const COPIED = tr("Copied");
  const BY_HAND = tr("Right-click the picture to copy it"); // without https a page may not copy pictures

  function say(button, words) {
    const text = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE);
    const label = text.textContent;
    if (label === words) return;
    text.textContent = words;
    setTimeout(() => {
      if (text.textContent === words) text.textContent = label;
    }, SHOWN);
  }

  // Safari wants the promise itself in the item, while the visitor's click still counts.
  async function copyPicture(button) {
    const png = fetch(button.dataset.copyPicture).then((answer) => answer.blob());
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
      say(button, COPIED);
    } catch {
      say(button, BY_HAND);
    }
  }

  const rows = (table) => [...table.rows].map((row) => [...row.cells]);
  const words = (cell) => cell.textContent.trim();

  const asText = (table) => rows(table).map((row) => row.map(words).join("\t")).join("\n");

  // A new table without the page's styles, which would bring a dark page's colours into a document.
  function asMarkup(table) {
    const made = document.createElement("table");
    for (const row of rows(table)) {
      const line = made.insertRow();
      for (const cell of row) line.append(Object.assign(document.createElement(cell.tagName), { textContent: words(cell) }));
    }
    return made.outerHTML;
  }

  // The selection shows what was copied; without one, some browsers copy nothing. Works without https, too.
  function copyTable(button) {
    const table = button.closest(".bk-timing")?.querySelector("table");
    if (!table) return;
    document.addEventListener("copy", (event) => {
      event.preventDefault();
      event.clipboardData.setData("text/plain", asText(table));
      event.clipboardData.setData("text/html", asMarkup(table));
      say(button, COPIED);
    }, { once: true, capture: true });
    window.getSelection().selectAllChildren(table);
    document.execCommand("copy");
  }

  document.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("[data-copy-picture], [data-copy-table]") : null;
    if (!button) return;
    if ("copyTable" in button.dataset) copyTable(button);
    else copyPicture(button);
  });
})();
