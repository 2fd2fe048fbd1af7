// Forms that must not be lost: `<form data-keep="account">` is sent by fetch; what the network or the server could not take
// waits in this browser under its idempotency key and is tried again, so that a second delivery has no second effect.
// Files are not kept: such a form stays on the screen and says so.
const STORE = "reporter.unsent";
const AGAIN_MS = 7000;
const LATER = new Set([408, 429, 500, 502, 503, 504]);
const zh = document.documentElement.lang.startsWith("zh");

const waiting = () => {
  try { return JSON.parse(localStorage.getItem(STORE) ?? "[]"); } catch { return []; }
};
const keep = (items) => {
  try {
    if (items.length) localStorage.setItem(STORE, JSON.stringify(items));
    else localStorage.removeItem(STORE);
    return true;
  } catch { return false; }
};

const account = () => document.body.dataset.account ?? "";

const banner = document.createElement("div");
banner.id = "unsent-forms";
banner.className = "banner banner-warn no-print";
banner.setAttribute("role", "status");
banner.hidden = true;
document.getElementById("main")?.prepend(banner);

const say = (text) => {
  const all = waiting();
  const items = all.filter((each) => each.account === account());
  const others = all.length - items.length;
  banner.hidden = !all.length && !text;
  banner.replaceChildren();
  if (items.length) {
    const strong = document.createElement("b");
    strong.textContent = zh ? `待发送 ${items.length}` : `Waiting to be sent: ${items.length}`;
    const list = document.createElement("span");
    list.textContent = items.map((each) => `${each.title} ${each.what} ${new Date(each.at).toLocaleTimeString()}${each.error ? ` ✖ ${each.error}` : ""}`).join(zh ? "；" : "; ");
    const again = document.createElement("button");
    again.type = "button";
    again.className = "btn";
    again.textContent = zh ? "立即重试" : "Try now";
    again.addEventListener("click", () => flush(true));
    banner.append(strong, list, again);
    for (const refused of items.filter((each) => each.error)) {
      const drop = document.createElement("button");
      drop.type = "button";
      drop.className = "btn btn-danger";
      drop.textContent = zh ? `放弃 ${refused.what}` : `Discard ${refused.what}`;
      drop.addEventListener("click", () => { keep(waiting().filter((each) => each.key !== refused.key)); say(); });
      banner.append(drop);
    }
  }
  // What others have written in this browser is theirs to read.
  if (others) banner.append(Object.assign(document.createElement("span"), { textContent: zh ? `另有 ${others} 份属于其他账号，待其登录后发送` : `${others} more of other accounts: sent once they sign in` }));
  if (text) banner.append(Object.assign(document.createElement("span"), { textContent: text }));
};

const send = (item) =>
  fetch(item.action, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "text/html" },
    body: item.body,
  });

const isSignIn = (answer) => new URL(answer.url).pathname.startsWith("/sign-in");

// What became of an answer: where to go on, the page that says why not, or nothing yet.
const outcome = async (answer) => {
  if (LATER.has(answer.status) || isSignIn(answer)) return { later: true };
  if (answer.ok && answer.redirected) return { gone: answer.url };
  return { page: await answer.text(), status: answer.status };
};

let busy = false;
export const flush = async (byHand = false) => {
  if (busy) return;
  busy = true;
  try {
    for (const item of waiting()) {
      if (item.account !== account() || (item.error && !byHand)) continue;
      let result;
      try { result = await outcome(await send(item)); } catch { break; }
      if (result.later) break;
      const rest = waiting().filter((each) => each.key !== item.key);
      if (result.gone) {
        keep(rest);
        say();
        const link = Object.assign(document.createElement("a"), { href: result.gone, textContent: zh ? `已送达：${item.what}` : `Delivered: ${item.what}` });
        banner.hidden = false;
        banner.append(link);
      } else {
        keep([...rest, { ...item, error: zh ? `被拒（${result.status}），请重新填写` : `refused (${result.status}): fill it in anew` }]);
        say();
      }
    }
  } finally {
    busy = false;
  }
  if (waiting().length) say();
};

const submit = async (event) => {
  const form = event.target;
  if (!form.matches?.("form[data-keep]") || event.defaultPrevented) return;
  event.preventDefault();
  const entered = form.elements.namedItem("entered_at");
  if (entered && !entered.value) entered.value = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const data = new FormData(form, event.submitter);
  const files = [...data.values()].some((each) => each instanceof File && each.size > 0);
  for (const [name, value] of [...data]) if (value instanceof File && !files) data.delete(name);
  const buttons = [...form.querySelectorAll("button:not([type=button])")];
  for (const each of buttons) each.disabled = true;
  const action = event.submitter?.hasAttribute("formaction") ? event.submitter.formAction : form.action;
  const what = String(data.get("title") || data.get("of_title") || data.get("reason") || "").slice(0, 40);
  const item = { key: String(data.get("key")), account: account(), action, title: form.dataset.title ?? "", what, at: Date.now(), body: "" };
  let result;
  try {
    if (files) {
      result = await outcome(await fetch(action, { method: "POST", credentials: "same-origin", headers: { Accept: "text/html" }, body: data }));
    } else {
      item.body = new URLSearchParams(data).toString();
      result = await outcome(await send(item));
    }
  } catch { result = { later: true }; }
  for (const each of buttons) each.disabled = false;
  if (result.gone) {
    location.assign(result.gone);
  } else if (result.later && files) {
    say(zh ? "未送达：网络或服务暂不可用。附件无法暂存，请勿关闭本页，稍后再报；或先去掉附件。" : "Not delivered. Files cannot be kept: stay on this page and try again, or report without them.");
  } else if (result.later) {
    if (keep([...waiting().filter((each) => each.key !== item.key), item])) say(zh ? "未送达，已暂存在本机，将自动重试；请同时电话报告。" : "Not delivered: kept in this browser and tried again. Report by phone as well.");
    else say(zh ? "未送达，本机也无法暂存，请勿关闭本页。" : "Not delivered, and this browser keeps nothing: stay on this page.");
  } else {
    const page = new DOMParser().parseFromString(result.page, "text/html");
    const main = page.getElementById("main");
    if (main) {
      document.getElementById("main").replaceWith(main);
      main.prepend(banner);
      document.dispatchEvent(new Event("reporter:page"));
      (main.querySelector("[aria-invalid=true]") ?? main.querySelector("[role=alert]") ?? main).focus();
      main.scrollIntoView();
    }
  }
};

document.addEventListener("submit", submit);
window.addEventListener("online", () => flush());
setInterval(() => { if (waiting().length) flush(); }, AGAIN_MS);
say();
flush();
