// Choices that are saved a moment after they were made, one by one, in the rows of a list.
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
document.addEventListener("htmx:afterRequest", ({ detail: { elt, successful, xhr } }) => {
  const choice = choiceOf(elt);
  if (choice?.state !== "sent") return;
  if (successful) unsaved.delete(elt.action);
  // Nobody is signed in: it waits until somebody is.
  else if (xhr.getResponseHeader("HX-Redirect")) putOff(choice);
});
const sendBehind = (form) => fetch(form.action, { method: "POST", body: new FormData(form), keepalive: true, headers: { "HX-Request": "true" } });
window.addEventListener("pagehide", () => {
  unsaved.forEach(({ form }) => sendBehind(form));
  unsaved.clear();
});

// What has not arrived may not arrive then either.
window.addEventListener("beforeunload", (event) => { if ([...unsaved.values()].some(({ state }) => state === "failed")) event.preventDefault(); });

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
const putOff = (choice) => {
  choice.state = "failed";
  markUnsaved(choice.form, "Not saved yet");
  setTimeout(sendAgain, AGAIN_AFTER_MS, choice);
};
const isStillUnsaved = (choice) => unsaved.get(choice.form.action) === choice && choice.state === "failed";
const sendAgain = (choice) => {
  if (!isStillUnsaved(choice)) return;
  if (choice.form.isConnected) window.htmx.trigger(choice.form, "submit");
  else sendBehind(choice.form).then((answer) => endBehind(choice, answer), () => setTimeout(sendAgain, AGAIN_AFTER_MS, choice));
};
// Its row may be there again by now, and shows then itself what comes of it.
const endBehind = async (choice, answer) => {
  const token = answer.headers.get("X-CSRFToken");
  if (token) choice.form.elements.csrf_token.value = token;
  if (answer.headers.has("HX-Redirect") || isFirstRefusal(choice, answer.status === 400 && Boolean(token))) {
    setTimeout(sendAgain, AGAIN_AFTER_MS, choice);
    return;
  }
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
  putOff(choice);
});
// Refused for its token alone it is sent once more, with the one that has come along.
const isFirstRefusal = (choice, isRefused) => {
  const isFirst = isRefused && !choice.isRefused;
  choice.isRefused = isRefused;
  return isFirst;
};
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, xhr } = event.detail;
  const choice = choiceOf(elt);
  if (choice?.state !== "sent" || !isFirstRefusal(choice, isStale(xhr))) return;
  event.preventDefault();
  choice.state = "failed";
  setTimeout(sendAgain, 0, choice);
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
