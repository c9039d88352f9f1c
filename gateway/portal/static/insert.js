// A text that the page offers goes to the end of the findings, as if it had been typed there.
export function startInsert() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-insert]");
    const field = document.getElementById("findings");
    if (!button || !field) return;
    const before = field.value.trimEnd();
    field.value = before ? `${before}\n${button.dataset.insert}` : button.dataset.insert;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
}
