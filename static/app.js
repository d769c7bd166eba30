// Notices, looks at the server, the theme button and copying: what HTML and htmx do not do by themselves. The dialog is dialog.js, what is
// chosen in the rows of a list choices.js.
const notice = document.getElementById("notice");

// Whether it is about what the page does by itself: that comes and goes, and never in the place of what somebody has to read.
let isByItself = true;
let sayings = 0;
const isSignedOut = () => notice.textContent.endsWith(SIGNED_OUT);
const say = (text, byItself = false, tone = "danger") => {
  if (byItself && !isByItself) return;
  isByItself = byItself || !text;
  if (text) sayings += 1;
  // What is said already is not read out again, and moves nothing.
  if (byItself && text && !notice.hidden && notice.textContent === text && (!dialog.open || dialog.contains(notice))) return;
  notice.textContent = text;
  notice.hidden = !text;
  notice.className = `alert alert-${tone}`;
  // What interrupts nobody is seen where they are, beside what is in hand.
  const isGentle = tone !== "danger";
  notice.classList.toggle("keeps-in-sight", isGentle || isSignedOut());
  // Above an open dialog nothing of the page is seen: the notice moves into it.
  if (text && dialog.open) {
    dialog.prepend(notice);
    if (!byItself && !isGentle) notice.scrollIntoView({ block: "nearest" });
  } else if (!document.getElementById("main").contains(notice)) document.getElementById("main").prepend(notice);
  if (text && isGentle) document.activeElement.scrollIntoView({ block: "nearest" });
};

// What was said a moment before a dialog opened is not left behind it.
document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  if (target === dialog && !notice.hidden && !isByItself) dialog.prepend(notice);
});

// What somebody has sent may have been done all the same.
const notDone = (verb) => (verb === "get" ? ". Try again." : ": what you did may not have arrived. Look whether it was done, else try again.");
// Nobody waits for the look after the workers, and nobody is disturbed in a dialog by what the page behind it asks by itself.
const isQuiet = (elt, { triggeringEvent }) => !triggeringEvent && (elt.id === "workers" || dialog.open);
document.addEventListener("htmx:responseError", ({ detail: { elt, requestConfig, xhr } }) => {
  // A look that came with the token of an older session has got the new one, and comes again.
  if (isQuiet(elt, requestConfig) || (!requestConfig.triggeringEvent && isStale(xhr))) return;
  const isText = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
  const sentence = isText && xhr.responseText ? xhr.responseText : `The panel could not answer${notDone(requestConfig.verb)}`;
  say(sentence, !requestConfig.triggeringEvent);
});
// What the page fetches by itself and what was chosen in a list is sent again; what somebody has pressed is sent once, and may have arrived.
document.addEventListener("htmx:sendError", ({ detail: { elt, requestConfig, requestConfig: { triggeringEvent, verb } } }) => {
  if (isQuiet(elt, requestConfig)) return;
  const isSentAgain = !triggeringEvent || elt.matches("[data-late]");
  if (isSentAgain) say("The panel cannot be reached; trying again. Migrations go on without this page.", true);
  else say(`The panel could not be reached${notDone(verb)}`);
});
// An answer takes away what was said before it was asked for.
const saidBefore = new WeakMap();
document.addEventListener("htmx:beforeSend", ({ detail: { xhr } }) => saidBefore.set(xhr, sayings));
document.addEventListener("htmx:afterRequest", ({ detail: { requestConfig, successful, xhr } }) => {
  // Whoever gets an answer is signed in, whatever has asked for it.
  const isOver = Boolean(requestConfig.triggeringEvent) || isSignedOut();
  const isNews = saidBefore.get(xhr) !== sayings;
  if (successful && !isNews && !notice.hidden && !xhr.getResponseHeader("HX-Redirect")) say("", !isOver);
});

// What was done is told until something else is done; what goes on in the background, until its part of the page no longer waits for it.
const LOOKS = '[hx-trigger^="every"]';
document.addEventListener("htmx:beforeSwap", ({ detail: { requestConfig, shouldSwap, target } }) => {
  if (shouldSwap && requestConfig.triggeringEvent && !dialog.contains(target)) document.getElementById("told").replaceChildren();
});
document.addEventListener("htmx:afterSwap", ({ detail: { requestConfig, target } }) => {
  const isOver = requestConfig && target.matches(LOOKS) && !document.getElementById(target.id)?.matches(LOOKS);
  if (isOver) document.querySelectorAll("#told > .alert-info").forEach((alert) => alert.remove());
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

// What was found out about an address or a key says nothing about another one, nor does what is being found out.
document.addEventListener("input", ({ target }) => {
  if (!target.matches("#server-form :is([name=url], [name=token], [name=plex_account])")) return;
  sent.giveUpLooks(document);
  document.getElementById("connection").replaceChildren();
});

// A button that is switched off until its answer is there loses the focus; it gets it back, unless the answer has put it elsewhere.
const pressedFor = new WeakMap();
document.addEventListener("htmx:beforeRequest", ({ detail: { requestConfig, xhr } }) => {
  if (requestConfig.triggeringEvent) pressedFor.set(xhr, document.activeElement);
});
document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
  const held = pressedFor.get(xhr);
  if (held?.isConnected && document.activeElement === document.body) held.focus({ preventScroll: true });
});

// Where what was in hand goes with an answer, the focus stays with it: at what stands for its part of the page, else at the heading of that
// part or of the page.
let inHand = [];
const takeInHand = (target) => {
  if (!target.contains(document.activeElement) || dialog.contains(target)) return;
  for (let place = document.activeElement; place; place = place.parentElement) if (place.id) inHand.push(place.id);
};
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  inHand = [];
  takeInHand(target);
});
document.addEventListener("htmx:oobBeforeSwap", ({ detail: { target } }) => takeInHand(target));
document.addEventListener("htmx:afterSettle", () => {
  const parts = document.activeElement === document.body && !dialog.open ? inHand.map((id) => document.getElementById(id)).filter(Boolean) : [];
  inHand = [];
  const near = parts.map((part) => document.getElementById(part.dataset.else) || part.querySelector("h1, h2")).find(Boolean);
  if (!near) return;
  if (!near.matches(focusable)) near.tabIndex = -1;
  near.focus({ preventScroll: true });
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
