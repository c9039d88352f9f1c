// Runs before anything is painted, so that the chosen display does not flicker. Reading rooms are dark; offices are not.
(() => {
  const chosen = localStorage.getItem("overread-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
