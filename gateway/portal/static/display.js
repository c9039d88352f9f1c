// Light, dark, or as the system says; remembered in this browser.
const KEY = "overread-theme";

export function startThemeChoice() {
  const choice = document.querySelector(".theme");
  const now = localStorage.getItem(KEY) ?? "auto";
  choice.hidden = false;
  for (const radio of choice.querySelectorAll("input")) {
    radio.checked = radio.value === now;
    radio.addEventListener("change", () => {
      localStorage.setItem(KEY, radio.value);
      if (radio.value === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = radio.value;
    });
  }
}
