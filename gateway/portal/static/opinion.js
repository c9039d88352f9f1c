// Saves the opinion as one types. Text is never lost: while the server has not taken it, it also lies in this tab's storage.
import { clock } from "./moments.js";

const PAUSE = 700; // milliseconds of quiet before a save
const LONGEST = 4000; // and the longest that typing can put it off
const RETRIES = [2000, 5000, 10000, 20000];
const FINAL = {
  401: "You were signed out. Your text is kept in this tab: sign in again in another tab, then write on here.",
  403: "You cannot write to this case any more.",
  404: "This case is not yours any more.",
  409: "This case is not open for writing any more: it was signed, released or put on hold.",
};

class Opinion {
  constructor(form) {
    this.form = form;
    this.status = document.getElementById("saved");
    this.key = `overread-opinion-${form.dataset.person}-${form.dataset.case}`;
    this.saved = JSON.stringify(this.read());
    this.failures = 0;
    this.running = null;
    this.stopped = false;
  }

  read() {
    const { elements } = this.form;
    return {
      findings: elements.findings.value,
      impression: elements.impression.value,
      recommendations: elements.recommendations.value,
      answers: this.answers().map((field) => ({ question: field.dataset.question, answer: field.value })),
      concordance: elements.concordance.value || null,
      concordance_comment: elements.concordance_comment.value,
    };
  }

  answers() {
    return [...this.form.querySelectorAll("[data-question]")];
  }

  write(opinion) {
    const { elements } = this.form;
    for (const name of ["findings", "impression", "recommendations", "concordance_comment"]) {
      elements[name].value = opinion[name] ?? "";
    }
    elements.concordance.value = opinion.concordance ?? "";
    for (const field of this.answers()) {
      field.value = opinion.answers.find((each) => each.question === field.dataset.question)?.answer ?? "";
    }
  }

  get changed() {
    return JSON.stringify(this.read()) !== this.saved;
  }

  say(state, text) {
    this.status.dataset.state = state;
    this.status.textContent = text;
  }

  typed() {
    if (!this.changed) return;
    this.keep();
    if (this.failures === 0) this.say("waiting", "Not saved yet");
    clearTimeout(this.timer);
    this.since ??= Date.now();
    this.timer = setTimeout(() => this.flush(), Math.min(PAUSE, Math.max(0, this.since + LONGEST - Date.now())));
  }

  keep() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ at: Date.now(), base: this.form.dataset.savedAt, opinion: this.read() }));
    } catch {
      // A full or forbidden storage: the text is still in the form, and leaving the page is warned of.
    }
  }

  // Saves what is not saved; true when the server has everything. One request at a time.
  async flush() {
    clearTimeout(this.timer);
    if (this.running) await this.running;
    if (!this.changed) return true;
    this.running = this.send();
    try {
      return await this.running;
    } finally {
      this.running = null;
    }
  }

  async send(keepalive = false) {
    const text = JSON.stringify(this.read());
    this.since = undefined;
    if (this.failures === 0) this.say("saving", "Saving…");
    let answer;
    try {
      answer = await fetch(this.form.dataset.address, {
        method: "PUT",
        headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token() },
        body: text,
        keepalive,
        signal: AbortSignal.timeout(15000),
      });
    } catch {
      return this.failed("Overread cannot be reached.");
    }
    return answer.ok ? this.done(text, await answer.json()) : this.refused(answer);
  }

  done(text, { saved_at: at }) {
    this.saved = text;
    this.failures = 0;
    this.stopped = false;
    this.form.dataset.savedAt = at;
    this.others?.postMessage({ at, text });
    if (this.changed) {
      this.typed();
    } else {
      sessionStorage.removeItem(this.key);
      this.say("saved", `Saved ${clock(new Date(at))}`);
    }
    return !this.changed;
  }

  async refused(answer) {
    if (answer.status >= 500 || answer.status === 429) return this.failed("Overread has trouble saving.");
    const problem = await answer.json().catch(() => ({}));
    this.failures = 1;
    this.stopped = true;
    this.say("stopped", FINAL[answer.status] ?? `Not saved: ${problem.detail ?? "the server refused it"}`);
    return false;
  }

  failed(why) {
    const pause = RETRIES[Math.min(this.failures, RETRIES.length - 1)];
    this.failures += 1;
    this.keep();
    this.say("failed", `Not saved. ${why} Your text is kept in this tab; trying again in ${pause / 1000} seconds.`);
    this.timer = setTimeout(() => this.flush(), pause);
    return false;
  }

  // What an earlier visit could not hand in comes back, unless the server has something newer.
  restore() {
    const kept = JSON.parse(sessionStorage.getItem(this.key) ?? "null");
    if (!kept || JSON.stringify(kept.opinion) === this.saved) return;
    if (kept.base !== this.form.dataset.savedAt) {
      this.say("failed", "The text was changed elsewhere since you last wrote here; what is shown is the newer one.");
      return;
    }
    this.write(kept.opinion);
    this.say("waiting", `Brought back what you wrote at ${clock(new Date(kept.at))}, which had not been saved.`);
    this.timer = setTimeout(() => this.flush(), 1500);
  }

  // The same case in another tab: it takes over what was saved, or says that there are two texts.
  hear({ at, text }) {
    if (this.changed) {
      this.say("failed", "This case is open in another tab too, with another text. Go on in only one of them.");
      return;
    }
    this.write(JSON.parse(text));
    this.saved = JSON.stringify(this.read());
    this.form.dataset.savedAt = at;
    this.say("saved", `Saved in another tab ${clock(new Date(at))}`);
  }

  letGo() {
    this.leaving = true;
  }

  start() {
    this.form.addEventListener("input", () => this.typed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("online", () => this.flush());
    window.addEventListener("beforeunload", (event) => {
      if (this.changed && !this.leaving) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden" && this.changed && !this.running && !this.stopped) this.send(true);
    });
    this.others = new BroadcastChannel(this.key);
    this.others.onmessage = (event) => this.hear(event.data);
    this.restore();
  }
}

function token() {
  return document.querySelector("meta[name=csrf-token]").content;
}

export function startOpinion() {
  const form = document.getElementById("opinion");
  if (!form) return null;
  const opinion = new Opinion(form);
  opinion.start();
  return opinion;
}
