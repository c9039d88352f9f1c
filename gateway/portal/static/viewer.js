// The images beside the report, on screens that are wide enough; otherwise they open in a window of their own.
const WIDE = window.matchMedia("(min-width: 62rem)");
const KEY = "overread-beside";

function set(room, beside, button, on) {
  if (on && !beside.firstChild) {
    const frame = document.createElement("iframe");
    frame.src = room.dataset.viewer;
    frame.title = "Images";
    frame.allow = "fullscreen";
    beside.append(frame);
  }
  beside.hidden = !on;
  room.classList.toggle("with-viewer", on);
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? "Hide the images" : "Show beside the report";
  localStorage.setItem(KEY, on ? "yes" : "no");
}

export function startViewer() {
  const room = document.getElementById("reading");
  const button = document.getElementById("toggle-viewer");
  if (!room?.dataset.viewer || !button) return;
  const beside = document.getElementById("beside");
  const fit = () => {
    button.hidden = !WIDE.matches;
  };
  button.addEventListener("click", () => set(room, beside, button, beside.hidden));
  WIDE.addEventListener("change", fit);
  fit();
  if (WIDE.matches && localStorage.getItem(KEY) === "yes") set(room, beside, button, true);
}
