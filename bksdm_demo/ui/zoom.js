// Linked zoom and pan: one magnification and one place for every picture on a stage, by wheel, drag, pinch, double
// click and keys. A stage holds `.bk-view` windows of one size; what is zoomed in them has the class `bk-zoomed`.
window.bksdm.zoom = (stage, told) => {
  const MOST = 32; // times the fitted size
  const CLOSE = 4; // where a double click goes
  const PIXELS = 4; // screen pixels for one of the picture's, from which its pixels are shown as squares
  const SWIPE = 60; // pixels

  const state = { scale: 1, x: 0, y: 0 }; // x, y: the shift in sizes of the window
  const pointers = new Map();
  let began = null; // where the first finger went down
  let held = false; // whether it went down on a slider's handle

  const clamp = (value, most) => Math.min(most, Math.max(-most, value));

  function apply() {
    state.scale = Math.min(MOST, Math.max(1, state.scale));
    const room = (state.scale - 1) / 2;
    state.x = clamp(state.x, room);
    state.y = clamp(state.y, room);
    for (const view of stage.querySelectorAll(".bk-view")) {
      const shift = `${(state.x * view.clientWidth).toFixed(2)}px, ${(state.y * view.clientHeight).toFixed(2)}px`;
      for (const image of view.querySelectorAll(".bk-zoomed")) {
        image.style.transform = `translate(${shift}) scale(${state.scale.toFixed(4)})`;
        const magnified = (view.clientWidth * state.scale) / (image.naturalWidth || Infinity);
        image.classList.toggle("bk-pixels", state.scale > 1 && magnified >= PIXELS);
      }
    }
    stage.dataset.zoomed = state.scale > 1;
    told.zoomed(state.scale);
  }

  // Keeps what lies under (x, y) of that window where it is; without a window, the middle.
  function by(factor, view = null, x = 0, y = 0) {
    const before = state.scale;
    state.scale = Math.min(MOST, Math.max(1, before * factor));
    const ratio = state.scale / before;
    const box = view?.getBoundingClientRect();
    const [px, py] = box ? [(x - box.left) / box.width - 0.5, (y - box.top) / box.height - 0.5] : [0, 0];
    state.x = px - (px - state.x) * ratio;
    state.y = py - (py - state.y) * ratio;
    apply();
  }

  function reset() {
    Object.assign(state, { scale: 1, x: 0, y: 0 });
    apply();
  }

  function move(x, y) {
    state.x += x;
    state.y += y;
    apply();
  }

  const viewOf = (event) => (event.target instanceof Element ? event.target.closest(".bk-view") : null);

  stage.addEventListener("wheel", (event) => {
    const view = viewOf(event);
    if (!view) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    by(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), view, event.clientX, event.clientY);
  }, { passive: false });

  stage.addEventListener("dblclick", (event) => {
    const view = viewOf(event);
    if (!view) return;
    if (state.scale > 1) reset();
    else by(CLOSE, view, event.clientX, event.clientY);
  });

  stage.addEventListener("pointerdown", (event) => {
    const view = viewOf(event);
    if (!view || event.button > 0) return;
    view.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    began = pointers.size === 1 ? event : null;
    held = pointers.size === 1 && event.target.closest("[role=slider]") !== null;
    if (state.scale === 1 && pointers.size === 1) told.dragged?.(view, event);
  });

  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const view = viewOf(event);
    if (!before || !view) return;
    const others = [...pointers.values()].filter((other) => other.pointerId !== event.pointerId);
    pointers.set(event.pointerId, event);
    if (others.length) pinch(view, before, event, others[0]);
    else if (held || state.scale === 1) told.dragged?.(view, event);
    else move((event.clientX - before.clientX) / view.clientWidth, (event.clientY - before.clientY) / view.clientHeight);
  });

  function pinch(view, before, after, other) {
    const distance = (event) => Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY) || 1;
    const middle = (event) => [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
    const [[x0, y0], [x1, y1]] = [middle(before), middle(after)];
    by(distance(after) / distance(before), view, x1, y1);
    move((x1 - x0) / view.clientWidth, (y1 - y0) / view.clientHeight);
  }

  function released(event) {
    if (!pointers.delete(event.pointerId) || !began || event.type !== "pointerup") return;
    const far = event.clientX - began.clientX;
    const across = Math.abs(far) > SWIPE && Math.abs(far) > 2 * Math.abs(event.clientY - began.clientY);
    if (event.pointerType === "touch" && state.scale === 1 && across) told.swiped?.(far < 0 ? 1 : -1);
    began = null;
  }
  stage.addEventListener("pointerup", released);
  stage.addEventListener("pointercancel", released);

  return { apply, by, move, reset, get scale() { return state.scale; } };
};
