// What was sent from a dialog and is not answered yet. It is answered also where the dialog was left meanwhile, or shows something else:
// htmx finds the places of an answer from where it was sent, so that stays in the page until then. It looks like nothing, and has no name
// that a dialog opened since may have.
const LEFT_ONE = "What was sent from the dialog before";
const sent = (() => {
  const leftBehind = document.createElement("div");
  leftBehind.hidden = true;
  document.body.append(leftBehind);
  const onTheWay = new Map();
  // Nobody needs to know what came of a look, as a test of what was typed is: of the dialog and of the page.
  const looks = new Map();
  // What the dialog is to show next: what was pressed last, unless something else takes the dialog before.
  let fetched = null;
  let fetchedFrom = null;

  const isLeft = (node) => leftBehind.contains(node);
  const isOfDialog = (node) => dialog.contains(node) || isLeft(node);
  const isAwaitedIn = (place, answered) => [...onTheWay].some(([xhr, { elt }]) => xhr !== answered && place.contains(elt));
  const forget = (xhr) => {
    // That it did not arrive is told a moment later, from where it was sent.
    if (onTheWay.delete(xhr)) setTimeout(() => { if (!isAwaitedIn(leftBehind)) leftBehind.replaceChildren(); });
  };
  const giveUpFetched = () => {
    // What was pressed twice is sent once more when it is given up.
    while (fetched) {
      const xhr = fetched;
      fetched = null;
      xhr.abort();
    }
  };
  const giveUpLooks = (place) => looks.forEach((elt, xhr) => { if (place.contains(elt)) xhr.abort(); });
  const setAside = () => {
    leftBehind.append(...[...dialog.childNodes].filter((node) => node !== notice));
    leftBehind.querySelectorAll("[id], [data-keep]").forEach((element) => {
      element.removeAttribute("id");
      element.removeAttribute("data-keep");
    });
  };

  document.addEventListener("htmx:beforeSend", ({ detail: { requestConfig: { elt, triggeringEvent, verb }, target, xhr } }) => {
    const isWhole = elt.matches("form") && !triggeringEvent?.submitter?.hasAttribute("formaction");
    if (verb === "post" && isOfDialog(elt)) onTheWay.set(xhr, { elt, isWhole });
    if (elt.matches("#server-form [value=test]")) looks.set(xhr, elt);
    if (verb !== "get" || target !== dialog) return;
    giveUpFetched();
    [fetched, fetchedFrom] = [xhr, elt];
  });
  // What is shown once and never again, as a link is, takes the dialog, unless somebody types in another one by now. A form never does: it
  // would stand where another one is looked for.
  const isSeen = (target, status) => (target === dialog ? status !== 422 && !typed.inDialog : !isLeft(target) && !dialog.contains(target));
  document.addEventListener("htmx:beforeSwap", ({ detail, detail: { requestConfig: { elt }, target, xhr } }) => {
    if (!detail.shouldSwap) return;
    if (isLeft(elt) && !isSeen(target, xhr.status)) {
      detail.shouldSwap = false;
      const isRefused = xhr.status === 422;
      const outcome = isRefused ? "was not done: something in it was wrong." : "was answered; open it again to see whether it was done.";
      say(`${LEFT_ONE} ${outcome}`);
    } else if (target === dialog) {
      // What was pressed twice behind it has opened it already.
      if (dialog.open && !dialog.contains(elt) && !isLeft(elt)) detail.shouldSwap = false;
      else makeRoom(xhr);
    }
  });
  const makeRoom = (xhr) => {
    if (xhr !== fetched) giveUpFetched();
    giveUpLooks(dialog);
    if (isAwaitedIn(dialog, xhr)) setAside();
  };
  document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    if (xhr === fetched) fetched = null;
    looks.delete(xhr);
    // Where the page goes to another one, what it left is where to come back to.
    if (xhr.getResponseHeader("HX-Redirect")) onTheWay.delete(xhr);
    else forget(xhr);
  });

  return {
    forget,
    giveUpLooks,
    isLeft,
    isAnythingLeft: () => leftBehind.hasChildNodes(),
    // What is being saved is lost only where that does not work.
    isSaving: (form) => [...onTheWay.values()].some(({ elt, isWhole }) => isWhole && (elt === form || !form.isConnected)),
    // What was typed since is in none of it.
    changed: () => onTheWay.forEach((entry) => { entry.isWhole = false; }),
    leave: () => {
      // What was pressed on the page since it was left is to open: that it was closed is heard a moment later.
      if (fetched && isOfDialog(fetchedFrom)) giveUpFetched();
      giveUpLooks(dialog);
      if (isAwaitedIn(dialog)) setAside();
      else dialog.replaceChildren();
    },
  };
})();
