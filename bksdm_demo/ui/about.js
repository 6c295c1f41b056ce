// The About tab in the browser: copies what a button names, and moves the focus along with a link inside the tab.
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
      say(button, "Copied");
    } catch {
      // The clipboard may be closed to a page in a frame: what is to be copied stands selected instead.
      window.getSelection()?.selectAllChildren(source);
      source.focus();
      say(button, "Selected");
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copies]");
    if (button) copy(button);
    const link = event.target.closest?.('.bk-card-nav a[href^="#"]');
    const target = link && document.querySelector(link.getAttribute("href"));
    if (!target) return;
    event.preventDefault();  // the address stays the comparison's
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    target.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    target.focus({ preventScroll: true });
  });
})();
