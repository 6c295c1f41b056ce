// Shows what a word means, above or below it: on hover, on focus by keyboard, and on press, which also works by touch. Esc,
// a second press and a press elsewhere close it; the pointer may rest on it. The words are the button's description.
(() => {
  const SLOW = 150; // milliseconds until a resting pointer opens it, so that it does not flicker under a passing one
  const LEAVE = 250; // for the way from the word to the explanation
  const GAP = 6; // pixels
  const EDGE = 8;

  let tip = null;
  let anchor = null; // the word that is explained
  let timer = 0;

  const termOf = (event) => (event.target instanceof Element ? event.target.closest(".bk-term") : null);

  function build() {
    tip = Object.assign(document.createElement("div"), { id: "bk-tip", hidden: true });
    tip.setAttribute("aria-hidden", "true"); // screen readers read the description with the word
    tip.addEventListener("pointerenter", () => clearTimeout(timer));
    tip.addEventListener("pointerleave", later);
    document.body.append(tip);
  }

  function show(term) {
    clearTimeout(timer);
    if (!tip) build();
    anchor = term;
    tip.textContent = term.getAttribute("aria-description");
    tip.hidden = false;
    place();
  }

  function hide() {
    clearTimeout(timer);
    anchor = null;
    if (tip) tip.hidden = true;
  }

  function later() {
    clearTimeout(timer);
    if (document.activeElement !== anchor) timer = setTimeout(hide, LEAVE);
  }

  // Below the word where there is room, else above it; never beyond the window's edge.
  function place() {
    const word = anchor.getBoundingClientRect();
    const left = Math.min(word.left, window.innerWidth - tip.offsetWidth - EDGE);
    const below = word.bottom + GAP;
    const fits = below + tip.offsetHeight + EDGE <= window.innerHeight;
    tip.style.left = `${Math.max(EDGE, left)}px`;
    tip.style.top = `${fits ? below : Math.max(EDGE, word.top - GAP - tip.offsetHeight)}px`;
  }

  // Gradio may have replaced the word, or changed what it says.
  function refresh() {
    if (!anchor) return;
    if (!anchor.isConnected || !anchor.checkVisibility()) hide();
    else show(anchor);
  }

  document.addEventListener("pointerover", (event) => {
    const term = termOf(event);
    if (!term || event.pointerType === "touch") return;
    clearTimeout(timer);
    if (term !== anchor) timer = setTimeout(show, SLOW, term);
  });

  document.addEventListener("pointerout", (event) => {
    if (termOf(event) && event.pointerType !== "touch") later();
  });

  document.addEventListener("focusin", (event) => {
    const term = termOf(event);
    if (term?.matches(":focus-visible")) show(term);
  });

  document.addEventListener("focusout", (event) => {
    if (termOf(event) === anchor) hide();
  });

  // A press on a word that hover or focus has just opened keeps it open; the next one closes it.
  let pressed = null;
  document.addEventListener("click", (event) => {
    const term = termOf(event);
    if (!term) {
      if (!tip?.contains(event.target)) hide();
      pressed = null;
    } else if (pressed === term && anchor === term) {
      hide();
      pressed = null;
    } else {
      show(term);
      pressed = term;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && anchor) {
      event.stopPropagation(); // only the explanation closes
      hide();
    }
  }, true);

  // Called when the form has another scheduler.
  function showScheduler(key) {
    for (const words of document.querySelectorAll("[data-scheduler]")) words.hidden = words.dataset.scheduler !== key;
  }

  Object.assign((window.bksdm ??= {}), { showScheduler });

  window.addEventListener("scroll", refresh, { capture: true, passive: true });
  window.addEventListener("resize", refresh);
  document.addEventListener("bk-board", refresh);
})();
