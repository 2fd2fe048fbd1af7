// Working through a handover: Space confirms the next item, each at once; trying out sound, notification, clock.
// Without this the forms do the same.
import { keysAreOff, isTyping } from "/static/desk.js";
import { Sounds } from "/static/sounds.js";

const zh = document.documentElement.lang.startsWith("zh");
const t = (chinese, english) => (zh ? chinese : english);
const form = document.getElementById("confirm");
const left = document.getElementById("left");
const boxes = () => [...document.querySelectorAll("input.tick")];
const waiting = () => boxes().filter((box) => !box.disabled);

const showLeft = () => {
  const count = waiting().length;
  left.textContent = count ? left.dataset.text.replace("{}", count) : left.dataset.done;
  if (form) form.hidden = !count;
};

// One item is confirmed as it is ticked; what does not arrive stays ticked, to be sent with the form.
const confirm = async (box) => {
  const body = new URLSearchParams({ item: box.value });
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    box.disabled = true;
    box.checked = true;
    showLeft();
  } catch {
    left.textContent = t("确认未送达：请按“确认勾选的项”", "Not delivered: press “Confirm what is ticked”");
  }
};

document.addEventListener("change", (event) => {
  const box = event.target;
  if (!form || !box.matches("input.tick") || !box.checked) return;
  confirm(box);
  const next = waiting().find((other) => other !== box && !other.checked);
  (next ?? document.getElementById("items-title"))?.focus();
});

// Space away from any control: the next item. On an item's own box the browser does it.
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !form || keysAreOff() || isTyping(event.target)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("a, button, input, summary, select")) return;
  const next = waiting().find((box) => !box.checked);
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.click();
});

const note = (name, text) => {
  const field = document.querySelector(`[name="note-${name}"]`);
  if (field) field.value = text;
};
const answer = (name, ok) => {
  const radio = document.querySelector(`[name="check-${name}"][value="${ok ? "ok" : "failed"}"]`);
  if (radio) radio.checked = true;
};

const sounds = new Sounds();
const tries = {
  async sound() {
    if (await sounds.start()) {
      sounds.play("test");
      note("sound", t("已播放测试音", "the test tone was played"));
    } else {
      answer("sound", false);
      note("sound", t("浏览器未放出声音", "the browser made no sound"));
    }
  },
  async notification() {
    if (!window.isSecureContext || !("Notification" in window)) {
      answer("notification", false);
      note("notification", t("本浏览器或连接（非 https）没有通知", "no notifications in this browser, or not over https"));
      return;
    }
    if ((await Notification.requestPermission()) !== "granted") {
      answer("notification", false);
      note("notification", t("通知未获允许", "notifications are not allowed"));
      return;
    }
    new Notification(t("直报时限", "Reporter"), { body: t("【测试】接班检查", "[Test] handover") });
    note("notification", t("已发出测试通知", "a test notification was sent"));
  },
  // The offset to the server's clock, by the quickest of five questions; half a second is what a duty desk bears.
  async clock() {
    let best = null;
    for (let count = 0; count < 5; count += 1) {
      const asked = Date.now();
      const reply = await fetch("/handover/clock", { cache: "no-store" });
      const server = (await reply.json()).now_ms;
      const answered = Date.now();
      const found = { trip: answered - asked, offset: Math.round((asked + answered) / 2 - server) };
      if (!best || found.trip < best.trip) best = found;
    }
    const ok = Math.abs(best.offset) <= 500;
    answer("clock", ok);
    document.getElementById("offset-clock").value = best.offset;
    const by = (Math.abs(best.offset) / 1000).toFixed(1);
    note("clock", best.offset >= 0 ? t(`本机快 ${by} s`, `this computer is ${by} s ahead`) : t(`本机慢 ${by} s`, `this computer is ${by} s behind`));
  },
};

for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await tries[button.dataset.try]();
    } catch {
      answer(button.dataset.try, false);
      note(button.dataset.try, t("未能检查：服务器没有回答", "could not be tried: the server did not answer"));
    } finally {
      button.disabled = false;
    }
  });
}
document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
document.getElementById("items-title")?.setAttribute("tabindex", "-1");
