// Keeps what runs up to date. An element with data-news names an address; when the word there is no longer that of
// data-word, the script presses the hidden button data-refresh, which shows the element anew. No request stays open,
// because a browser opens at most six to one server, for all tabs together. A page in the background does not ask. A page
// without such an element asks now and then whether the server is about to end.
(() => {
  const SHORTEST = 250; // milliseconds between two questions while there is news
  const LONGEST = 1000;
  const AFTER_FAILURE = 2000;
  const IDLE = 5000; // without a question about anything else
  const SERVER = "news/server";
  const LOST = tr("Connection to the server was lost. This page tries again.");
  const RESTARTING = tr("The server is restarting. This page goes on when it is back.");

  const gone = new Set(); // addresses without an answer, such as those of deleted comparisons
  let failures = 0;
  let restarting = false;
  let asked = Date.now(); // when the server last answered
  let pause = SHORTEST;
  let timer = 0;

  let restored = []; // comparisons whose board was shown again, at most three times each

  const press = (id) => document.getElementById(id)?.click();

  // On a slow line, the answer about the empty board may come after the comparison's own and replace it.
  function restore() {
    const job = window.bksdm.followed();
    if (!job || document.querySelector("#bk-board [data-job]")) return;
    if (restored.filter((one) => one === job).length === 3) return; // it has no board: deleted, or expired
    restored = [...restored.filter((one) => one === job), job];
    press("bk-refresh");
  }

  // Returns whether there is news. Throws when the server does not answer.
  async function look(element) {
    const { news, word, refresh } = element.dataset;
    const answer = await ask(news);
    if (answer.ok && (await answer.text()) === word) return false;
    if (!answer.ok) gone.add(news);
    press(refresh);
    return true;
  }

  async function ask(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.status >= 500 || answer.status === 429) throw new Error(answer.statusText);
    asked = Date.now();
    restarting = answer.headers.get("X-Server") === "restarting";
    return answer;
  }

  async function round() {
    restore();
    const elements = document.hidden ? [] : [...document.querySelectorAll("[data-news]")];
    let news = false;
    try {
      for (const element of elements.filter(({ dataset }) => !gone.has(dataset.news))) {
        news = (await look(element)) || news;
      }
      const due = restarting || failures > 0 || Date.now() - asked > IDLE;
      if (!document.hidden && due) await ask(SERVER);
      failures = 0;
      pause = news || !elements.length ? SHORTEST : Math.min(1.25 * pause, LONGEST);
      if (restarting) pause = LONGEST;
    } catch {
      failures += 1;
      pause = AFTER_FAILURE;
    }
    tell(restarting ? RESTARTING : failures > 1 ? LOST : "");
    timer = setTimeout(round, pause);
  }

  function tell(sentence) {
    let line = document.getElementById("bk-lost");
    if (!line && !sentence) return;
    if (!line) {
      line = Object.assign(document.createElement("p"), { id: "bk-lost" });
      line.setAttribute("role", "status");
      document.body.append(line);
    }
    line.hidden = !sentence;
    if (line.textContent !== sentence) line.textContent = sentence;
  }

  // The page returns from the background, or something begins to run: ask at once.
  function hurry() {
    clearTimeout(timer);
    pause = SHORTEST;
    timer = setTimeout(round, 0);
  }

  document.addEventListener("visibilitychange", () => document.hidden || hurry());
  timer = setTimeout(round, pause);
})();
