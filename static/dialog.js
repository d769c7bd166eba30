// The dialog and the menus in it: how they open, where the focus goes, how they are left.
const dialog = document.getElementById("dialog");

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "preflight" && dialog.open) event.target.scrollIntoView({ block: "start", behavior: "smooth" });
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== dialog) return;
  // What comes back from sending a form still holds what was typed; a page that was fetched holds nothing yet.
  const { elt, verb } = event.detail.requestConfig ?? {};
  if (verb === "get") typed.inDialog = null;
  if (!dialog.open) {
    if (!sent.isLeft(elt)) remember(elt);
    dialog.showModal();
  }
  (dialog.querySelector(".alert") || dialog).scrollIntoView({ block: "nearest" });
  const first = dialog.querySelector("[autofocus]");
  (first || entries()[0] || document.getElementById("dialog-title"))?.focus();
  // Else htmx gives it the focus once more when it settles: somebody may be in another field by then.
  first?.removeAttribute("autofocus");
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

// A form of the whole page has no dialog to fall into: the browser sends it itself.
document.addEventListener("htmx:beforeRequest", (event) => {
  const element = event.detail.elt;
  if (event.detail.target === dialog && element.tagName === "FORM" && element.closest("#new-migration") && !dialog.contains(element)) {
    event.preventDefault();
    typed.onPage = null;
    element.submit();
  }
});

// Whichever way it is left, what was typed into it is asked about first.
const leave = () => {
  if (!typed.inDialog) dialog.close();
  else if (!leaving.open) askFirst(() => dialog.close());
};
// Another form of the dialog, which the browser sends itself, takes the page along.
dialog.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !typed.inDialog || form === typed.inDialog || form.method !== "post") return;
  event.preventDefault();
  askFirst(() => {
    typed.inDialog = null;
    form.requestSubmit(submitter);
  });
});

// A press within a field that ends beside the dialog selects text; its click belongs to the dialog all the same.
let pressed = false;
let released = false;
const isBeside = ({ target, clientX: x, clientY: y }) => {
  const box = dialog.getBoundingClientRect();
  return target === dialog && (x < box.left || x > box.right || y < box.top || y > box.bottom);
};
dialog.addEventListener("pointerdown", (event) => { pressed = isBeside(event); });
dialog.addEventListener("pointerup", (event) => { released = isBeside(event); });
dialog.addEventListener("click", (event) => {
  if (pressed && released && isBeside(event)) leave();
});
// What closes it on a telephone; a browser lets "cancel" be prevented once only, the key itself each time.
dialog.addEventListener("cancel", (event) => {
  if (event.target !== dialog || !typed.inDialog) return;
  event.preventDefault();
  leave();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !dialog.open || leaving.open || !typed.inDialog) return;
  event.preventDefault();
  leave();
});
dialog.addEventListener("close", (event) => {
  // It may be open again by the time it hears that it was closed.
  if (event.target !== dialog || dialog.open) return;
  if (document.activeElement === document.body || dialog.contains(document.activeElement)) giveFocusBack();
  typed.inDialog = null;
  sent.leave();
  say("");
});

// What is left alone within a dialog closes it; without one the link goes back to the list.
document.addEventListener("click", (event) => {
  if (!event.target.closest("#dialog [data-leave]")) return;
  event.preventDefault();
  leave();
});
