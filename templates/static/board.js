// The live board. The server says what changed (`/events`); the browser counts the digits from the server's clock.
// What is overdue, and what sounds, is said by the server alone: no timer here decides anything.
import { isTyping, keysAreOff } from "/static/desk.js";
import { Since, ServerClock, countdown } from "/static/clock.js";
import * as watch from "/static/watch.js";

const STALE_MS = 12_000;
const RETRY_MS = 3000;
const TURN_MS = 20_000;
const t = watch.t;
const byId = (id) => document.getElementById(id);

const cards = byId("cards");
const clockText = byId("now");
const clock = new ServerClock(clockText.dateTime, Number(clockText.dataset.rate) || 1, clockText.dataset.zone);
const here = new URLSearchParams(location.search);
const isWall = here.get("wall") === "1";
const heard = new Since();
const sums = new Map();
const told = new Set();
let page = Number(cards.dataset.page);
let pages = Number(cards.dataset.pages);
let cursor = cards.dataset.cursor;
let source = null;
let isLive = false;
let knowsCards = false;

if (isWall) document.documentElement.classList.add("wall-root");

// --- what the page shows ------------------------------------------------------------------------------------

const tick = () => {
  const now = clock.now();
  for (const digits of cards.querySelectorAll("[data-due]")) {
    const text = countdown(Date.parse(digits.dataset.due) - now);
    if (digits.textContent !== text) digits.textContent = text;
  }
  for (const bar of cards.querySelectorAll("[data-end]")) {
    const start = Date.parse(bar.dataset.start), end = Date.parse(bar.dataset.end);
    const width = end > start ? Math.min(100, Math.max(0, Math.floor(((now - start) / (end - start)) * 100))) : 100;
    if (bar.getAttribute("width") !== String(width)) bar.setAttribute("width", width);
  }
  const text = clock.text();
  markDay(text.slice(5, 10));
  if (clockText.textContent !== text) clockText.textContent = text;
  const silent = heard.ms();
  const isStale = silent > STALE_MS;
  const live = byId("live");
  const state = isStale ? live.dataset.stale : isLive ? live.dataset.live : live.dataset.waiting;
  const said = isLive || isStale ? `${state} (${Math.floor(silent / 1000)} s)` : state;
  if (live.textContent !== said) live.textContent = said;
  const banner = byId("stale");
  document.body.classList.toggle("is-stale", isStale);
  if (isStale) {
    // The whole sentence is announced once; the seconds are for the eye.
    if (banner.hidden) { banner.hidden = false; banner.replaceChildren("✖ ", ...sentence(banner.dataset.text)); }
    banner.querySelector("span").textContent = Math.floor(silent / 1000);
    watch.stale();
  } else if (!banner.hidden) banner.hidden = true;
  watch.tick();
};

// The day of a moment is said where it is not today.
const markDay = (today) => {
  for (const day of document.querySelectorAll("main .day")) {
    const isToday = day.textContent.trim() === today;
    if (isToday !== day.parentElement.classList.contains("is-today")) day.parentElement.classList.toggle("is-today", isToday);
  }
};

const sentence = (text) => {
  const [first, last] = text.split("{}");
  const number = document.createElement("span");
  number.className = "num";
  return [first, number, last];
};

const parse = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
};

// The focus stays where it is while the page changes under it.
const keepingFocus = (change) => {
  const active = document.activeElement;
  const id = active?.closest?.(".incident")?.dataset.id;
  const isButton = active?.matches?.("button");
  change();
  if (id && document.activeElement !== active) {
    const card = byId(`i-${id}`);
    (isButton && card?.querySelector("button") || card?.querySelector("h2 a"))?.focus({ preventScroll: true });
  }
};

const apply = (data) => {
  for (const [name, html] of Object.entries(data.parts)) {
    const part = byId(name);
    const isOpen = part.querySelector("details")?.open;
    part.innerHTML = html;
    if (isOpen && part.querySelector("details")) part.querySelector("details").open = true;
  }
  keepingFocus(() => {
    for (const [id, html] of Object.entries(data.cards)) {
      if (sums.get(id) === data.sums[id]) continue;
      const made = parse(html);
      const there = byId(`i-${id}`);
      if (there) there.replaceWith(made);
      else { cards.append(made); if (knowsCards) made.classList.add("is-new"); }
    }
    for (const card of [...cards.children]) if (!data.order.includes(card.dataset.id)) card.remove();
    data.order.forEach((id, place) => {
      const card = byId(`i-${id}`);
      if (card && cards.children[place] !== card) cards.insertBefore(card, cards.children[place] ?? null);
    });
  });
  sums.clear();
  for (const [id, sum] of Object.entries(data.sums)) sums.set(id, sum);
  knowsCards = true;
  cards.dataset.density = data.density;
  cards.classList.toggle("is-dense", data.density !== "comfortable");
  byId("none").hidden = data.order.length > 0;
  pages = data.pages;
  page = data.page;
  mark(data.overdue);
  watch.calling(data.calls);
};

