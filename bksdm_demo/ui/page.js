// What the page does in the browser beyond Gradio: keeps the job in the address, submits with Ctrl/Cmd + Enter,
// and watches a running job again when the page returns from the background.
(() => {
  const narrow = () => window.matchMedia("(max-width: 1023px)").matches;
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // The parameters of a link, removed from the address once another comparison is shown (see parameters/links.py).
  const REQUEST = ["prompt", "negative", "steps", "guidance", "scheduler", "generator", "models", "seeds"];

  // Puts the job's id into ?job=, so that a reload or a second tab opens the same comparison. Inside a Space's frame
  // the address bar belongs to the outer page, which accepts a new query string as a message.
  function follow(job) {
    const address = new URL(window.location.href);
    if (!job || address.searchParams.get("job") === job) return;
    for (const name of REQUEST) address.searchParams.delete(name);
    address.searchParams.set("job", job);
    window.history.replaceState(window.history.state, "", address);
    if (window.parent !== window) {
      window.parent.postMessage({ queryString: `job=${encodeURIComponent(job)}` }, "https://huggingface.co");
    }
    if (narrow()) {
      document.getElementById("bk-results")?.scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    if (!event.target.closest?.("#bk-side")) return; // the keys work in the form only
    const button = document.getElementById("bk-compare");
    if (!button || button.disabled) return;
    event.preventDefault();
    document.activeElement?.dispatchEvent(new Event("change", { bubbles: true }));
    button.click();
  }, true);

  // The skip link leads past the form to the result, or to the tab that is shown.
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.(".bk-skip")) return;
    event.preventDefault(); // the address must keep naming the comparison
    const shown = (element) => element?.checkVisibility();
    const target = [document.getElementById("bk-results"), ...document.querySelectorAll("[role=tabpanel]")].find(shown);
    if (!target) return;
    target.tabIndex = -1;
    target.focus();
  });

  // A page in the background loses its connection while the job goes on, so the page watches again on its return.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    if (document.querySelector(".bk-board[aria-busy=true]")) document.getElementById("bk-resume")?.click();
    if (document.querySelector(".bk-warming[data-active=true]")) document.getElementById("bk-watch")?.click();
  });

  Object.assign((window.bksdm ??= {}), { follow });
})();
