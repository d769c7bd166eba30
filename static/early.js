// Until htmx is there the browser itself would send its forms, and the page that comes back never holds the key that was typed; links
// would leave the page, and a choice would come to nothing. What a person does so early waits for htmx.
(function () {
  const ours = ":is([hx-get], [hx-post])";
  // What the page before has kept for this one is taken at once: whoever goes on before place.js is there takes nothing along.
  try {
    window.streamferryPlace = JSON.parse(sessionStorage.getItem("place"));
    sessionStorage.removeItem("place");
  } catch { /* Nothing was kept. */ }
  const waiting = new Map();
  let isReady = false;
  const hold = (event, element, again) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    waiting.set(element, again);
  };
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (isReady || !(form.matches(ours) || submitter?.matches(ours))) return;
    hold(event, form, () => (submitter ? submitter.click() : form.requestSubmit()));
  }, true);
  document.addEventListener("click", (event) => {
    const link = event.target.closest(`a${ours}`);
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!isReady && link && !elsewhere) hold(event, link, () => link.click());
  }, true);
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (!isReady && field.closest("[hx-trigger*=change]")) {
      hold(event, field, () => field.dispatchEvent(new Event("change", { bubbles: true })));
    }
  }, true);
  document.addEventListener("DOMContentLoaded", () => setTimeout(() => {
    isReady = true;
    // Where htmx did not come the page has to work as without JavaScript.
    if (!window.htmx) document.documentElement.classList.remove("js");
    waiting.forEach((again) => again());
  }));
  // What an answer brings works at once: htmx gets to it only when it settles, and until then the browser would send its forms as well.
  document.addEventListener("htmx:afterSwap", ({ target }) => window.htmx.process(target));
})();
