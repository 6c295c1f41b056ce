// The words of the scripts in the page's language, and the language itself. The server writes window.bksdmWords into the
// head. A link's lang decides; without one, the language that this browser chose last.
(() => {
  const CHOSEN = "bksdm-language";

  // Returns a message in the page's language, with the values in place of {name}.
  window.tr = (message, values = {}) =>
    (window.bksdmWords?.[message] ?? message).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  function inLanguage(code) {
    const address = new URL(window.location.href);
    address.searchParams.set("lang", code);
    return address.href;
  }

  function remembered() {
    try {
      return localStorage.getItem(CHOSEN) ?? "";
    } catch {
      return "";
    }
  }

  const asked = new URL(window.location.href).searchParams.has("lang");
  const chosen = remembered();
  if (!asked && /^[a-z]{2}$/.test(chosen) && chosen !== document.documentElement.lang) {
    window.location.replace(inLanguage(chosen));
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-language]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault(); // the address keeps the comparison that it names
    try {
      localStorage.setItem(CHOSEN, link.dataset.language);
    } catch {}
    window.location.assign(inLanguage(link.dataset.language));
  });
})();
