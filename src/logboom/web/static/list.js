// A list of any length in about 60 rows that are used again and again.

import { clock, day, make, severity } from "./dom.js";

const MOST = 100_000;
const CHARACTERS = 24_000_000;

export class List {
  constructor(box, sizer, events) {
    this.box = box;
    this.sizer = sizer;
    this.events = events;
    this.rows = [];
    this.known = new Set();
    this.characters = 0;
    this.current = null;
    this.pool = [];
    this.several = false;
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => {
      events.resized();
      this.draw();
    }).observe(box);
    box.addEventListener("click", (event) => {
      const index = event.target.closest("[data-index]")?.dataset.index;
      if (index !== undefined) events.open(this.rows[index], Number(index));
    });
  }

  get height() {
    return matchMedia("(max-width: 700px)").matches ? 44 : 24;
  }

  get atEnd() {
    return this.box.scrollTop + this.box.clientHeight >= this.sizer.offsetHeight - 4;
  }

  end() {
    this.resize();
    this.box.scrollTop = this.sizer.offsetHeight;
  }

  clear() {
    this.rows = [];
    this.known.clear();
    this.characters = 0;
    this.current = null;
    this.draw();
  }

  fresh(rows) {
    const found = rows.filter((row) => row.gap || !this.known.has(row.id));
    for (const row of found) {
      this.known.add(row.id);
      this.characters += (row.message?.length ?? 0) + 200;
    }
    return found;
  }

  append(rows, follow) {
    this.rows.push(...this.fresh(rows));
    let cut = 0;
    if (follow) cut = this.trimmed();
    this.resize();
    if (follow) this.box.scrollTop = this.sizer.offsetHeight;
    else if (cut) this.box.scrollTop -= cut * this.height;
    this.draw();
  }

  trimmed() {
    let cut = Math.max(this.rows.length - MOST, 0);
    let characters = this.characters;
    for (let index = 0; characters > CHARACTERS && index < this.rows.length; index++) {
      characters -= (this.rows[index].message?.length ?? 0) + 200;
      cut = Math.max(cut, index + 1);
    }
    if (cut) {
      for (const row of this.rows.splice(0, cut)) {
        this.known.delete(row.id);
        this.characters -= (row.message?.length ?? 0) + 200;
      }
      if (this.current !== null) this.current = Math.max(this.current - cut, 0);
    }
    return cut;
  }

  prepend(rows) {
    const found = this.fresh(rows);
    this.rows.unshift(...found);
    if (this.current !== null) this.current += found.length;
    this.resize();
    this.box.scrollTop += found.length * this.height; // the anchor row stays where it is
    this.draw();
  }

  replace(index, rows) {
    const found = this.fresh(rows);
    this.rows.splice(index, 1, ...found);
    this.resize();
    this.draw();
  }

  resize() {
    this.sizer.style.height = `${this.rows.length * this.height}px`;
  }

  scrolled() {
    this.draw();
    if (this.box.scrollTop < 40 * this.height) this.events.top();
    if (this.atEnd) this.events.bottom();
    this.events.scrolled();
  }

  draw() {
    const height = this.height;
    this.resize();
    const first = Math.max(Math.floor(this.box.scrollTop / height) - 5, 0);
    const wanted = Math.min(Math.ceil(this.box.clientHeight / height) + 10, 90);
    while (this.pool.length < wanted) {
      const row = make("div", { class: "row", role: "option" });
      for (const name of ["time", "level", "logger", "message", "more"]) row.append(make("span", { class: name }));
      this.pool.push(row);
      this.sizer.append(row);
    }
    const drawn = this.current !== null && this.current >= first && this.current < first + wanted;
    if (drawn) this.box.setAttribute("aria-activedescendant", `row-${this.current}`);
    else this.box.removeAttribute("aria-activedescendant");
    this.pool.forEach((element, place) => {
      const index = first + place;
      const row = place < wanted ? this.rows[index] : undefined;
      element.hidden = row === undefined;
      if (row !== undefined) this.fill(element, row, index, height);
    });
  }

  fill(element, row, index, height) {
    element.style.transform = `translateY(${index * height}px)`;
    element.dataset.index = index;
    element.id = `row-${index}`;
    element.setAttribute("aria-selected", String(index === this.current));
    const [time, level, logger, message, more] = element.children;
    if (row.gap) {
      element.className = "row gap";
      time.textContent = level.textContent = logger.textContent = more.textContent = "";
      message.textContent = row.text;
      return;
    }
    element.className = `row ${severity(row)}${row.marked ? " marked" : ""}`;
    time.textContent = clock(row.time);
    time.title = `${day(row.time)} ${clock(row.time)}`;
    level.textContent = row.level ?? "";
    logger.textContent = this.several ? `${row.set} ${row.logger ?? ""}` : (row.logger ?? row.program ?? "");
    message.textContent = row.message.slice(0, 2000);
    more.textContent = row.lines ? `+${row.lines}` : row.clipped ? "…" : "";
  }

  select(index) {
    if (!this.rows.length) return;
    this.current = Math.min(Math.max(index, 0), this.rows.length - 1);
    const top = this.current * this.height;
    if (top < this.box.scrollTop) this.box.scrollTop = top - 2 * this.height;
    else if (top + this.height > this.box.scrollTop + this.box.clientHeight) {
      this.box.scrollTop = top - this.box.clientHeight + 3 * this.height;
    }
    this.draw();
  }

  center(id) {
    const index = this.rows.findIndex((row) => row.id === id);
    if (index < 0) return;
    this.rows[index].marked = true;
    this.current = index;
    this.box.scrollTop = index * this.height - this.box.clientHeight / 2;
    this.draw();
  }

  next(test, step) {
    const start = this.current ?? (step > 0 ? -1 : this.rows.length);
    for (let index = start + step; index >= 0 && index < this.rows.length; index += step) {
      if (test(this.rows[index])) return this.select(index);
    }
  }
}
