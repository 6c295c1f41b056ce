// The drawing of the U-Net in the About tab: a pressed part shows its words.
(() => {
  document.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest(".bk-map button[data-part]") : null;
    if (!button) return;
    const map = button.closest(".bk-map");
    const shown = button.dataset.part;
    for (const each of map.querySelectorAll("button[data-part]")) each.setAttribute("aria-pressed", each.dataset.part === shown);
    for (const words of map.querySelectorAll("p[data-part]")) words.hidden = words.dataset.part !== shown;
  });
})();
