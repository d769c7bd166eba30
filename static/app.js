// Notices, looks at the server, the theme button and copying: what HTML and htmx do not do by themselves. The dialog is dialog.js.
const notice = document.getElementById("notice");

// Whether it is about what the page does by itself: that comes and goes, and never in the place of what somebody has to read.
let isByItself = true;
const say = (text, byItself = false) => {
  if (byItself && !isByItself) return;
  isByItself = byItself || !text;
  // What is said already is not read out again, and moves nothing.
  if (byItself && text && !notice.hidden && notice.textContent === text && (!dialog.open || dialog.contains(notice))) return;
  notice.textContent = text;
  notice.hidden = !text;
  notice.classList.toggle("keeps-in-sight", text === SIGNED_OUT);
  // Above an open dialog nothing of the page is seen: the notice moves into it.
  if (text && dialog.open) {
    dialog.prepend(notice);
    if (!byItself) notice.scrollIntoView({ block: "nearest" });
  } else if (!document.getElementById("main").contains(notice)) document.getElementById("main").prepend(notice);
};

dialog.addEventListener("close", () => say(""));

// Nobody waits for the look after the workers, and nobody is disturbed in a dialog by what the page behind it asks by itself.
const isQuiet = (elt, { triggeringEvent }) => !triggeringEvent && (elt.id === "workers" || dialog.open);
document.addEventListener("htmx:responseError", ({ detail: { elt, requestConfig, xhr } }) => {
  if (isQuiet(elt, requestConfig)) return;
  const isText = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
  const sentence = isText && xhr.responseText ? xhr.responseText : "The panel could not answer. Reload the page, then try again.";
  say(sentence, !requestConfig.triggeringEvent);
});
// What the page fetches by itself and what was chosen in a list is sent again; what somebody has pressed is sent once, and may have arrived.
document.addEventListener("htmx:sendError", ({ detail: { elt, requestConfig, requestConfig: { triggeringEvent, verb } } }) => {
  if (isQuiet(elt, requestConfig)) return;
  const isSentAgain = !triggeringEvent || elt.matches("[data-late]");
  if (isSentAgain) say("The panel cannot be reached; trying again. Migrations go on without this page.", true);
  else if (verb === "get") say("The panel could not be reached. Try again.");
  else say("The panel could not be reached: what you did may not have arrived. Look whether it was done, else try again.");
});
document.addEventListener("htmx:afterRequest", ({ detail: { requestConfig, successful, xhr } }) => {
  if (successful && !notice.hidden && !xhr.getResponseHeader("HX-Redirect")) say("", !requestConfig.triggeringEvent);
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

// A button that is switched off until its answer is there loses the focus; it gets it back, unless the answer has put it elsewhere.
const pressedFor = new WeakMap();
document.addEventListener("htmx:beforeRequest", ({ detail: { requestConfig, xhr } }) => {
  if (requestConfig.triggeringEvent) pressedFor.set(xhr, document.activeElement);
});
document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
  const held = pressedFor.get(xhr);
  if (held?.isConnected && document.activeElement === document.body) held.focus({ preventScroll: true });
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
// does not take its place. By the address it is sent to: the choice that is made there next takes the place of the one that did not arrive.
const unsaved = new Map();
const choiceOf = (form) => [...unsaved.values()].find((choice) => choice.form === form);
document.addEventListener("change", ({ target: { form } }) => { if (form?.matches("[data-late]")) unsaved.set(form.action, { form, state: "waits" }); });
document.addEventListener("focusout", ({ target: { form } }) => {
  if (choiceOf(form)?.state === "waits") window.htmx.trigger(form, "submit");
});
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.matches("[data-late]")) unsaved.set(elt.action, Object.assign(choiceOf(elt) ?? { form: elt }, { state: "sent" }));
});
document.addEventListener("htmx:beforeSwap", ({ detail: { requestConfig, target }, detail }) => {
  if (choiceOf(requestConfig.elt)?.state === "waits") detail.shouldSwap = false;
  // So does another button of the same row.
  else if (detail.shouldSwap && requestConfig.verb === "post") unsaved.forEach(({ form }, address) => { if (target.contains(form)) unsaved.delete(address); });
});
document.addEventListener("htmx:afterRequest", ({ detail: { elt, successful } }) => {
  if (successful && choiceOf(elt)?.state === "sent") unsaved.delete(elt.action);
});
const sendBehind = (form) => fetch(form.action, { method: "POST", body: new FormData(form), keepalive: true, headers: { "HX-Request": "true" } });
window.addEventListener("pagehide", () => {
  unsaved.forEach(({ form }) => sendBehind(form));
  unsaved.clear();
});

// Until it is saved its field says that it is not. What did not arrive is sent again, also where a fresh list has taken the field away.
const AGAIN_AFTER_MS = 3000;
const markUnsaved = (form, sentence) => {
  const field = form.querySelector("select");
  field.classList.remove("is-valid");
  field.classList.add("is-invalid");
  field.setAttribute("aria-invalid", "true");
  const said = form.querySelector("[data-unsaved]") || field.insertAdjacentElement("afterend", document.createElement("span"));
  said.dataset.unsaved = "";
  said.className = "small text-danger-emphasis text-nowrap align-self-center";
  said.textContent = sentence;
};
const isStillUnsaved = (choice) => unsaved.get(choice.form.action) === choice && choice.state === "failed";
const sendAgain = (choice) => {
  if (!isStillUnsaved(choice)) return;
  if (choice.form.isConnected) window.htmx.trigger(choice.form, "submit");
  else sendBehind(choice.form).then((answer) => endBehind(choice, answer), () => setTimeout(sendAgain, AGAIN_AFTER_MS, choice));
};
// Its row may be there again by now, and shows then itself what comes of it.
const endBehind = async (choice, answer) => {
  const text = answer.ok ? "" : await answer.text();
  if (choice.form.isConnected || !isStillUnsaved(choice)) {
    sendAgain(choice);
    return;
  }
  unsaved.delete(choice.form.action);
  const name = choice.form.querySelector("select").getAttribute("aria-label");
  if (!answer.ok) say(`${name}: not saved. ${(answer.headers.get("Content-Type") || "").startsWith("text/plain") ? text : ""}`);
};
document.addEventListener("htmx:sendError", ({ detail: { elt } }) => {
  const choice = choiceOf(elt);
  if (choice?.state !== "sent") return;
  choice.state = "failed";
  markUnsaved(elt, "Not saved yet");
  setTimeout(sendAgain, AGAIN_AFTER_MS, choice);
});
document.addEventListener("htmx:responseError", ({ detail: { elt } }) => {
  if (choiceOf(elt)?.state !== "sent") return;
  unsaved.delete(elt.action);
  markUnsaved(elt, "Not saved");
});
// A fresh list has what is saved: what is not yet stands in it as it was chosen. Nobody hears what became of a request whose form is gone.
document.addEventListener("htmx:afterSettle", () => unsaved.forEach((choice, address) => {
  const form = !choice.form.isConnected && [...document.querySelectorAll("form[data-late]")].find(({ action }) => action === address);
  if (!form) return;
  form.querySelector("select").value = choice.form.querySelector("select").value;
  choice.form = form;
  if (choice.state === "failed") markUnsaved(form, "Not saved yet");
  else window.htmx.trigger(form, "submit");
}));

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
