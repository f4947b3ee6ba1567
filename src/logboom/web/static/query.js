// The query box: completion of fields and values, history, errors where they are.

import { $, make, quoted } from "./dom.js";
import { get } from "./api.js";

const KEY = "logboom-queries";

export class QueryBox {
  constructor(run, scope) {
    this.input = $("query");
    this.list = $("proposals");
    this.fields = ["level", "logger", "message", "process", "program", "exc"]; // until the server says more
    this.levels = ["debug", "info", "warning", "error", "critical"];
    this.run = run;
    this.scope = scope;
    this.chosen = -1;
    $("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.close();
      this.remember();
      run(this.input.value);
    });
    this.input.addEventListener("input", () => this.propose());
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  history() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? [];
    } catch {
      return [];
    }
  }

  remember() {
    const text = this.input.value.trim();
    if (!text) return;
    try {
      localStorage.setItem(KEY, JSON.stringify([text, ...this.history().filter((one) => one !== text)].slice(0, 30)));
    } catch {
      return; // private windows have no storage
    }
  }

  key(event) {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return this.show(this.history().map((text) => ({ text, whole: true })));
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.choose((this.chosen + step + this.list.children.length) % this.list.children.length);
    } else if ((event.key === "Enter" || event.key === "Tab") && open && this.chosen >= 0) {
      event.preventDefault();
      this.take(this.chosen);
    } else if (event.key === "Escape") {
      if (open) event.stopPropagation();
      else this.input.blur();
      this.close();
    }
  }

  async propose() {
    $("trouble").hidden = true;
    const before = this.input.value.slice(0, this.input.selectionStart);
    const word = /(?:^|[\s(])(-?)([^\s()"]*)$/.exec(before);
    if (!word || !word[2]) return this.close();
    const value = /^([A-Za-z_@][\w.@-]*)(!=|>=|<=|:|=|>|<)(.*)$/.exec(word[2]);
    if (!value) {
      const start = word[2].toLowerCase();
      const names = ["last", "since", "until", "mark", ...this.fields].filter((name) => name.toLowerCase().startsWith(start));
      return this.show(names.slice(0, 12).map((name) => ({ text: `${name}:`, cut: word[2].length })));
    }
    const [, field, , part] = value;
    if (field === "level") {
      const levels = this.levels.filter((name) => name.startsWith(part.toLowerCase()));
      return this.show(levels.map((text) => ({ text, cut: part.length })));
    }
    if (["last", "since", "until", "mark", "time", "message"].includes(field)) return this.close();
    try {
      const asked = this.input.value;
      const found = await get("facet", { ...this.scope(), q: "", field, search: part, limit: 12 }, "completion");
      if (this.input.value !== asked) return;
      const values = found.values.filter((one) => one.value !== null);
      this.show(values.map((one) => ({
        text: /^[\w./@-]+$/.test(one.value) ? one.value : quoted(one.value), cut: part.length, note: one.records.toLocaleString("en"),
      })));
    } catch {
      this.close();
    }
  }

  show(proposals) {
    this.proposals = proposals;
    this.chosen = -1;
    this.list.replaceChildren(...proposals.map((one, index) => make("li", {
      role: "option", id: `proposal-${index}`, "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); this.take(index); },
    }, make("span", {}, one.text), one.note ? make("small", {}, one.note) : null)));
    this.list.hidden = !proposals.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
  }

  choose(index) {
    this.chosen = index;
    [...this.list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === index)));
    this.input.setAttribute("aria-activedescendant", `proposal-${index}`);
  }

  take(index) {
    const { text, cut, whole } = this.proposals[index];
    const place = this.input.selectionStart;
    if (whole) this.input.value = text;
    else {
      const before = this.input.value.slice(0, place - cut) + text;
      this.input.value = before + this.input.value.slice(place);
      this.input.setSelectionRange(before.length, before.length);
    }
    this.close();
    if (text.endsWith(":")) this.propose();
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  trouble(error) {
    const box = $("trouble");
    box.hidden = error === null;
    this.input.setAttribute("aria-invalid", String(error !== null));
    if (error === null) return;
    const [pre, text] = box.children;
    pre.hidden = !error.column;
    const query = this.input.value;
    if (error.column) {
      const start = error.column - 1;
      const end = start + Math.max(error.length ?? 1, 1);
      pre.replaceChildren(query.slice(0, start), make("mark", {}, query.slice(start, end) || " "), query.slice(end));
    }
    text.textContent = error.message;
  }
}
