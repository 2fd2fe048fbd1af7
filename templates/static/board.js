// Counts the clocks of the board in the reader's browser, from the server's time in the page, and every 15 s
// takes the page's content anew. It decides nothing: what is overdue is said by the server alone. When the server
// cannot be reached the numbers go on, and the board says that they are no longer the server's.
"use strict";
(() => {
  let start, rate, began;
  const read = () => {
    const clock = document.getElementById("now");
    start = Date.parse(clock.dateTime);
    rate = Number(clock.dataset.rate) || 1;
    began = performance.now();
  };
  const two = (number) => String(number).padStart(2, "0");
  const said = (ms) => {
    const seconds = Math.floor(Math.abs(ms) / 1000);
    const hours = Math.floor(seconds / 3600);
    const rest = two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60);
    const text = hours ? hours + ":" + rest : rest.replace(/^0/, "");
    return ms < 0 && seconds ? "+" + text : text;
  };
  const tick = () => {
    const at = start + (performance.now() - began) * rate;
    for (const digits of document.querySelectorAll("[data-due]")) {
      const text = said(Date.parse(digits.dataset.due) - at);
      if (digits.textContent !== text) digits.textContent = text;
    }
  };
  const renew = async () => {
    const stale = document.getElementById("stale");
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!page.getElementById("now")) return location.reload(); // signed out: the server sent the form
      for (const id of ["heading", "where", "cards"]) {
        document.getElementById(id).replaceWith(page.getElementById(id));
      }
      document.title = page.title;
      stale.hidden = true;
      read();
      tick();
    } catch {
      stale.hidden = false;
    }
  };
  read();
  tick();
  setInterval(tick, 250);
  setInterval(renew, 15000);
})();