const name = document.title.replace(/^\([^)]*\) /, "");
const mark = (overdue) => {
  document.title = overdue ? `(${overdue}${t("超时", " overdue")}) ${name}` : name;
  const text = overdue > 99 ? "99" : String(overdue);
  const svg = overdue
    ? `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#b3261e"/><text x="16" y="23" font-family="sans-serif" font-weight="bold" font-size="20" text-anchor="middle" fill="#fff">${text}</text></svg>`
    : "";
  document.querySelector("link[rel=icon]").href = svg ? `data:image/svg+xml,${encodeURIComponent(svg)}` : "/static/icon.svg";
};

// --- the stream ---------------------------------------------------------------------------------------------

const alive = (event) => {
  heard.mark();
  isLive = true;
  if (event.lastEventId) cursor = event.lastEventId;
};

const connect = () => {
  const query = new URLSearchParams({ page, lang: document.documentElement.lang.startsWith("zh") ? "zh" : "en", after: cursor });
  if (isWall) query.set("wall", "1");
  const before = source;
  const next = new EventSource(`/events?${query}`);
  source = next;
  next.addEventListener("board", (event) => {
    if (source !== next) return;
    before?.close();
    alive(event);
    const data = JSON.parse(event.data);
    clock.sync(data.now, data.rate);
    apply(data);
    tick();
  });
  next.addEventListener("alarm", (event) => {
    if (source !== next) return;
    alive(event);
    const { alarms } = JSON.parse(event.data);
    const fresh = alarms.filter((alarm) => !told.has(alarm.id));
    for (const alarm of fresh) told.add(alarm.id);
    watch.fired(fresh);
    if (fresh.length) byId("say").textContent = fresh.map((alarm) => alarm.text).join(t("；", "; "));
  });
  next.addEventListener("hb", (event) => {
    if (source !== next) return;
    alive(event);
    const data = JSON.parse(event.data);
    clock.sync(data.now, data.rate);
  });
  next.addEventListener("bye", () => location.reload());
  next.addEventListener("error", () => {
    if (source !== next) return;
    before?.close();
    isLive = false;
    // A browser gives up where the answer was no stream; a duty room does not.
    if (next.readyState === EventSource.CLOSED) setTimeout(() => { if (source === next) connect(); }, RETRY_MS);
  });
};

// --- acknowledging ------------------------------------------------------------------------------------------

const unsent = new Map();

const send = async (incident, key) => {
  try {
    const answer = await fetch("/board/acknowledge", {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({ incident, key }),
      signal: AbortSignal.timeout(10_000),
    });
    if (answer.status >= 500 || answer.status === 429) throw new Error(String(answer.status));
    unsent.delete(incident);
    if (!answer.ok || answer.redirected) location.reload(); // gone, or signed out: the server says which
  } catch {
    setTimeout(() => send(incident, key), RETRY_MS); // the same key: however often it arrives, it counts once
    unsent.set(incident, key);
  }
  const line = byId("unsent");
  line.hidden = unsent.size === 0;
  line.textContent = `▲ ${line.dataset.text.replace("{}", unsent.size)}`;
};

byId("acknowledge").addEventListener("submit", (event) => {
  const incident = event.submitter?.value;
  if (!incident) return;
  event.preventDefault();
  event.submitter.setAttribute("aria-busy", "true");
  if (unsent.has(incident)) return;
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  send(incident, key);
});

// --- keys ---------------------------------------------------------------------------------------------------

const move = (step) => {
  const all = [...cards.children];
  const at = all.indexOf(document.activeElement?.closest?.(".incident"));
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))];
  next?.querySelector("h2 a").focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
};

const acknowledge = () => {
  const current = document.activeElement?.closest?.(".incident");
  (current ?? cards).querySelector(".btn-ack:not([aria-busy])")?.click();
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || keysAreOff() || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const does = { j: () => move(1), k: () => move(-1), a: acknowledge }[event.key.toLowerCase()];
  if (does) { event.preventDefault(); does(); }
});

byId("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
});

// A wall turns its pages by itself, unless its reader wants things to stand still.
if (isWall && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
  setInterval(() => { if (pages > 1 && isLive) { page = (page % pages) + 1; connect(); } }, TURN_MS);
}

connect();
tick();
setInterval(tick, 250);
