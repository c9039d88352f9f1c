// Small manners of forms: ask before what cannot be undone, send once, grow with the text, add and remove questions.
function grow(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

function startGrowing() {
  if (CSS.supports("field-sizing", "content")) return;
  for (const field of document.querySelectorAll("textarea")) {
    field.addEventListener("input", () => grow(field));
    if (field.value) grow(field);
  }
}

function startQuestions() {
  const list = document.getElementById("questions");
  if (!list) return;
  const most = Number(list.dataset.most);
  const add = list.querySelector("[data-add-question]");
  const rows = () => [...list.querySelectorAll(".question-row")];
  const number = () => {
    rows().forEach((row, index) => {
      row.querySelector("label").textContent = `Question ${index + 1}`;
      row.querySelector("label").htmlFor = `question-${index + 1}`;
      row.querySelector("input").id = `question-${index + 1}`;
      row.querySelector("button").setAttribute("aria-label", `Remove question ${index + 1}`);
    });
    add.hidden = rows().length >= most;
  };
  add.addEventListener("click", () => {
    const row = rows().at(-1).cloneNode(true);
    row.querySelector("input").value = "";
    add.before(row);
    number();
    row.querySelector("input").focus();
  });
  list.addEventListener("click", (event) => {
    if (!event.target.closest("[data-remove-question]")) return;
    const row = event.target.closest(".question-row");
    if (rows().length > 1) row.remove();
    else row.querySelector("input").value = "";
    number();
    rows().at(-1).querySelector("input").focus();
  });
  number();
}

function startDemo() {
  for (const button of document.querySelectorAll("[data-email]")) {
    button.addEventListener("click", () => {
      const form = document.getElementById("sign-in");
      form.elements.email.value = button.dataset.email;
      form.elements.password.value = button.dataset.password;
      form.requestSubmit();
    });
  }
}

export function startForms() {
  document.addEventListener("submit", (event) => {
    const asked = event.submitter?.dataset.confirm;
    if (asked && !window.confirm(asked)) {
      event.preventDefault();
      return;
    }
    if (event.target.method === "post") {
      if (event.target.dataset.sent) event.preventDefault();
      event.target.dataset.sent = "yes";
    }
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
  startGrowing();
  startQuestions();
  startDemo();
}
