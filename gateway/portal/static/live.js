// Regions that refresh by themselves: swapped only when something changed and nobody is in the middle of something there.
const seen = new WeakMap();
const unfolded = new WeakMap();
const TOKEN = /name="csrf_token" value="[^"]*"/g;
const TYPING = "input:not([type=search]), textarea, select";

let failing = 0;

function busy(region) {
  const active = document.activeElement;
  return (region.contains(active) && active.matches(TYPING)) || region.querySelector("details.act[open]");
}

function plain(html) {
  return html.replace(TOKEN, "").replace(/(data-moment="relative"[^>]*>)[^<]*/g, "$1");
}

function stale(said) {
  const notice = document.getElementById("stale");
  notice.textContent = said;
  notice.hidden = !said;
}

function beforeSwap(event) {
  const region = event.detail.target;
  if (!region.matches("[data-live]") || event.detail.xhr.status !== 200) return;
  failing = 0;
  stale("");
  const text = plain(event.detail.xhr.responseText);
  if (seen.get(region) === text || busy(region)) event.detail.shouldSwap = false;
  else {
    seen.set(region, text);
    unfolded.set(region, [...region.querySelectorAll("details[id][open]")].map((each) => each.id));
  }
}

function afterSwap(event) {
  for (const id of unfolded.get(event.detail.target) ?? []) document.getElementById(id)?.setAttribute("open", "");
}

function failed(event) {
  const status = event.detail.xhr?.status;
  failing += 1;
  if (status === 401) stale("You were signed out. Sign in again in another tab, or reload this page.");
  else if (failing >= 2) stale("This page is not up to date: Overread does not answer. It tries again by itself.");
}

function beforeReload(event) {
  const writing = [...document.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue);
  if (event.detail.xhr.getResponseHeader("HX-Refresh") && writing) event.preventDefault();
}

export function startLive() {
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterSwap", afterSwap);
  document.addEventListener("htmx:beforeOnLoad", beforeReload);
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    for (const region of document.querySelectorAll("[data-live][hx-get]")) {
      window.htmx?.ajax("GET", region.getAttribute("hx-get"), { target: region, swap: "innerHTML" });
    }
  });
}
