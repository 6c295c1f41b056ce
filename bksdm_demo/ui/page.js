// What the page does in the browser beyond Gradio: keeps the job in the address, submits with Ctrl/Cmd + Enter,
// and takes a running job up again when the page comes back from the background.
(() => {
  const narrow = () => window.matchMedia("(max-width: 1023px)").matches;
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // What a link asks for: gone from the address once something else is shown (services/links.py names them).
  const REQUEST = ["prompt", "negative", "steps", "guidance", "scheduler", "generator", "models", "seeds"];

  // The job's id goes into ?job=, so that a reload or a second tab opens the same comparison. Inside a Space's frame
  // the address bar belongs to the page around it, which takes a new query string by message.
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
    if (!event.target.closest?.("#bk-side")) return; // elsewhere it means nothing
    const button = document.getElementById("bk-compare");
    if (!button || button.disabled) return;
    event.preventDefault();
    document.activeElement?.dispatchEvent(new Event("change", { bubbles: true }));
    button.click();
  }, true);

  // The skip link leads past the form to the result, or to whatever tab is shown instead.
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.(".bk-skip")) return;
    event.preventDefault(); // the address stays the comparison's
    const shown = (element) => element?.checkVisibility();
    const target = [document.getElementById("bk-results"), ...document.querySelectorAll("[role=tabpanel]")].find(shown);
    if (!target) return;
    target.tabIndex = -1;
    target.focus();
  });

  // A page in the background loses its connection, while the job goes on: watch it again on coming back.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    if (document.querySelector(".bk-board[aria-busy=true]")) document.getElementById("bk-resume")?.click();
    if (document.querySelector(".bk-warming[data-active=true]")) document.getElementById("bk-watch")?.click();
  });

  Object.assign((window.bksdm ??= {}), { follow });
})();
