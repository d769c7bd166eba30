// The place in a list: where a dialog has changed something, the page that comes back shows the row it was opened from where it was, in hand.
const PLACE = "place";

// What to look for: what opened the dialog, else its row; where that is gone, the rows beside it.
const placeInHand = () => {
  const found = places.map((id) => document.getElementById(id)).find(Boolean);
  const row = found?.closest("tr, li");
  const beside = [row?.nextElementSibling, row?.previousElementSibling].map((other) => other?.querySelector("[data-menu]")?.id);
  const own = row?.id ? places.slice(0, places.indexOf(row.id) + 1) : places.filter((id) => document.getElementById(id)?.matches(focusable));
  return { path: location.pathname, ids: [...own, ...beside].filter(Boolean), top: found?.getBoundingClientRect().top ?? 0 };
};
window.addEventListener("pagehide", () => {
  if (!dialog.open || !opener) return;
  try { sessionStorage.setItem(PLACE, JSON.stringify(placeInHand())); } catch { /* Private windows may refuse; the page then begins at its top. */ }
});

const comeBackTo = ({ ids, top }) => {
  const found = ids.map((id) => document.getElementById(id)).filter(Boolean);
  const inHand = found.map((place) => (place.matches(focusable) ? place : place.querySelector(focusable))).find(Boolean);
  const heading = document.querySelector("#main h1");
  if (!inHand && heading) heading.tabIndex = -1;
  (inHand || heading)?.focus({ preventScroll: true });
  if (!inHand) return;
  // The answer stands at the top of the page: until somebody goes on it is kept in sight, and what is in hand is not under it.
  const told = document.getElementById("told");
  const height = told.offsetHeight;
  window.scrollBy({ top: inHand.getBoundingClientRect().top - Math.max(top, height + 24), behavior: "instant" });
  told.classList.add("is-kept");
  const goOn = () => told.classList.remove("is-kept");
  ["wheel", "touchmove", "pointerdown", "keydown"].forEach((name) => window.addEventListener(name, goOn, { once: true, passive: true }));
};
try {
  const place = JSON.parse(sessionStorage.getItem(PLACE));
  sessionStorage.removeItem(PLACE);
  if (place?.path === location.pathname) {
    // Where a browser goes to a place in the page by itself, it lets go of what is in hand.
    if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
    comeBackTo(place);
  }
} catch { /* Nothing was kept. */ }
