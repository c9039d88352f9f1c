// Moments in the reader's own zone: the server writes UTC, the browser knows where it is. Kept up to date while the page is open.
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SPANS = [[36 * 3600, 86400, "day"], [3570, 3600, "hour"], [45, 60, "minute"]]; // as in words.py

export function full(at) {
  return `${DAY.format(at).replace(",", "")}, ${MINUTE.format(at)}`;
}

export function clock(at) {
  return SECOND.format(at);
}

export function distance(at, since = new Date()) {
  const seconds = (at - since) / 1000;
  for (const [least, length, name] of SPANS) {
    if (Math.abs(seconds) >= least) {
      const number = Math.max(1, Math.round(Math.abs(seconds) / length));
      const span = `${number} ${name}${number === 1 ? "" : "s"}`;
      return seconds > 0 ? `in ${span}` : `${span} ago`;
    }
  }
  return seconds > 0 ? "in a moment" : "just now";
}

const FORMS = { full, clock, relative: (at) => distance(at) };

export function tellMoments(root = document) {
  for (const element of root.querySelectorAll("time[data-moment]")) {
    const at = new Date(element.dateTime);
    const text = FORMS[element.dataset.moment](at);
    if (element.textContent !== text) element.textContent = text;
    element.title = full(at);
  }
}

export function startMoments() {
  tellMoments();
  setInterval(tellMoments, 15000);
  document.addEventListener("htmx:afterSwap", (event) => tellMoments(event.target));
}
