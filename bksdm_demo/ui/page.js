// What the page does in the browser beyond Gradio: keeps the job in the address and in the browser's history, scrolls to
// it, and submits with Ctrl/Cmd + Enter.
(() => {
  const narrow = () => window.matchMedia("(max-width: 1023px)").matches;
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // The parameters of a link, removed from the address once another comparison is shown (see parameters/links.py).
  const REQUEST = ["prompt", "negative", "steps", "guidance", "scheduler", "generator", "guidance_interval", "forecast",
    "deep_every", "profile", "models", "seeds", "sheet"];

  // The hub shows a Space in a frame. On loading, it passes the query of its own address to the frame. It takes a query
  // back as a message from Docker and static Spaces, and says that it takes none from Gradio's. So a frame also keeps the
  // shown comparison in its tab's storage, for a reload of the outer page.
  const HUB = "https://huggingface.co";
  const SHOWN = "bksdm-shown";
  const framed = window.parent !== window;

  let followed = ""; // the comparison that the page showed last

  const addressed = () => new URL(window.location.href).searchParams.get("job") ?? "";

  // Called when the page shows another comparison. One that the address names already was opened by its link or by the
  // back button; the browser may have scrolled to where the visitor was before a reload.
  function follow(job) {
    if (!job || job === followed) return;
    const reloaded = !followed && job === addressed();
    if (job !== addressed()) remember(job);
    tellFrame(job);
    followed = job;
    if (!reloaded || (narrow() && window.scrollY === 0)) reveal();
  }

  // Puts the job's id into ?job=, so that a reload or a second tab opens the same comparison, and the back button the
  // one before.
  function remember(job) {
    const address = new URL(window.location.href);
    for (const name of REQUEST) address.searchParams.delete(name);
    address.searchParams.set("job", job);
    window.history[followed ? "pushState" : "replaceState"](window.history.state, "", address);
  }

  // The origin of the page around the frame; "" where the browser does not tell.
  function outerOrigin() {
    const origin = window.location.ancestorOrigins?.[0];
    if (origin) return origin;
    return document.referrer ? new URL(document.referrer).origin : "";
  }

  // Also after back and forward, which change only the frame's own address.
  function tellFrame(job) {
    if (!framed) return;
    try {
      window.sessionStorage.setItem(SHOWN, job);
    } catch {}
    if (["", HUB].includes(outerOrigin())) window.parent.postMessage({ queryString: `job=${encodeURIComponent(job)}` }, HUB);
  }

  // Before Gradio reads the address: a frame without a comparison or a link of its own shows the tab's last one.
  function restoreFrame() {
    const address = new URL(window.location.href);
    if (!framed || ["job", ...REQUEST].some((name) => address.searchParams.has(name))) return;
    try {
      const job = window.sessionStorage.getItem(SHOWN);
      if (!job) return;
      address.searchParams.set("job", job);
      window.history.replaceState(window.history.state, "", address);
    } catch {}
  }

  restoreFrame();

  // Scrolls to the results unless the heading and the first row of pictures are in view: once per comparison, so that a
  // visitor can scroll away.
  function reveal() {
    const results = document.getElementById("bk-results");
    const row = results?.querySelector(".bk-columns");
    if (!row) return;
    const shown = results.getBoundingClientRect().top >= 0 && row.getBoundingClientRect().bottom <= window.innerHeight;
    if (!shown) results.scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
  }

  window.addEventListener("popstate", () => {
    if (addressed() && addressed() !== window.bksdm.shownJob()) document.getElementById("bk-back")?.click();
  });

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

  Object.assign((window.bksdm ??= {}), { follow, addressed, followed: () => followed });
})();
