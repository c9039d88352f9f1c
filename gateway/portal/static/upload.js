// Uploads folders, files and zips: a few at a time, each file a request of its own, tried again when the line breaks.
const AT_ONCE = 3;
const PAUSES = [1000, 3000, 8000, 15000, 30000];
const GROUPS = [
  ["stored", "received and being checked"],
  ["known", "already here"],
  ["refused", "could not be taken"],
  ["skipped", "left out, because not an image"],
];

// Every file below what was dropped; a folder's reader hands out its entries in portions.
async function filesOf(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, name: path + file.name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return found;
    for (const each of portion) found.push(...(await filesOf(each, `${path}${entry.name}/`)));
  }
}

// XMLHttpRequest, because fetch does not say how much of a body has gone out.
function send(address, { file, name }, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${address}?name=${encodeURIComponent(name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-CSRFToken", document.querySelector("meta[name=csrf-token]").content);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => reject(new Error("network"));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));
const count = (number, noun) => `${number.toLocaleString("en-GB")} ${noun}${number === 1 ? "" : "s"}`;

class Upload {
  constructor(section) {
    this.section = section;
    this.address = section.dataset.address;
    this.find = (id) => document.getElementById(id);
    this.queue = [];
    this.active = new Map();
    this.verdicts = new Map(); // by name: what is sent again has one verdict, the newest
    this.total = this.finished = this.bytes = this.sent = 0;
    this.workers = 0;
    this.looked = true; // whether the page's count of what is still being checked is newer than the upload
  }

  add(files) {
    if (!files.length) return;
    if (!this.workers) {
      this.total = this.finished = this.bytes = this.sent = 0;
      this.stopping = new AbortController();
    }
    this.problem("");
    this.looked = false;
    this.queue.push(...files);
    this.total += files.length;
    this.bytes += files.reduce((sum, each) => sum + each.file.size, 0);
    this.find("progress").hidden = false;
    while (this.workers < AT_ONCE && this.workers < this.queue.length + this.active.size) this.work();
    this.tell();
  }

  async work() {
    this.workers += 1;
    while (this.queue.length && !this.stopping.signal.aborted) {
      const item = this.queue.shift();
      this.active.set(item, 0);
      await this.one(item);
      this.active.delete(item);
      this.finished += 1;
      this.sent += item.file.size;
      this.tell();
    }
    this.workers -= 1;
    if (!this.workers) this.end();
  }

  // One file until it has a verdict: a broken line or a busy server is tried again, a no is a no.
  async one(item) {
    for (let attempt = 0; !this.stopping.signal.aborted; attempt += 1) {
      try {
        const answer = await send(this.address, item, (loaded) => this.went(item, loaded), this.stopping.signal);
        if (this.judged(item, answer)) return;
      } catch (error) {
        if (error.name === "AbortError") return;
      }
      if (attempt >= PAUSES.length) {
        this.judge({ name: item.name, outcome: "refused", reason: "it could not be sent; try it again later" });
        return;
      }
      this.problem("The line is interrupted. What has arrived is safe; the rest is tried again by itself.");
      await wait(PAUSES[attempt]);
    }
  }

  went(item, loaded) {
    this.active.set(item, loaded);
    this.tell();
  }

  judged(item, { status, text }) {
    if (status === 200) {
      for (const verdict of JSON.parse(text).verdicts) this.judge(verdict);
      this.problem("");
      return true;
    }
    if (status === 413) {
      this.judge({ name: item.name, outcome: "refused", reason: "it is larger than we can take" });
      return true;
    }
    if ([401, 403, 404, 409].includes(status)) {
      this.stopping.abort();
      this.problem(
        status === 401
          ? "You were signed out. Sign in again, then choose the folder once more: what has arrived is not sent twice."
          : "This request takes no more images. Reload the page to see where it is.",
      );
      return true;
    }
    return false; // 400: cut short on the way; 5xx: not now
  }

  judge(verdict) {
    this.verdicts.set(verdict.name, verdict);
  }

  having(outcome) {
    return [...this.verdicts.values()].filter((verdict) => verdict.outcome === outcome);
  }

  // What the server said when it last looked: until then everything received is still being checked.
  checked() {
    return this.looked && this.find("fate")?.dataset.checking === "0";
  }

  problem(text) {
    const notice = this.find("upload-problem");
    if (notice.textContent !== text) notice.textContent = text;
    notice.hidden = !text;
  }

  tell() {
    const moving = [...this.active.values()].reduce((sum, loaded) => sum + loaded, 0);
    const share = this.bytes ? Math.min(1, (this.sent + moving) / this.bytes) : 1;
    this.find("progress-bar").value = share;
    const text = `${this.finished.toLocaleString("en-GB")} of ${count(this.total, "file")}, ${Math.floor(share * 100)} %`;
    if (this.find("progress-text").textContent !== text) this.find("progress-text").textContent = text;
    clearTimeout(this.listing);
    this.listing = setTimeout(() => this.list(), 200);
  }

  list() {
    this.said = this.checked();
    const shown = GROUPS.filter(([outcome]) => this.having(outcome).length).map(([outcome, words]) => {
      const verdicts = this.having(outcome);
      const noun = outcome === "stored" || outcome === "known" ? "image" : "file";
      const details = document.createElement("details");
      details.dataset.outcome = outcome;
      details.open = outcome === "refused";
      const summary = document.createElement("summary");
      const said = outcome === "stored" && this.checked() ? "received and checked" : words;
      summary.textContent = `${count(verdicts.length, noun)} ${said}`;
      details.append(summary, list(verdicts));
      return details;
    });
    const box = this.find("verdicts");
    for (const old of box.querySelectorAll("details[open]")) {
      const fresh = shown.find((each) => each.dataset.outcome === old.dataset.outcome);
      if (fresh) fresh.open = true;
    }
    box.replaceChildren(...shown);
    box.hidden = !shown.length;
  }

  end() {
    const left = this.queue.length;
    this.queue = [];
    const images = this.having("stored").length + this.having("known").length;
    this.find("progress-text").textContent = left || this.stopping.signal.aborted
      ? `Stopped. ${count(images, "image")} received.`
      : images
        ? `Done. ${count(images, "image")} received. Below you see which are in your request.`
        : "Done. There was no image in what you chose. Look for a folder named DICOM or IMAGES on the CD.";
    this.find("stop-upload").hidden = true;
    this.list();
    document.body.dispatchEvent(new Event("uploaded"));
  }

  start() {
    const drop = this.find("drop");
    for (const button of this.section.querySelectorAll("[data-choose]")) {
      button.addEventListener("click", () => this.find(button.dataset.choose).click());
    }
    for (const input of this.section.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        this.find("stop-upload").hidden = false;
        this.add([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
        input.value = "";
      });
    }
    for (const name of ["dragenter", "dragover"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.add("over");
      });
    }
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => this.dropped(event, drop));
    this.find("stop-upload").addEventListener("click", () => this.stopping.abort());
    window.addEventListener("beforeunload", (event) => {
      if (this.workers) event.preventDefault();
    });
    document.addEventListener("htmx:beforeRequest", ({ target }) => {
      if (target.id === "arrived") this.asked = !this.workers;
    });
    document.addEventListener("htmx:afterOnLoad", ({ target }) => {
      if (target.id !== "arrived") return;
      this.looked ||= this.asked && !this.workers;
      setTimeout(() => this.checked() === this.said || this.list());
    });
    document.addEventListener("htmx:afterSwap", () => {
      const hint = this.find("send-hint");
      if (hint) hint.hidden = Boolean(document.querySelector("#images table"));
    });
  }

  async dropped(event, drop) {
    event.preventDefault();
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    this.find("stop-upload").hidden = false;
    for (const entry of entries) this.add(await filesOf(entry));
  }
}

function list(verdicts) {
  const most = 500;
  const items = verdicts.slice(0, most).map(({ name, reason }) => {
    const item = document.createElement("li");
    item.textContent = reason ? `${name}: ${reason}` : name;
    return item;
  });
  const element = document.createElement("ul");
  element.append(...items);
  if (verdicts.length > most) {
    const more = document.createElement("li");
    more.textContent = `and ${(verdicts.length - most).toLocaleString("en-GB")} more`;
    element.append(more);
  }
  return element;
}

export function startUpload() {
  const section = document.getElementById("upload");
  if (section) new Upload(section).start();
}
