// Shares a comparison: copies its link, keeps one menu open at a time, and identifies this browser.
(() => {
  const SECRET = "bksdm-visitor";
  let secret = ""; // without browser storage, it lasts until the visitor leaves the page

  // The random secret that owns this visitor's comparisons; it is never shown.
  function visitor() {
    try {
      secret = secret || localStorage.getItem(SECRET) || "";
    } catch {}
    if (!/^[0-9a-f]{32}$/.test(secret)) {
      secret = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    try {
      localStorage.setItem(SECRET, secret);
    } catch {}
    return secret;
  }

  const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

  // Inside a Space's frame this is the direct address of the Space, which anybody can open.
  function address(query) {
    const link = new URL(window.location.href);
    link.search = query;
    link.hash = "";
    return link.href;
  }

  async function copyLink(button) {
    const link = address(button.dataset.link);
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = "Copied";
      setTimeout(() => {
        if (button.textContent === "Copied") button.textContent = label;
      }, 2000);
    } catch {
      const byHand = button.nextElementSibling;
      byHand.hidden = false;
      const field = byHand.querySelector("input");
      field.value = link;
      field.focus();
      field.select();
    }
  }

  const menus = () => document.querySelectorAll("details.bk-menu[open]");

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-link]");
    if (button) copyLink(button);
    for (const menu of menus()) {
      if (!menu.contains(event.target) || event.target.closest("a[download]")) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  Object.assign((window.bksdm ??= {}), { visitor, zone });
})();
