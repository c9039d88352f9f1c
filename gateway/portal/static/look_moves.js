// Ways through a series: keys, wheel, and a finger or the mouse that is drawn over the image.
const KEYS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 };
const LEAST_STEP = 6; // CSS pixels of a swipe for one image

export function watchMoves(stage, go) {
  stage.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (step) go.by(step);
    else if (event.key === "Home") go.to(0);
    else if (event.key === "End") go.to(go.count() - 1);
    else return;
    event.preventDefault();
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey || go.count() < 2) return; // zooming, or nothing to go through
      event.preventDefault();
      go.by(Math.sign(event.deltaY));
    },
    { passive: false },
  );
  watchFinger(stage, go);
}

function watchFinger(stage, go) {
  let last = null;
  const zoomed = () => (window.visualViewport?.scale ?? 1) > 1.05;
  stage.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || zoomed()) return;
    last = { x: event.clientX, y: event.clientY };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!last || !event.isPrimary) return;
    const across = last.x - event.clientX; // to the left is on, as in an album
    const down = event.clientY - last.y;
    const moved = Math.abs(down) >= Math.abs(across) ? down : across;
    const steps = Math.trunc(moved / Math.max(LEAST_STEP, stage.clientHeight / (go.count() * 2)));
    if (!steps) return;
    last = { x: event.clientX, y: event.clientY };
    go.by(steps);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (last = null));
  window.visualViewport?.addEventListener("resize", () => stage.classList.toggle("zoomed", zoomed()));
}
