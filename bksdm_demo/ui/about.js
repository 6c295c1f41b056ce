// The About tab in the browser: copies the text that a button names, and moves the focus with links inside the tab.
(() => {
  function say(button, word) {
    const label = (button.dataset.label ??= button.textContent);
    button.textContent = word;
    setTimeout(() => { button.textContent = label; }, 2000);
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copies);
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent);
      say(button, tr("Copied"));
    } catch {
      // A page in a frame may not use the clipboard, so the text is selected instead.
      window.getSelection()?.selectAllChildren(source);
      source.focus();
      say(button, tr("Selected"));
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copies]");
    if (button) copy(button);
    const link = event.target.closest?.('.bk-card-nav a[href^="#"]');
    const target = link && document.querySelector(link.getAttribute("href"));
    if (!target) return;
    event.preventDefault();  // the address must keep naming the comparison
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    target.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    target.focus({ preventScroll: true });
  });
})();
