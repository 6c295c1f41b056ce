// Sends the text in a picture that was dropped on the page or chosen as a file, and never its pixels.
// A PNG is cut where its pixels begin. Of any other file only the first bytes are sent, so the server can refuse it.
(() => {
  const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
  const MOST = 4 << 20; // bytes
  let receive = null;

  async function head(file) {
    const start = new Uint8Array(await file.slice(0, 8).arrayBuffer());
    if (SIGNATURE.some((byte, place) => start[place] !== byte)) return file.slice(0, 64);
    let end = 8;
    while (end < Math.min(file.size, MOST)) {
      const chunk = new DataView(await file.slice(end, end + 8).arrayBuffer());
      if (chunk.byteLength < 8) break;
      end += 8;
      if (chunk.getUint32(4) === 0x49444154) break; // IDAT
      end += chunk.getUint32(0) + 4;
    }
    return file.slice(0, Math.min(end, MOST));
  }

  function encoded(blob) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result).split(",")[1] || "");
      reader.onerror = () => reject(reader.error);
      reader.readAsDataURL(blob);
    });
  }

  async function read(file) {
    if (!file || !receive) return;
    try {
      receive(await encoded(await head(file)));
    } catch {
      receive(""); // a folder, or a file that was removed
    }
  }

  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (on) => document.documentElement.classList.toggle("bk-dropping", on);

  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(true);
  });

  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false);
  });

  document.addEventListener("drop", (event) => {
    mark(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    read(event.dataTransfer.files[0]);
  });

  // Called when Gradio has built the upload element; `send` passes the text to Python.
  function pictures(element, send) {
    receive = send;
    element.addEventListener("change", (event) => {
      read(event.target.files?.[0]);
      event.target.value = "";
    });
  }

  Object.assign((window.bksdm ??= {}), { pictures });
})();
