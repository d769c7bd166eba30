// The place in a list: where a dialog has changed something, the page that comes back shows the row it was opened from where it was, in hand.
// What the keyboard has pressed on the page itself stays in hand as well: the order of a list, its next page, an answer.
const ROW = "tr, li, [data-row]";

let isByKey = false;
document.addEventListener("click", ({ altKey, ctrlKey, detail, metaKey, shiftKey, target }) => {
  // What opens beside the page leaves it where it is.
  const isBeside = altKey || ctrlKey || metaKey || shiftKey;
  const pressed = target.closest(":is(a[href], [type=submit])[id]");
  const isByHtmx = pressed?.matches("[hx-get]") || pressed?.form?.matches("[hx-post]");
  isByKey = Boolean(pressed) && !isByHtmx && !isBeside && !detail && !dialog.open;
  if (isByKey) remember(pressed);
});

// What to look for: what was pressed, else its row; where that is gone, the rows beside it, else what stands for the list.
const placeInHand = () => {
  const found = places.map((id) => document.getElementById(id)).find(Boolean);
  const row = found?.closest(ROW);
  const beside = [row?.nextElementSibling, row?.previousElementSibling].map((other) => other?.querySelector(row.matches("[data-row]") ? "a[id]" : "[data-menu]")?.id);
  const standsFor = places.map((id) => document.getElementById(id)?.dataset.else).find(Boolean);
  const own = row?.id ? places.slice(0, places.indexOf(row.id) + 1) : places.filter((id) => document.getElementById(id)?.matches(focusable));
  return { path: location.pathname, ids: [...own, ...beside, standsFor].filter(Boolean), top: found?.getBoundingClientRect().top ?? 0 };
};
// Where what was done in a dialog leads.
let goesTo = null;
document.addEventListener("htmx:beforeOnLoad", ({ detail: { elt, xhr } }) => {
  const address = (dialog.contains(elt) || sent.isLeft(elt)) && xhr.getResponseHeader("HX-Redirect");
  if (address) goesTo = new URL(address, location.href).pathname;
});
window.addEventListener("pagehide", () => {
  if (!(dialog.open || sent.isAnythingLeft() ? opener : isByKey)) return;
  try { sessionStorage.setItem("place", JSON.stringify({ ...placeInHand(), goesTo })); } catch { /* Private windows may refuse; the page then begins at its top. */ }
});

const comeBackTo = ({ ids, top }) => {
  const found = ids.map((id) => document.getElementById(id)).filter(Boolean);
  const inHand = found.map((place) => (place.matches(focusable) ? place : place.querySelector(focusable))).find(Boolean);
  const heading = document.querySelector("#main h1");
  if (!inHand && heading) heading.tabIndex = -1;
  (inHand || heading)?.focus({ preventScroll: true });
  if (!inHand) return;
  // The answer stands at the top of the page: what is in hand is not under it.
  const told = document.getElementById("told");
  const height = told.offsetHeight;
  const at = inHand.getBoundingClientRect();
  const lowest = window.innerHeight - at.height - 24;
  window.scrollBy({ top: at.top - Math.max(Math.min(top, lowest), height + 24), behavior: "instant" });
  keepInSight();
};
// Until somebody goes on. Marked around it: what htmx swaps in is given its own attributes a moment later.
const keepInSight = () => {
  const main = document.getElementById("main");
  main.classList.add("keeps-told");
  const goOn = () => main.classList.remove("keeps-told");
  ["wheel", "touchmove", "pointerdown", "keydown"].forEach((name) => window.addEventListener(name, goOn, { once: true, passive: true }));
};
document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
  if (target.id === "told") keepInSight();
});
// Taken by early.js.
const place = window.streamferryPlace;
if (place?.path === location.pathname) {
  // Where a browser goes to a place in the page by itself, it lets go of what is in hand.
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
  comeBackTo(place);
} else if (place?.goesTo === location.pathname && !document.querySelector("#main [autofocus]")) comeBackTo({ ids: [] });
