// What every page of the desk shares: keys, menus, the help dialog. Pages work without it; nothing here decides.
//
// A key is said in the page: `data-key="n"` on a link, button or field; pressing it follows, clicks or focuses it.
// `data-key="g h"` is two keys, one after the other. Keys are off while somebody types, and where switched off.
const OFF = "reporter.keys.off";
const SECOND_KEY_MS = 1500;

export const keysAreOff = () => {
  try { return localStorage.getItem(OFF) === "1"; } catch { return false; }
};

export const isTyping = (target) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || (target.matches("input, textarea, select") && !target.matches("[type=checkbox], [type=radio], [type=button], [type=submit]")));

let first = "";
let firstAt = 0;

// The element that a key press means, or null. Elements of an open dialog come before those behind it.
const meant = (key, at) => {
  const roots = [document.querySelector("dialog[open]")].filter(Boolean);
  if (!roots.length) roots.push(document);
  const sequence = at - firstAt < SECOND_KEY_MS && first ? `${first} ${key}` : "";
  for (const wanted of [sequence, key]) {
    if (!wanted) continue;
    for (const root of roots) {
      const all = [...root.querySelectorAll(`[data-key="${CSS.escape(wanted)}"]`)].filter((each) => !each.closest("[hidden]"));
      const found = all.find((each) => each.getClientRects().length > 0) ?? all[0]; // what a closed menu holds counts, last
      if (found) return found;
    }
  }
  return null;
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || keysAreOff() || isTyping(event.target)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const found = meant(key, event.timeStamp);
  first = key;
  firstAt = event.timeStamp;
  if (!found) return;
  event.preventDefault();
  if (found.matches("input:not([type=checkbox]):not([type=radio]), textarea, select")) found.focus();
  else found.click();
});

// Menus close when one clicks elsewhere or presses Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// `data-dialog="id"` opens a dialog; `data-close` within one closes it.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.dialog)?.showModal();
  }
  event.target.closest("[data-close]")?.closest("dialog")?.close();
});

const toggle = document.getElementById("keys-off");
if (toggle) {
  toggle.checked = !keysAreOff();
  toggle.addEventListener("change", () => {
    try { localStorage.setItem(OFF, toggle.checked ? "0" : "1"); } catch { /* a private window keeps nothing */ }
  });
}
for (const only of document.querySelectorAll("[data-needs-script]")) only.hidden = false;
