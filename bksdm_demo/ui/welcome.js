// Greets a visitor once in each browser. An address with anything in it but a language or a theme is a link to something,
// which the greeting must not cover.
(() => {
  const GREETED = "bksdm-greeted";
  const PLAIN = ["lang", "__theme"];
  const root = document.documentElement;

  function greeted() {
    try {
      return localStorage.getItem(GREETED) !== null;
    } catch {
      return true; // a browser without storage would greet at every visit
    }
  }

  function close() {
    if (!root.classList.contains("bk-first")) return;
    root.classList.remove("bk-first");
    try {
      localStorage.setItem(GREETED, "yes");
    } catch {}
  }

  const plain = [...new URL(window.location.href).searchParams.keys()].every((name) => PLAIN.includes(name));
  if (plain && !greeted()) root.classList.add("bk-first"); // before the page is built, so that nothing moves

  document.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("[data-welcome], #bk-compare, [data-open]") : null;
    if (!button) return;
    close();
    if (!("welcome" in button.dataset)) return;
    const compare = document.getElementById("bk-compare");
    const next = button.dataset.welcome === "draw" && !compare?.disabled ? compare : document.querySelector("#bk-prompt textarea");
    next?.focus({ preventScroll: true }); // the pressed button is gone
    if (next === compare) compare.click();
  });
})();
