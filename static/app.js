// Notices, looks at the server, the theme button and copying: what HTML and htmx do not do by themselves. The dialog is dialog.js.
const notice = document.getElementById("notice");

const say = (text) => {
  notice.textContent = text;
  notice.hidden = !text;
  // Above an open dialog nothing of the page is seen: the notice moves into it.
  if (text && dialog.open) dialog.prepend(notice);
  else if (!document.getElementById("main").contains(notice)) document.getElementById("main").prepend(notice);
};

dialog.addEventListener("close", () => say(""));

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

// Where what was in hand goes with an answer, the focus stays with it: at the heading of its part of the page, else of the page.
let inHand = [];
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  inHand = [];
  if (!target.contains(document.activeElement) || dialog.contains(target)) return;
  for (let place = document.activeElement; place; place = place.parentElement) if (place.id) inHand.push(place.id);
});
document.addEventListener("htmx:afterSettle", () => {
  const parts = document.activeElement === document.body && !dialog.open ? inHand.map((id) => document.getElementById(id)).filter(Boolean) : [];
  inHand = [];
  const heading = parts.map((part) => part.querySelector("h1, h2")).find(Boolean);
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
});

// What is saved a moment after it was chosen is not lost: it is sent when its field or the page is left, and an answer to the choice before
// does not take its place.
const unsaved = new Map();
document.addEventListener("change", ({ target: { form } }) => { if (form?.matches("[data-late]")) unsaved.set(form, "waits"); });
document.addEventListener("focusout", ({ target: { form } }) => {
  if (unsaved.get(form) === "waits") window.htmx.trigger(form, "submit");
});
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => { if (elt.matches("[data-late]")) unsaved.set(elt, "sent"); });
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (unsaved.get(detail.requestConfig.elt) === "waits") detail.shouldSwap = false;
});
document.addEventListener("htmx:afterRequest", ({ detail: { elt } }) => { if (unsaved.get(elt) === "sent") unsaved.delete(elt); });
window.addEventListener("pagehide", () => {
  const headers = { "HX-Request": "true" };
  unsaved.forEach((_, form) => fetch(form.action, { method: "POST", body: new FormData(form), keepalive: true, headers }));
  unsaved.clear();
});

// Addresses name what was chosen, and nothing that was left as it is.
document.addEventListener("formdata", ({ target, formData }) => {
  if (target.matches(".finder")) [...formData].forEach(([name, value]) => value || formData.delete(name));
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
