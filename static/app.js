// Dialogs, notices, the theme button and copying: what HTML and htmx do not do by themselves.
const dialog = document.getElementById("dialog");
const notice = document.getElementById("notice");

const say = (text) => {
  notice.textContent = text;
  notice.hidden = !text;
  // Above an open dialog nothing of the page is seen: the notice moves into it.
  if (text && dialog.open) dialog.prepend(notice);
  else if (!document.getElementById("main").contains(notice)) document.getElementById("main").prepend(notice);
};

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "preflight" && dialog.open) event.target.scrollIntoView({ block: "start", behavior: "smooth" });
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== dialog) return;
  // What comes back from sending a form still holds what was typed; a page that was fetched holds nothing yet.
  if (event.detail.requestConfig?.verb === "get") typed = false;
  if (!dialog.open) dialog.showModal();
  (dialog.querySelector(".alert") || dialog).scrollIntoView({ block: "nearest" });
  (dialog.querySelector("[autofocus]") || document.getElementById("dialog-title"))?.focus();
});

// Only now has what was swapped in its own classes: until it settles htmx leaves it those of its predecessors.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target !== dialog) return;
  const wrong = dialog.querySelector(".is-invalid");
  wrong?.focus();
  wrong?.scrollIntoView({ block: "center" });
});

// A form of the whole page has no dialog to fall into: the browser sends it itself.
document.addEventListener("htmx:beforeRequest", (event) => {
  const element = event.detail.elt;
  if (event.detail.target === dialog && element.tagName === "FORM" && element.closest("#new-migration") && !dialog.contains(element)) {
    event.preventDefault();
    element.submit();
  }
});

// What was typed is lost with the dialog: then a click beside it does nothing, and Escape asks first.
let typed = false;
let pressed = false;
let released = false;
const isBeside = ({ target, clientX: x, clientY: y }) => {
  const box = dialog.getBoundingClientRect();
  return target === dialog && (x < box.left || x > box.right || y < box.top || y > box.bottom);
};
const mayClose = () => !typed || window.confirm("Close this? What you have typed is lost.");

dialog.addEventListener("input", (event) => { typed ||= event.target.form?.method === "post"; });
// A press within a field that ends beside the dialog selects text; its click belongs to the dialog all the same.
dialog.addEventListener("pointerdown", (event) => { pressed = isBeside(event); });
dialog.addEventListener("pointerup", (event) => { released = isBeside(event); });
dialog.addEventListener("click", (event) => {
  if (pressed && released && isBeside(event) && !typed) dialog.close();
});
dialog.addEventListener("cancel", (event) => {
  if (event.target === dialog && !mayClose()) event.preventDefault();
});
// A browser lets "cancel" be prevented once only; the key itself can be each time.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !dialog.open || !typed) return;
  event.preventDefault();
  if (mayClose()) dialog.close();
});
dialog.addEventListener("close", () => {
  say("");
  typed = false;
  dialog.replaceChildren();
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const isText = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
  say(isText && xhr.responseText ? xhr.responseText : "The panel could not answer. Reload the page, then try again.");
});
document.addEventListener("htmx:sendError", () => say("The panel cannot be reached; trying again. Migrations go on without this page."));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && !notice.hidden) say("");
});

// What a page fetches by itself makes way for people: it swaps nothing under a press, which would come to nothing, nor what an answer they
// wait for will replace or has replaced. The next look brings it.
const awaited = new Set();
let isPressed = false;
document.addEventListener("pointerdown", () => { isPressed = true; });
["pointerup", "pointercancel"].forEach((ended) => document.addEventListener(ended, () => setTimeout(() => { isPressed = false; })));
document.addEventListener("pointermove", (event) => { isPressed &&= event.buttons > 0; });
const makeWay = ({ currentTarget: target, detail }) => {
  const isOurs = !detail.requestConfig.triggeringEvent;
  if (isOurs && (isPressed || awaited.has(target) || !target.isConnected)) detail.shouldSwap = false;
};
document.addEventListener("htmx:beforeRequest", ({ detail: { requestConfig, target } }) => {
  if (requestConfig.triggeringEvent) awaited.add(target);
  // An element that is no longer in the page tells nobody but itself.
  else target.addEventListener("htmx:beforeSwap", makeWay);
});
document.addEventListener("htmx:afterRequest", ({ detail: { requestConfig, target } }) => {
  if (requestConfig?.triggeringEvent) awaited.delete(target);
});

// What is left alone within a dialog closes it; without one the link goes back to the list.
document.addEventListener("click", (event) => {
  if (!event.target.closest("#dialog [data-leave]")) return;
  event.preventDefault();
  dialog.close();
});

// On a telephone the screens of a section scroll sideways: the one that is open has to be in sight.
document.querySelectorAll(".main-nav .active, .sub-nav .active").forEach((here) => {
  const strip = here.closest("ul");
  strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy");
  }
  button.textContent = "Copied";
});

const themes = { auto: "auto", light: "light", dark: "dark" };
const button = document.getElementById("theme");
const label = () => {
  button.textContent = `Theme: ${themes[window.streamferryTheme.chosen()] || themes.auto}`;
  button.setAttribute("aria-label", `${button.textContent}. Change the theme`);
};
button.addEventListener("click", () => {
  const names = Object.keys(themes);
  const next = names[(names.indexOf(window.streamferryTheme.chosen()) + 1) % names.length];
  try { localStorage.setItem("theme", next); } catch { /* Private windows may refuse; the choice then lasts for nothing. */ }
  window.streamferryTheme.apply();
  label();
});
label();

// One box ticks all boxes of its list.
document.addEventListener("change", (event) => {
  const { ticks } = event.target.dataset;
  if (ticks) document.querySelectorAll(`input[name="${ticks}"]:enabled`).forEach((box) => { box.checked = event.target.checked; });
});

// The HTML of a notification follows what is typed. A fresh frame each time, so that "Back" does not go through all of them.
document.addEventListener("htmx:afterSwap", (event) => {
  const show = document.getElementById("show-html");
  if (event.target.id !== "preview" || !show) return;
  const frame = document.querySelector(`iframe[name="${show.formTarget}"]`);
  const fresh = frame.cloneNode();
  fresh.removeAttribute("src");
  frame.replaceWith(fresh);
  show.form.requestSubmit(show);
});
