// An incident's page: renewed when the incident has changed, digits that count, forms that are not lost.
import "/static/unsent.js";
import { ServerClock, countdown } from "/static/clock.js";

const ASK_MS = 4000;
const RENEW_MS = 60_000;
const frame = document.getElementById("frame");

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
    const form = event.target.closest?.("form");
    if (form?.id === "act") { event.preventDefault(); form.requestSubmit(); }
  }
});

// How many of the required elements are declared, and what counts as such while one types.
const tally = () => {
  const shown = document.getElementById("declared");
  if (!shown) return;
  const all = [...document.querySelectorAll("fieldset.element")];
  const declared = all.filter((each) => {
    const kind = each.querySelector(":checked")?.value;
    const text = each.querySelector("textarea").value.trim();
    return kind === "none" || (kind !== "" ? text : false);
  });
  shown.textContent = `${declared.length}/${all.length}`;
};
document.addEventListener("input", (event) => {
  const element = event.target.closest?.("fieldset.element");
  if (!element) return;
  const blank = element.querySelector("[value='']");
  if (event.target.matches("textarea") && blank.checked && event.target.value.trim()) element.querySelector("[value='text']").checked = true;
  tally();
});
document.addEventListener("reporter:page", tally);
tally();

if (frame) {
  const live = () => document.getElementById("live");
  const clock = new ServerClock(live().dataset.now, Number(frame.dataset.rate), frame.dataset.zone);
  let renewed = performance.now();

  const count = () => {
    const now = clock.now();
    for (const each of document.querySelectorAll("#live [data-due]")) each.textContent = countdown(Date.parse(each.dataset.due) - now);
    for (const each of document.querySelectorAll("#live [data-end]")) {
      const from = Date.parse(each.dataset.start), to = Date.parse(each.dataset.end);
      each.setAttribute("width", String(Math.min(100, Math.max(0, Math.floor(((now - from) / (to - from)) * 100)))));
    }
  };

  const renew = async () => {
    const answer = await fetch(`/incidents/${frame.dataset.id}/live?lang=${document.documentElement.lang.slice(0, 2)}`, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const opened = new Set([...document.querySelectorAll("#live details[open] summary")].map((each) => each.closest("dd")?.previousElementSibling?.textContent));
    const focused = document.activeElement?.closest("#live, #more") ? document.activeElement.getAttribute("href") : null;
    const sent = new DOMParser().parseFromString(await answer.text(), "text/html");
    const made = sent.getElementById("live");
    if (!made) return;
    for (const each of made.querySelectorAll("details")) each.open = opened.has(each.closest("dd")?.previousElementSibling?.textContent);
    live().replaceWith(made);
    document.getElementById("more").replaceWith(sent.getElementById("more"));
    if (focused) document.querySelector(`#live [href="${CSS.escape(focused)}"], #more [href="${CSS.escape(focused)}"]`)?.focus();
    clock.sync(made.dataset.now, Number(frame.dataset.rate));
    renewed = performance.now();
    count();
  };

  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(`/changes?incident=${frame.dataset.id}&seen=${live().dataset.etag}`, { credentials: "same-origin" });
      const isOld = !("calm" in frame.dataset) && performance.now() - renewed > RENEW_MS;
      if (answer.status === 200 || (answer.status === 204 && isOld)) await renew();
    } catch { /* the network is away: the next question comes soon */ }
  };
  setInterval(count, 1000);
  setInterval(ask, ASK_MS);
  document.addEventListener("visibilitychange", ask);
  count();
}
