// Linked zoom and pan: wheel, drag, pinch, double click and keys move every picture on a stage together.
// A stage holds `.bk-view` windows of one size; the elements to zoom in them have the class `bk-zoomed`.
// `listeners` has zoomed(scale), and optionally dragged(view, event) and swiped(direction).
window.bksdm.zoom = (stage, listeners) => {
  const MOST = 32; // times the fitted size
  const CLOSE = 4; // the magnification after a double click
  const PIXELS = 4; // screen pixels per picture pixel, from which pixels are drawn as squares
  const SWIPE = 60; // pixels

  const state = { scale: 1, x: 0, y: 0 }; // x, y: the shift, as a share of the window's size
  const pointers = new Map();
  let began = null; // the event of the first finger
  let held = false; // whether it started on a slider's handle

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
    listeners.zoomed(state.scale);
  }

  // Zooms around the point (x, y) of the window, or around the middle when there is no window.
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
    if (state.scale === 1 && pointers.size === 1) listeners.dragged?.(view, event);
  });

  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const view = viewOf(event);
    if (!before || !view) return;
    const others = [...pointers.values()].filter((other) => other.pointerId !== event.pointerId);
    pointers.set(event.pointerId, event);
    if (others.length) pinch(view, before, event, others[0]);
    else if (held || state.scale === 1) listeners.dragged?.(view, event);
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
    if (event.pointerType === "touch" && state.scale === 1 && across) listeners.swiped?.(far < 0 ? 1 : -1);
    began = null;
  }
  stage.addEventListener("pointerup", released);
  stage.addEventListener("pointercancel", released);

  return { apply, by, move, reset, get scale() { return state.scale; } };
};
