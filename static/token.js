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
  if (isStale(xhr) && sent.isLeft(elt)) {
    event.preventDefault();
    say(`${LEFT_ONE} was not done.`);
    return;
  }
  if (!isFirst || !["click", "submit", "input"].includes(triggeringEvent?.type) || elt.matches("[data-late]")) return;
  event.preventDefault();
  pressedAgain.add(elt);
  const { submitter } = triggeringEvent;
  setTimeout(() => {
    if (!elt.isConnected) say(xhr.responseText);
    else if (submitter) submitter.click();
    else if (triggeringEvent.type === "input") window.htmx.trigger(elt, "input");
    else if (elt.matches("form")) elt.requestSubmit();
    else elt.click();
  });
});
