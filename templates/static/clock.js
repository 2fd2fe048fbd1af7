// The server's time in the reader's browser, and spans as the server writes them.
const SAMPLES = 6;

const two = (number) => String(number).padStart(2, "0");

// What is left (`12:05`, `1:02:05`) or over (`+12:05`), whole seconds cut: the same rule as the server's `countdown`.
export const countdown = (ms) => {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  const hours = Math.floor(seconds / 3600);
  const rest = two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60);
  const text = hours ? `${hours}:${rest}` : rest.replace(/^0/, "");
  return ms < 0 && seconds ? `+${text}` : text;
};

// Time since an instant that neither sleep nor a clock set anew can hide: the larger of two ways to count.
export class Since {
  constructor() { this.mark(); }
  mark() { this.monotonic = performance.now(); this.wall = Date.now(); }
  ms() { return Math.max(performance.now() - this.monotonic, Date.now() - this.wall); }
}

// The server's clock. A sample can only be late (by its way here), so the one furthest ahead is the best of the last.
export class ServerClock {
  constructor(now, rate, zone) {
    this.rate = rate;
    this.samples = [];
    this.format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
    this.sync(now, rate);
  }
  sync(now, rate) {
    const at = Date.parse(now);
    if (rate !== this.rate) this.samples = [];
    this.rate = rate;
    this.samples.push(at - performance.now() * rate);
    if (this.samples.length > SAMPLES || rate !== 1) this.samples.shift();
    if (!this.samples.length) this.samples.push(at - performance.now() * rate);
    this.offset = Math.max(...this.samples);
  }
  now() { return this.offset + performance.now() * this.rate; }
  text() { return this.format.format(this.now()); }
}
