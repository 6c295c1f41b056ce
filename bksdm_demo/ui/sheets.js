// The Sheets tab in the browser: the sheet on the page is in the address, and a click on a small picture opens its
// comparison, then the viewer on it.
(() => {
  let wanted = null; // the picture to open once its comparison is on the board

  // The query names the sheet and how it is shown. The page's language stays in the address.
  function followSheet(query) {
    if (!query) return;
    const address = new URL(window.location.href);
    const language = address.searchParams.get("lang");
    const wanted = new URLSearchParams(query);
    if (language) wanted.set("lang", language);
    if (address.searchParams.toString() === wanted.toString()) return;
    address.search = wanted;
    window.history.replaceState(window.history.state, "", address);
  }

  // Plain clicks stay on the page; clicks with a key held, such as for a new tab, follow the link.
  function sheetGrid(element, trigger) {
    element.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      const link = event.target.closest("[data-open], [data-sheet-open]");
      if (!link) return;
      event.preventDefault();
      if (link.dataset.sheetOpen) return trigger("submit", { sheet: link.dataset.sheetOpen });
      wanted = { job: link.dataset.open, index: link.dataset.index };
      trigger("select", { job: wanted.job });
      look();
    });
  }

  function look() {
    if (!wanted || window.bksdm.shownJob() !== wanted.job) return;
    const picture = document.querySelector(`.bk-board .bk-column[data-index="${wanted.index}"] .bk-picture img`);
    if (!picture?.checkVisibility()) return;
    window.bksdm.look(wanted.index);
    wanted = null;
  }

  document.addEventListener("bk-board", () => requestAnimationFrame(look));
  Object.assign((window.bksdm ??= {}), { followSheet, sheetGrid });
})();
