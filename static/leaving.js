// What was typed into a form of the page is lost with the page: a link asks first, and for all other ways the browser does.
let typedIn = document.querySelector('#main form[method="post"] .is-invalid')?.form ?? null;
let goal = "";
const saved = () => { typedIn = null; };

document.addEventListener("input", ({ target }) => {
  const { form } = target;
  if (form?.method === "post" && !dialog.contains(form) && !form.matches("[data-late], .bulk") && !target.matches("[data-passing]")) typedIn = form;
});
// A form that an answer has replaced is gone, what was typed into it is not.
document.addEventListener("submit", ({ defaultPrevented, submitter, target: form }) => {
  if (defaultPrevented || submitter?.formTarget) return;
  if (form === typed) typed = null;
  if (form === typedIn || !typedIn?.isConnected) saved();
});
// Where the session has ended the page leads to signing in, but not away from what was typed or chosen: that can be sent once somebody is
// signed in.
const SIGNED_OUT = "You are signed out. Sign in in another tab, then go on.";
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { requestConfig, xhr } = event.detail;
  const address = xhr.getResponseHeader("HX-Redirect");
  if (!address) return;
  const isSignedOut = new URL(address, location.href).pathname === leaving.dataset.signIn;
  if (isSignedOut && (typed || typedIn || unsaved.size)) {
    event.preventDefault();
    // What was chosen in a list asks again and again, by itself.
    say(SIGNED_OUT, !requestConfig.triggeringEvent || requestConfig.elt.matches("[data-late]"));
  } else if (!leftBehind.contains(requestConfig.elt)) {
    // What somebody types in another dialog by now is not what was saved: leaving that is asked about.
    saved();
    typed = null;
  }
});
// The forms of the page belong to the session before: they are sent for the one that has begun since.
const tokenOf = (xhr) => xhr?.getResponseHeader("X-CSRFToken");
const isStale = (xhr) => xhr?.status === 400 && Boolean(tokenOf(xhr));
document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
  const token = tokenOf(xhr);
  if (token) document.querySelectorAll("input[name=csrf_token]").forEach((field) => { field.value = token; });
});
// What was refused for its token alone has done nothing: it is pressed once more with the one that came along, and only once. What was
// chosen in a list is sent again by choices.js.
const pressedAgain = new WeakSet();
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, requestConfig: { triggeringEvent }, xhr } = event.detail;
  const isFirst = isStale(xhr) && !pressedAgain.has(elt);
  pressedAgain.delete(elt);
  if (!isFirst || !["click", "submit", "input"].includes(triggeringEvent?.type) || elt.matches("[data-late]")) return;
  event.preventDefault();
  pressedAgain.add(elt);
  const { submitter } = triggeringEvent;
  setTimeout(() => {
    if (!elt.isConnected || leftBehind.contains(elt)) say(xhr.responseText);
    else if (submitter) submitter.click();
    else if (triggeringEvent.type === "input") window.htmx.trigger(elt, "input");
    else if (elt.matches("form")) elt.requestSubmit();
    else elt.click();
  });
});

const leadsAway = (link) => {
  const { origin, pathname, search, hash } = link;
  const isElsewhere = pathname !== location.pathname || search !== location.search || !hash;
  return origin === location.origin && isElsewhere && !link.target && !link.matches("[hx-get], [download]");
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const inNewWindow = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!typedIn || !link || inNewWindow || dialog.contains(link) || !leadsAway(link)) return;
  event.preventDefault();
  event.stopPropagation();
  goal = link.href;
  askFirst();
}, true);
leaving.addEventListener("close", () => {
  if (goal && leaving.returnValue === "leave") {
    saved();
    location.assign(goal);
  }
  goal = "";
}, true);
window.addEventListener("beforeunload", (event) => { if (typedIn || typed) event.preventDefault(); });
