// The box above a list: shows the rows that have every word in them, also after the list has refreshed itself.
function apply(box) {
  const region = document.getElementById(box.dataset.filters);
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...region.querySelectorAll("[data-row]")];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  const none = region.querySelector(".no-match");
  if (none) none.hidden = !(words.length && rows.length && shown === 0);
  for (const section of region.querySelectorAll("section:has([data-row])")) {
    section.hidden = !section.querySelector("[data-row]:not([hidden])");
  }
  document.getElementById("filtered").textContent = words.length ? `${shown} of ${rows.length} shown` : "";
}

export function startFilter() {
  const box = document.querySelector("input[data-filters]");
  if (!box) return;
  box.addEventListener("input", () => apply(box));
  document.addEventListener("htmx:afterSwap", () => apply(box));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-clear-filter]")) return;
    box.value = "";
    apply(box);
    box.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    box.focus();
  });
  if (box.value) apply(box);
}
