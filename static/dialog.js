// The dialog and the menus in it: how they open, where the focus goes, how they are left.
const dialog = document.getElementById("dialog");
const leaving = document.getElementById("leaving");

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "preflight" && dialog.open) event.target.scrollIntoView({ block: "start", behavior: "smooth" });
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== dialog) return;
  // What comes back from sending a form still holds what was typed; a page that was fetched holds nothing yet.
  const { elt, verb } = event.detail.requestConfig ?? {};
  if (verb === "get") typed = null;
  if (!dialog.open) {
    if (!leftBehind.contains(elt)) remember(elt);
    dialog.showModal();
  }
  (dialog.querySelector(".alert") || dialog).scrollIntoView({ block: "nearest" });
  const first = dialog.querySelector("[autofocus]");
  (first || entries()[0] || document.getElementById("dialog-title"))?.focus();
  // Else htmx gives it the focus once more when it settles: somebody may be in another field by then.
  first?.removeAttribute("autofocus");
});

// What was sent from a dialog is answered also where that was left meanwhile: htmx finds the places of an answer from where it was sent, so
// that stays in the page until then. It looks like nothing, and has no name that a dialog opened since may have.
const leftBehind = document.createElement("div");
leftBehind.hidden = true;
document.body.append(leftBehind);
const onTheWay = new Map();
document.addEventListener("htmx:beforeSend", ({ detail: { requestConfig: { elt, triggeringEvent, verb }, xhr } }) => {
  const isWhole = elt.matches("form") && !triggeringEvent?.submitter?.hasAttribute("formaction");
  if (verb === "post" && (dialog.contains(elt) || leftBehind.contains(elt))) onTheWay.set(xhr, { elt, isWhole });
});
const setAside = () => {
  const isAwaited = [...onTheWay.values()].some(({ elt }) => dialog.contains(elt));
  const content = [...dialog.childNodes].filter((node) => node !== notice);
  dialog.replaceChildren();
  if (!isAwaited) return;
  leftBehind.append(...content);
  leftBehind.querySelectorAll("[id], [data-keep]").forEach((element) => {
    element.removeAttribute("id");
    element.removeAttribute("data-keep");
  });
};
document.addEventListener("htmx:beforeSwap", ({ detail, detail: { requestConfig: { elt }, target, xhr } }) => {
  if (!detail.shouldSwap || !leftBehind.contains(elt)) return;
  const isDone = xhr.status !== 422;
  // What is shown once and never again, as a link is, takes the dialog, unless somebody types in another one by now. A form never does: it
  // would stand where another one is looked for.
  const isSeen = target === dialog ? isDone && !typed : !leftBehind.contains(target) && !dialog.contains(target);
  if (isSeen) return;
  detail.shouldSwap = false;
  const outcome = isDone ? "was done; open it again to see what came of it." : "was not done: something in it was wrong.";
  // Said once this answer has taken away what was said before.
  setTimeout(say, 0, `What was sent from the dialog before ${outcome}`);
});
document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
  const sent = onTheWay.get(xhr);
  onTheWay.delete(xhr);
  // Where the page goes to another one, what it left is where to come back to.
  if (!sent || xhr.getResponseHeader("HX-Redirect") || pressedAgain.has(sent.elt)) return;
  // That it did not arrive is told a moment later, from where it was sent.
  setTimeout(() => { if (![...onTheWay.values()].some(({ elt }) => leftBehind.contains(elt))) leftBehind.replaceChildren(); });
});

// What is done from a dialog to the page behind it shows there.
document.addEventListener("htmx:beforeSwap", ({ detail: { requestConfig, shouldSwap, target } }) => {
  if (shouldSwap && dialog.contains(requestConfig.elt) && !dialog.contains(target)) dialog.close();
});

// The focus returns to what opened the dialog, or to what a look at the server has put in its place; else to what is nearest to it.
const focusable = "a[href], button:enabled";
let opener = null;
let places = [];
const remember = (element) => {
  [opener, places] = [element, []];
  for (let place = element; place; place = place.parentElement) if (place.id) places.push(place.id);
};
const giveFocusBack = () => {
  const found = places.map((id) => document.getElementById(id)).filter(Boolean);
  // A list that the row has left names what stands for it.
  const near = (place) => (place.matches(focusable) ? place : document.getElementById(place.dataset.else) || place.querySelector(focusable));
  const nearest = found.map(near).find(Boolean);
  (opener?.isConnected ? opener : nearest)?.focus();
};

