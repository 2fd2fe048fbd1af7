// Standing the watch: sound, notifications, a screen that stays awake; after one gesture, and saying loudly what
// this browser does not allow. An alarm sounds again until somebody has acknowledged it.
import { Sounds } from "/static/sounds.js";

const WATCHING = "reporter.watching";
const REPEAT_MS = 30_000;
const MUTE_MS = 60_000;
const ESCALATION = 3;
const BREACH = 2;

const zh = document.documentElement.lang.startsWith("zh");
export const t = (chinese, english) => (zh ? chinese : english);
export const sounds = new Sounds();

const button = document.getElementById("watch");
const mute = document.getElementById("mute");
const loud = document.getElementById("loud");
let watching = false;
let lock = null;
let mutedUntil = 0;
let calls = [];
let soundedAt = 0;
let warnedStaleAt = 0;

const remember = (value) => { try { sessionStorage.setItem(WATCHING, value); } catch { /* nothing is kept then */ } };

const keepAwake = async () => {
  if (!("wakeLock" in navigator)) return false;
  try { lock = await navigator.wakeLock.request("screen"); return true; } catch { return false; }
};

// What this browser withholds, in sentences that say what to do.
const say = (problems) => {
  loud.replaceChildren(...problems.map((text) => {
    const line = document.createElement("p");
    line.className = "banner banner-warn";
    line.textContent = `▲ ${text}`;
    return line;
  }));
  loud.hidden = !problems.length;
};

const problemsNow = async (hears) => {
  const problems = [];
  if (!hears) problems.push(t("声音未开：请再点一次“开始值班”，并检查本机音量。", "No sound: press “Start watch” again and check this device's volume."));
  if (!window.isSecureContext) {
    problems.push(t("浏览器通知与防休眠不可用：请用 https 打开本页；在此之前请关闭本机休眠。", "Notifications and keeping the screen awake need https: open this page over https; until then switch off this device's sleep."));
    return problems;
  }
  if (!("Notification" in window)) problems.push(t("本浏览器没有通知功能。", "This browser has no notifications."));
  else if (Notification.permission !== "granted") problems.push(t("浏览器通知未获允许：请在地址栏左侧的网站设置中允许。", "Notifications are not allowed: allow them in the site settings beside the address."));
  if (!(await keepAwake())) problems.push(t("无法防止屏幕休眠：请在系统设置中关闭休眠。", "The screen cannot be kept awake: switch sleep off in the system's settings."));
  return problems;
};

const show = () => {
  button.setAttribute("aria-pressed", String(watching));
  button.querySelector("span").textContent = watching ? t("值班中·试听", "On watch · test") : t("开始值班", "Start watch");
  button.querySelector("use").setAttribute("href", `/static/icons.svg#${watching && sounds.isOn ? "bell" : "bell-off"}`);
  button.classList.toggle("btn-primary", !watching);
  mute.hidden = !watching;
};

const start = async (isGesture) => {
  watching = true;
  remember("1");
  const hears = await sounds.start();
  if (isGesture) {
    sounds.play("test");
    if (window.isSecureContext && "Notification" in window && Notification.permission === "default") {
      try { await Notification.requestPermission(); } catch { /* said below */ }
    }
  }
  say(await problemsNow(hears));
  show();
  ring();
};

button.addEventListener("click", () => start(true));
mute.addEventListener("click", () => { mutedUntil = Date.now() + MUTE_MS; tick(); });
document.addEventListener("visibilitychange", () => { if (watching && document.visibilityState === "visible" && window.isSecureContext) keepAwake(); });
// Sound that the browser held back after a reload comes with the next gesture, whatever it is.
document.addEventListener("pointerdown", async () => { if (watching && !sounds.isOn) { say(await problemsNow(await sounds.start())); show(); } });

const notify = (alarm) => {
  if (!watching || !window.isSecureContext || !("Notification" in window) || Notification.permission !== "granted") return;
  try { new Notification(t("直报时限", "Reporter"), { body: alarm.text, tag: alarm.id, requireInteraction: alarm.level >= BREACH }); } catch { /* the page itself says it */ }
};

// Mute never holds back an escalation.
const isMuted = (level) => level < ESCALATION && Date.now() < mutedUntil;

const ring = () => {
  const level = Math.max(0, ...calls.map((call) => call.level));
  if (!watching || level < BREACH || isMuted(level)) return;
  if (Date.now() - soundedAt < REPEAT_MS) return;
  soundedAt = Date.now();
  sounds.play(level);
};

// Alarms that have just fired, or that were missed: they sound and notify once; what still calls sounds again.
export const fired = (alarms) => {
  if (!alarms.length) return;
  const level = Math.max(...alarms.map((alarm) => alarm.level));
  if (watching && !isMuted(level)) {
    sounds.play(level);
    if (level >= BREACH) soundedAt = Date.now();
  }
  for (const alarm of alarms) notify(alarm);
};

export const calling = (now) => { calls = now; ring(); };

export const stale = () => {
  if (!watching || Date.now() - warnedStaleAt < REPEAT_MS) return;
  warnedStaleAt = Date.now();
  sounds.play("stale");
};

export const tick = () => {
  ring();
  const left = Math.ceil((mutedUntil - Date.now()) / 1000);
  const text = left > 0 ? t(`静音 ${left} s`, `Muted ${left} s`) : t("静音 60 s", "Mute 60 s");
  const label = mute.querySelector("span");
  if (label.textContent !== text) label.textContent = text;
};

let before = null;
try { before = sessionStorage.getItem(WATCHING); } catch { /* nothing was kept */ }
if (before === "1") start(false); else show();
