// Links marked data-dialog open as a dialog over the page; without this script they are pages of their own.
import { tellMoments } from "./moments.js";

async function show(dialog, address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = page.getElementById("part");
  if (!part) {
    window.location.assign(address);
    return;
  }
  part.removeAttribute("id");
  dialog.replaceChildren(document.adoptNode(part));
  tellMoments(dialog);
  dialog.showModal();
  dialog.querySelector("[data-close], button, a")?.focus();
}

export function startDialogs(opinion) {
  const dialog = document.getElementById("dialog");
  if (!dialog) return;
  document.addEventListener("click", async (event) => {
    if (event.target.closest("[data-close]") && dialog.contains(event.target)) {
      event.preventDefault();
      dialog.close();
      return;
    }
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (opinion && !(await opinion.flush())) return;
    try {
      await show(dialog, link.href);
    } catch {
      opinion?.say("failed", "Overread does not answer. Try again in a moment.");
    }
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("submit", () => opinion?.letGo());
}
