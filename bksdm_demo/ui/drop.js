// Sends the text in a picture that was dropped on the page or chosen as a file, and never its pixels.
// A PNG and a JPEG are cut where their pixels begin, and of a WebP the parts without pixels are sent. Of any other file
// only the first bytes are sent, so the server can refuse it.
(() => {
  const MOST = 4 << 20; // bytes
  const PIXELS_OF_WEBP = ["VP8 ", "VP8L", "ALPH", "ANMF"];
  let receive = null;

  const bytes = async (file, start, count) => new DataView(await file.slice(start, start + count).arrayBuffer());
  const letters = (view, start) => String.fromCharCode(...[0, 1, 2, 3].map((place) => view.getUint8(start + place)));

  async function head(file) {
    const start = await bytes(file, 0, 12);
    if (start.byteLength < 12) return file.slice(0, 12);
    if (letters(start, 0) === "\x89PNG") return file.slice(0, Math.min(await pngTexts(file), MOST));
    if (start.getUint16(0) === 0xffd8) return file.slice(0, Math.min(await jpegTexts(file), MOST));
    if (letters(start, 0) === "RIFF" && letters(start, 8) === "WEBP") return webpTexts(file);
    return file.slice(0, 64);
  }

  async function pngTexts(file) {
    let end = 8;
    while (end < Math.min(file.size, MOST)) {
      const chunk = await bytes(file, end, 8);
      if (chunk.byteLength < 8) break;
      end += 8;
      if (letters(chunk, 4) === "IDAT") break;
      end += chunk.getUint32(0) + 4;
    }
    return end;
  }

  async function jpegTexts(file) {
    let end = 2;
    while (end < Math.min(file.size, MOST)) {
      const segment = await bytes(file, end, 4);
      if (segment.byteLength < 4 || segment.getUint8(0) !== 0xff) break;
      end += 2 + segment.getUint16(2);
      if (segment.getUint8(1) === 0xda) break; // its header; the pixels follow
    }
    return end;
  }

  async function webpTexts(file) {
    const parts = [file.slice(0, 12)];
    let size = 12;
    for (let place = 12; place < file.size && size < MOST; ) {
      const chunk = await bytes(file, place, 8);
      if (chunk.byteLength < 8) break;
      const end = place + 8 + chunk.getUint32(4, true) + (chunk.getUint32(4, true) % 2);
      if (!PIXELS_OF_WEBP.includes(letters(chunk, 0))) {
        parts.push(file.slice(place, Math.min(end, place + MOST - size)));
        size += end - place;
      }
      place = end;
    }
    return new Blob(parts);
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
