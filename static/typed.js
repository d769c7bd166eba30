// What was typed and is not saved yet: the form it was typed into, of the dialog and of the page. It is lost with that form; whichever way
// that is left is asked about first, by leaving.js or by the browser.
const typed = {
  inDialog: null,
  // A page may come back with what was wrong.
  onPage: document.querySelector('#main form[method="post"] .is-invalid')?.form ?? null,
  // Whether the newest answer has left something as it was typed since, and the field of those that is in hand.
  isKept: false,
  stays: null,
};

let typings = 0;
const typedAt = new WeakMap();
document.addEventListener("input", ({ target, target: { form } }) => {
  if (form?.method !== "post") return;
  if (dialog.contains(form)) {
    typed.inDialog ||= form;
    sent.changed();
  } else if (form.matches("[data-late], .bulk")) return;
  else if (!target.matches("[data-passing]")) typed.onPage = form;
  typings += 1;
  typedAt.set(target, typings);
});
const typedBefore = new WeakMap();
document.addEventListener("htmx:beforeSend", ({ detail: { xhr } }) => typedBefore.set(xhr, typings));
// A form that an answer has replaced is gone, what was typed into it is not.
document.addEventListener("submit", ({ defaultPrevented, submitter, target: form }) => {
  if (defaultPrevented || submitter?.formTarget) return;
  if (form === typed.inDialog) typed.inDialog = null;
  if (form === typed.onPage || !typed.onPage?.isConnected) typed.onPage = null;
});
window.addEventListener("beforeunload", (event) => { if (typed.onPage || typed.inDialog) event.preventDefault(); });

// Where the session has ended the page leads to signing in, but not away from what was typed or chosen: that can be sent once somebody is
// signed in.
const SIGNED_OUT = "You are signed out. Sign in in another tab, then go on.";
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, requestConfig: { triggeringEvent }, xhr } = event.detail;
  const address = xhr.getResponseHeader("HX-Redirect");
  if (!address) return;
  const isLeft = sent.isLeft(elt);
  const isSignedOut = new URL(address, location.href).pathname === leaving.dataset.signIn;
  if (isSignedOut && (typed.inDialog || typed.onPage || unsaved.size)) {
    event.preventDefault();
    sent.forget(xhr);
    // What was chosen in a list asks again and again, by itself.
    say(isLeft ? `${LEFT_ONE} was not done. ${SIGNED_OUT}` : SIGNED_OUT, !triggeringEvent || elt.matches("[data-late]"));
    return;
  }
  // What somebody types in another dialog by now, or has typed since, is not what was saved: leaving that is asked about.
  if (!isLeft && typedBefore.get(xhr) === typings) {
    typed.onPage = null;
    typed.inDialog = null;
  }
  if (!typed.onPage && !typed.inDialog) return;
  // Whoever stays reads here what the next page would tell. By itself htmx would keep the buttons switched off until that is there.
  event.preventDefault();
  say(`${xhr.responseText || "What was sent before was done."} What you have typed since is not saved.`, false, "info");
  location.assign(address);
});

// What is typed while an answer is on its way is in none of it: where that replaces the form, or a part of it, those fields keep what they
// hold, and the one in hand stays in hand. Until then they hold it themselves: it is kept nowhere else.
const FIELDS = "input, select, textarea";
let answered = null;
let keeping = [];
let notTaken = [];
const isTypedSince = (field) => typedAt.get(field) > typedBefore.get(answered);
document.addEventListener("htmx:beforeSwap", ({ detail: { requestConfig: { elt, verb }, target, xhr } }) => {
  [answered, notTaken, typed.isKept, typed.stays] = [xhr, [], false, null];
  const fields = verb === "post" ? [...target.querySelectorAll(FIELDS)].filter((field) => field.form?.contains(elt) && isTypedSince(field)) : [];
  keeping = fields.map((field) => ({ field, isInHand: field === document.activeElement, caret: [field.selectionStart, field.selectionEnd] }));
});
// What an answer offers for a field beside its own place is not taken, nor said to have been.
document.addEventListener("htmx:oobBeforeSwap", ({ detail, detail: { target } }) => {
  if (!isTypedSince(target)) return;
  detail.shouldSwap = false;
  notTaken.push(target.name);
});
document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  // What htmx restores when somebody goes back is no answer.
  const part = target && document.getElementById(target.id);
  if (!part) return;
  notTaken.forEach((name) => part.querySelectorAll(`[data-taken="${name}"]`).forEach((said) => said.remove()));
  keeping.splice(0).forEach((held) => {
    const field = [...part.querySelectorAll(FIELDS)].find((each) => standsFor(each, held.field));
    if (field) holdOn(field, held);
  });
});
const isTick = ({ type }) => type === "checkbox" || type === "radio";
const standsFor = (field, held) => field.name === held.name && field.type === held.type && (!isTick(held) || field.value === held.value);
const holdOn = (field, { field: held, isInHand, caret }) => {
  if (isTick(held)) field.checked = held.checked;
  else if (held.type === "file") field.files = held.files;
  else field.value = held.value;
  // It counts as typed, and what the answer says of what stood there before goes.
  field.dispatchEvent(new Event("input", { bubbles: true }));
  typed.isKept = true;
  if (!isInHand) return;
  typed.stays = field;
  field.focus({ preventScroll: true });
  if (Number.isInteger(caret[0])) field.setSelectionRange(...caret);
};
// When an answer settles htmx gives the focus to the field that wants it first.
document.addEventListener("htmx:afterSettle", () => typed.stays?.focus());