// Menus: the arrows go through the entries, Tab goes on in the page.
const entries = () => [...dialog.querySelectorAll('[id$="-actions"] .action:not(:disabled)')];
document.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" && !event.repeat && event.target.matches("[data-menu]")) {
    event.preventDefault();
    event.target.click();
  }
  const all = entries();
  if (!dialog.contains(event.target) || !all.length) return;
  const at = all.indexOf(event.target);
  const to = { ArrowDown: at + 1, ArrowUp: at < 1 ? -1 : at - 1, Home: 0, End: -1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    all.at(to % all.length).focus();
  } else if (event.key === "Tab") {
    dialog.close();
    giveFocusBack();
  }
});

// What is wrong comes into sight. Only now has what was swapped in its own classes: until it settles htmx leaves it those of its predecessors.
const WRONG = ".is-invalid, :has(+ .invalid-feedback), #server-form > .alert, #connection .verdicts, #migration-progress > .alert";
document.addEventListener("htmx:afterSettle", ({ target, detail: { xhr } }) => {
  const wrong = (target.closest("form, dialog") || xhr?.status === 422) && target.querySelector(WRONG);
  if (!wrong) return;
  // A verdict leaves what is in hand where it is; where that went with the answer it is in hand itself.
  const isField = wrong.matches("input, select, textarea");
  if (!isField) wrong.tabIndex = -1;
  if (isField || document.activeElement === document.body) wrong.focus();
  wrong.scrollIntoView({ block: "center" });
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

// A form of the whole page has no dialog to fall into: the browser sends it itself.
document.addEventListener("htmx:beforeRequest", (event) => {
  const element = event.detail.elt;
  if (event.detail.target === dialog && element.tagName === "FORM" && element.closest("#new-migration") && !dialog.contains(element)) {
    event.preventDefault();
    saved();
    element.submit();
  }
});

// What was typed is lost with the dialog: whichever way it is left, that is asked first. `typed` is the form it was typed into.
let typed = null;
let goOn = null;
let pressed = false;
let released = false;
const isBeside = ({ target, clientX: x, clientY: y }) => {
  const box = dialog.getBoundingClientRect();
  return target === dialog && (x < box.left || x > box.right || y < box.top || y > box.bottom);
};
// What is being saved is lost only where that does not work.
const isOnItsWay = () => [...onTheWay.values()].some(({ elt, isWhole }) => isWhole && (elt === typed || !typed.isConnected));
const askFirst = () => {
  const isBeingSaved = Boolean(typed) && isOnItsWay();
  leaving.querySelectorAll("[data-being-saved]").forEach((said) => { said.hidden = (said.dataset.beingSaved === "yes") !== isBeingSaved; });
  leaving.showModal();
};
const leave = () => {
  if (!typed) dialog.close();
  else if (!leaving.open) askFirst();
};
leaving.addEventListener("close", () => {
  if (leaving.returnValue === "leave" && goOn) {
    typed = null;
    goOn();
  } else if (leaving.returnValue === "leave") dialog.close();
  leaving.returnValue = "";
  goOn = null;
});
// Another form of the dialog, which the browser sends itself, takes the page along.
dialog.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !typed || form === typed || form.method !== "post") return;
  event.preventDefault();
  goOn = () => form.requestSubmit(submitter);
  askFirst();
});

dialog.addEventListener("input", ({ target: { form } }) => {
  if (form?.method !== "post") return;
  typed ||= form;
  onTheWay.forEach((sent) => { sent.isWhole = false; });
});
// A press within a field that ends beside the dialog selects text; its click belongs to the dialog all the same.
dialog.addEventListener("pointerdown", (event) => { pressed = isBeside(event); });
dialog.addEventListener("pointerup", (event) => { released = isBeside(event); });
dialog.addEventListener("click", (event) => {
  if (pressed && released && isBeside(event)) leave();
});
// What closes it on a telephone; a browser lets "cancel" be prevented once only, the key itself each time.
dialog.addEventListener("cancel", (event) => {
  if (event.target !== dialog || !typed) return;
  event.preventDefault();
  leave();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !dialog.open || leaving.open || !typed) return;
  event.preventDefault();
  leave();
});
dialog.addEventListener("close", (event) => {
  if (event.target !== dialog) return;
  if (document.activeElement === document.body || dialog.contains(document.activeElement)) giveFocusBack();
  typed = null;
  setAside();
});

// What is left alone within a dialog closes it; without one the link goes back to the list.
document.addEventListener("click", (event) => {
  if (!event.target.closest("#dialog [data-leave]")) return;
  event.preventDefault();
  leave();
});
