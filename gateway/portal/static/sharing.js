// A link's secret comes behind the # of the address, which browsers never send; here it goes into the form and out of sight.
function openLink() {
  const form = document.getElementById("open-link");
  const found = /^#([bp])\.([A-Za-z0-9_-]{20,100})$/.exec(location.hash);
  if (!form || !found) return;
  history.replaceState(null, "", location.pathname);
  const [, kind, secret] = found;
  form.elements.kind.value = kind;
  form.elements.link.value = secret;
  if (kind === "b") {
    form.elements.second.type = "date";
    form.querySelector("label").textContent = "The patient's date of birth";
  }
  form.hidden = false;
  document.getElementById("no-link")?.remove();
  form.elements.second.focus();
}

function offerCopy() {
  if (!navigator.clipboard) return;
  for (const field of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "outline";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${field.labels[0].textContent}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    });
    field.after(button);
  }
}

export function startSharing() {
  openLink();
  window.addEventListener("hashchange", openLink);
  offerCopy();
}
