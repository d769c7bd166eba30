// What is wrong in a form: it comes into sight, its marks go with the next answer, and a key that was typed stays.

// What is wrong comes into sight. Only now has what was swapped in its own classes: until it settles htmx leaves it those of its predecessors.
const WRONG = ".is-invalid, :has(+ .invalid-feedback), #server-form > .alert, #connection .verdicts, #migration-progress > .alert";
document.addEventListener("htmx:afterSettle", ({ target, detail: { xhr } }) => {
  const wrong = (target.closest("form, dialog") || xhr?.status === 422) && target.querySelector(WRONG);
  // What was wrong may have been typed anew since.
  if (!wrong && xhr?.status === 422 && typed.isKept) say("What was sent before was not done: something in it was wrong.", false, "warning");
  if (!wrong) return;
  // A verdict leaves what is in hand where it is; where that went with the answer it is in hand itself.
  const isField = wrong.matches("input, select, textarea");
  if (!isField) wrong.tabIndex = -1;
  const isInHand = typed.stays !== null && document.activeElement === typed.stays;
  if ((isField && !isInHand) || document.activeElement === document.body) wrong.focus();
  wrong.scrollIntoView({ block: isInHand ? "nearest" : "center" });
  if (isInHand) typed.stays.scrollIntoView({ block: "nearest" });
});

// Marks go with the next answer to the same form, also where that replaces a part of it only.
document.addEventListener("htmx:afterSwap", ({ detail: { requestConfig, xhr } }) => {
  // What htmx restores when somebody goes back is no answer.
  const form = xhr?.status === 200 && requestConfig?.elt.matches("form button") && requestConfig.elt.form;
  if (!form) return;
  form.querySelectorAll(".is-invalid").forEach((field) => field.classList.remove("is-invalid"));
  form.querySelectorAll(".invalid-feedback, :scope > .alert").forEach((said) => {
    if (said.id) form.querySelectorAll(`[aria-describedby~="${said.id}"]`).forEach((field) => describeWithout(field, said.id));
    said.remove();
  });
});
const describeWithout = (field, id) => {
  const left = field.getAttribute("aria-describedby").split(/\s+/).filter((each) => each && each !== id);
  if (left.length) field.setAttribute("aria-describedby", left.join(" "));
  else field.removeAttribute("aria-describedby");
};

// A key or a password never comes back from the panel: what was typed stays in the field of that name, which is marked like any other.
let kept = [];
document.addEventListener("htmx:beforeSwap", ({ detail: { requestConfig } }) => {
  kept = requestConfig.verb === "post" ? [...document.querySelectorAll("[data-keep]")].map(({ id, value }) => [id, value]) : [];
});
document.addEventListener("htmx:afterSwap", () => {
  kept.forEach(([id, value]) => {
    const field = document.getElementById(id);
    if (field?.matches("[data-keep]") && !field.value) field.value = value;
  });
});
