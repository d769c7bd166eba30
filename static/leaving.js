// The question that is asked before what was typed is lost.
const leaving = document.getElementById("leaving");
let goOn = null;
let isAboutSaving = false;
const isBeingSaved = () => Boolean(typed.inDialog) && sent.isSaving(typed.inDialog);
const askFirst = (leave) => {
  goOn = leave;
  isAboutSaving = isBeingSaved();
  leaving.querySelectorAll("[data-being-saved]").forEach((said) => {
    said.hidden = (said.dataset.beingSaved === "yes") !== isAboutSaving;
  });
  leaving.showModal();
};
leaving.addEventListener("close", () => {
  if (leaving.returnValue === "leave") goOn();
  leaving.returnValue = "";
});
// Once that was answered it is looked at: in the form stands what is wrong.
document.addEventListener("htmx:afterRequest", () => {
  if (!leaving.open || !isAboutSaving || isBeingSaved()) return;
  leaving.close("");
  // Else a browser takes what it has closed for what is in hand, a while longer.
  document.activeElement.blur();
});

// What was typed into a form of the page is lost with the page: a link asks first, and for all other ways the browser does.
const leadsAway = (link) => {
  const { origin, pathname, search, hash } = link;
  const isElsewhere = pathname !== location.pathname || search !== location.search || !hash;
  return origin === location.origin && isElsewhere && !link.target && !link.matches("[hx-get], [download]");
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const inNewWindow = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!typed.onPage || !link || inNewWindow || dialog.contains(link) || !leadsAway(link)) return;
  event.preventDefault();
  event.stopPropagation();
  askFirst(() => {
    typed.onPage = null;
    location.assign(link.href);
  });
}, true);
