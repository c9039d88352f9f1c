// The images beside the report, on screens that are wide enough for both; otherwise they open in a window of their own.
const WIDE = window.matchMedia("(min-width: 75rem)"); // as in overread.css
const KEY = "overread-beside";

const wanted = () => localStorage.getItem(KEY) === "yes";

function show(room, beside, button, on) {
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
}

export function startViewer() {
  const room = document.getElementById("reading");
  const button = document.getElementById("toggle-viewer");
  if (!room?.dataset.viewer || !button) return;
  const beside = document.getElementById("beside");
  const fit = () => {
    button.hidden = !WIDE.matches;
    show(room, beside, button, WIDE.matches && wanted());
  };
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, beside.hidden ? "yes" : "no");
    fit();
  });
  WIDE.addEventListener("change", fit);
  fit();
}
