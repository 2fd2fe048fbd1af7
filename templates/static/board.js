// Counts the clocks of the board in the reader's browser, from the server's time in the page, and fetches the
// page anew every 15 s. It decides nothing: what is overdue is said by the server alone.
"use strict";
(() => {
  const clock = document.getElementById("now");
  const start = Date.parse(clock.dateTime);
  const rate = Number(clock.dataset.rate) || 1;
  const began = performance.now();
  const now = () => start + (performance.now() - began) * rate;
  const two = (number) => String(number).padStart(2, "0");
  const said = (ms) => {
    const seconds = Math.floor(Math.abs(ms) / 1000);
    const hours = Math.floor(seconds / 3600);
    const rest = two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60);
    const text = hours ? hours + ":" + rest : rest.replace(/^0/, "");
    return ms < 0 && seconds ? "+" + text : text;
  };
  const tick = () => {
    const at = now();
    for (const digits of document.querySelectorAll("[data-due]")) {
      const text = said(Date.parse(digits.dataset.due) - at);
      if (digits.textContent !== text) digits.textContent = text;
    }
  };
  tick();
  setInterval(tick, 250);
  setInterval(() => {
    if (document.visibilityState === "visible") location.reload();
  }, 15000);
})();
