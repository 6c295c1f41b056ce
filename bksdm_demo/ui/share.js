// Shares a comparison: copies its link or code to embed it, keeps one menu open at a time, and identifies this browser.
(() => {
  const COPIED = tr("Copied");
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

  // Inside a Space's frame this is the direct address of the Space, which anybody can open. A chosen language stays in it.
  function address(query) {
    const link = new URL(window.location.href);
    link.search = query;
    const language = new URL(window.location.href).searchParams.get("lang");
    if (query && language) link.searchParams.set("lang", language);
    link.hash = "";
    return link.href;
  }

  const copyLink = (button) => copy(button, address(button.dataset.link));

  // The small page of the comparison in a frame, as high as a row of pictures with its words.
  function copyEmbed(button) {
    const frame = document.createElement("iframe");
    frame.src = new URL(button.dataset.embed, address("")).href;
    frame.title = button.dataset.title;
    frame.width = "100%";
    frame.height = "420";
    frame.loading = "lazy";
    frame.style.border = "0";
    copy(button, frame.outerHTML);
  }

  async function copy(button, text) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = COPIED;
      setTimeout(() => {
        if (button.textContent === COPIED) button.textContent = label;
      }, 2000);
    } catch {
      const byHand = button.nextElementSibling;
      byHand.hidden = false;
      const field = byHand.querySelector("input");
      field.value = text;
      field.focus();
      field.select();
    }
  }

  // What the server cannot know when it writes the menu: whether a phone can reach the address that the browser sees, and
  // whether the operator shares (a name in the page's head).
  function prepare(menu) {
    const code = menu.querySelector(".bk-qr");
    if (!code.firstChild) code.append(Object.assign(new Image(), { src: code.dataset.qr, alt: code.dataset.alt }));
    const here = /^(localhost|127\.|\[::1\])/.test(window.location.hostname);
    code.hidden = here;
    menu.querySelector(".bk-scan").hidden = here;
    menu.querySelector(".bk-scan-not").hidden = !here;
    const embed = menu.querySelector(".bk-embed");
    if (embed) embed.hidden = !document.querySelector('meta[name="bksdm-shares"]');
  }

  document.addEventListener("toggle", ({ target }) => target.matches?.("[data-share]") && target.open && prepare(target), true);

  const menus = () => document.querySelectorAll("details.bk-menu[open]");

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-link], [data-embed]");
    if (button) "link" in button.dataset ? copyLink(button) : copyEmbed(button);
    for (const menu of menus()) {
      if (!menu.contains(event.target) || event.target.closest("a[download]")) menu.open = false;
    }
  });

  // An open menu would cover what has the focus after Tab.
  document.addEventListener("focusin", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
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
