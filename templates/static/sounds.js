// Alarm tones from oscillators: there are no files. Nothing sounds before one gesture of the reader's.
const TONES = {
  test: [[660, 0, 0.15], [880, 0.2, 0.15]],
  fresh: [[520, 0, 0.12]],
  1: [[330, 0, 0.35]],
  2: [[880, 0, 0.25], [660, 0.3, 0.25], [880, 0.6, 0.25], [660, 0.9, 0.25]],
  3: [[660, 0, 0.2], [880, 0.25, 0.2], [1175, 0.5, 0.4], [660, 1.1, 0.2], [880, 1.35, 0.2], [1175, 1.6, 0.4]],
  stale: [[220, 0, 0.6], [165, 0.7, 0.8]],
};

export class Sounds {
  constructor() { this.context = null; this.played = []; }

  get isOn() { return this.context?.state === "running"; }

  // Called from a gesture; resolves to whether sounds can be heard as far as the browser knows.
  async start() {
    const Context = window.AudioContext ?? window.webkitAudioContext;
    if (!Context) return false;
    this.context ??= new Context();
    try { await Promise.race([this.context.resume(), new Promise((done) => setTimeout(done, 500))]); } catch { /* said below */ }
    return this.isOn;
  }

  play(name) {
    this.played.push(name);
    if (this.played.length > 50) this.played.shift();
    if (!this.isOn) return;
    const begin = this.context.currentTime + 0.02;
    for (const [hertz, after, length] of TONES[name] ?? TONES[3]) {
      const tone = this.context.createOscillator();
      const loud = this.context.createGain();
      tone.type = "square";
      tone.frequency.value = hertz;
      loud.gain.setValueAtTime(0.0001, begin + after);
      loud.gain.exponentialRampToValueAtTime(0.25, begin + after + 0.02);
      loud.gain.setValueAtTime(0.25, begin + after + length - 0.03);
      loud.gain.exponentialRampToValueAtTime(0.0001, begin + after + length);
      tone.connect(loud).connect(this.context.destination);
      tone.start(begin + after);
      tone.stop(begin + after + length + 0.05);
    }
  }
}
