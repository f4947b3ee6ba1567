// The page. The URL is its state: whatever can be seen has an address.

import { $, clock, count, make, moment, quoted, records, say, severity, severityOf } from "./dom.js";
import { get, url } from "./api.js";
import { List } from "./list.js";
import { Histogram } from "./histogram.js";
import { QueryBox } from "./query.js";

const PAUSED_MOST = 20_000;
const FACETS = ["level", "logger", "program", "process"];

const state = read();
let live = null; // the stream, or the timer of polls
let position = null;
let paused = false;
let waiting = []; // what came while paused
let leftOut = 0;
let moreBefore = false;
let moreAfter = false;
let loading = false;
let sets = [];
let marks = [];
const openFacets = new Map(); // field -> what is searched for in its values

const list = new List($("list"), $("sizer"), {
  open: (row, index) => (row.gap ? openGap(row, index) : open(row, index)),
  top: loadBefore,
  bottom: loadAfter,
  resized: () => {
    if (following() && !paused) list.end();
  },
  scrolled: () => {
    if (following() && !paused && !list.atEnd) pause(true);
  },
});
const histogram = new Histogram($("histogram"), (from, to) => go({ since: from.toFixed(3), until: to.toFixed(3), around: "" }));
const box = new QueryBox((query) => go({ q: query, around: "" }), scope);

function read() {
  const given = new URLSearchParams(location.search);
  const text = (name) => given.get(name) ?? "";
  return {
    q: text("q"), since: text("since"), until: text("until"), set: given.getAll("set"), view: text("view") || "records",
    record: text("record"), around: text("around"), keep: text("keep") || "all", new_since: text("new_since"),
    before: text("before"), after: text("after"), field: text("field"), process: text("process"),
  };
}

function address(values) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one && !(key === "view" && one === "records") && !(key === "keep" && one === "all")) search.append(key, one);
    }
  }
  const text = search.toString();
  return text ? `?${text}` : location.pathname;
}

function go(changes, push = true) {
  Object.assign(state, changes);
  history[push ? "pushState" : "replaceState"](null, "", address(state));
  show();
}

addEventListener("popstate", () => {
  Object.assign(state, read());
  show();
});

function scope() {
  return { since: state.since, until: state.until, set: state.set };
}

function asked() {
  return { q: state.q, ...scope() };
}

function following() {
  return state.view === "records" && !state.until && !state.around;
}

// --- what is shown ---

function show() {
  $("query").value = state.q;
  const known = [...$("range").options].some((option) => option.value === state.since);
  $("range").value = state.until || !known ? "custom" : state.since;
  $("range").options[5].textContent = state.until || !known ? span() : "Chosen span";
  for (const button of document.querySelectorAll("nav [data-view]")) {
    button.setAttribute("aria-current", button.dataset.view === state.view ? "page" : "false");
  }
  const inList = state.view === "records";
  $("list").hidden = !inList;
  $("other").hidden = inList;
  $("context-bar").hidden = !(inList && state.around);
  for (const button of document.querySelectorAll("[data-around]")) {
    button.setAttribute("aria-pressed", String(button.dataset.around === state.keep));
  }
  $("pause").hidden = !inList;
  $("pause").disabled = !following();
  list.several = sets.length > 1 && state.set.length !== 1;
  box.trouble(null);
  stop();
  pause(false, true);
  if (inList) start();
  else others[state.view]?.();
  overview();
  if (state.record) details(state.record);
  else $("details").hidden = true;
}

function span() {
  const word = (text) => (/^\d{9,}/.test(text) ? clock(Number(text)).slice(0, 8) : text);
  return `${word(state.since) || "…"} – ${word(state.until) || "now"}`;
}

function failed(error) {
  if (error.name === "AbortError") return;
  box.trouble(error);
  say(error.message);
  $("pause").querySelector("b").textContent = following() ? "Ended" : "Live";
}

function start() {
  list.clear();
  moreBefore = moreAfter = false;
  position = null;
  if (following()) return connect(true);
  load();
}

async function load() {
  const parameters = { ...asked(), limit: 400, around: state.around };
  if (state.around && state.keep === "all") parameters.q = "";
  if (state.around && state.keep === "process") parameters.q = state.process ? `process=${state.process}` : "";
  if (state.around) parameters.since = parameters.until = "";
  try {
    const found = await get("records", parameters, "records");
    list.append(found.records, !state.around);
    moreBefore = found.more_before;
    moreAfter = found.more_after;
    if (state.around) list.center(state.around);
    nothing(found.notes);
  } catch (error) {
    failed(error);
  }
}

function pageOf() {
  const parameters = { ...asked(), limit: 400 };
  if (state.around) {
    parameters.since = parameters.until = "";
    parameters.q = state.keep === "filter" ? state.q : state.keep === "process" && state.process ? `process=${state.process}` : "";
  }
  return parameters;
}

async function loadBefore() {
  const first = list.rows.find((row) => !row.gap);
  if (loading || !moreBefore || !first) return;
  loading = true;
  try {
    const found = await get("records", { ...pageOf(), before: first.id }, "before");
    moreBefore = found.more_before;
    list.prepend(found.records);
  } catch (error) {
    if (error.name !== "AbortError") moreBefore = false;
  } finally {
    loading = false;
  }
}

async function loadAfter() {
  const last = list.rows.findLast((row) => !row.gap);
  if (loading || !moreAfter || !last) return;
  loading = true;
  try {
    const found = await get("records", { ...pageOf(), after: last.id }, "after");
    moreAfter = found.more_after;
    list.append(found.records, false);
  } catch (error) {
    if (error.name !== "AbortError") moreAfter = false;
  } finally {
    loading = false;
  }
}

function nothing(notes = []) {
  $("list").dataset.empty = list.rows.length ? "" : "Nothing found. Widen the time, or take a word out of the query.";
  if (notes.length) $("summary").title = notes.join("\n");
}

// --- live ---

function connect(fresh) {
  if (document.hidden) return;
  if (document.documentElement.dataset.live === "poll") return poll();
  const source = new EventSource(url("stream", { ...asked(), position: fresh ? "" : position }));
  live = source;
  source.addEventListener("batch", (event) => {
    const batch = JSON.parse(event.data);
    const first = position === null;
    position = batch.position;
    if (first) {
      moreBefore = batch.records.length >= 200;
      list.append(batch.records, true);
      nothing();
    } else arrive(batch);
    if (!paused) $("pause").querySelector("b").textContent = "Live";
  });
  source.addEventListener("trouble", (event) => {
    stop();
    failed(JSON.parse(event.data));
  });
  source.addEventListener("error", () => {
    if (!paused) $("pause").querySelector("b").textContent = "Reconnecting";
    if (source.readyState !== EventSource.CLOSED) return;
    // Refused, or a proxy's error: the browser would not try again by itself.
    get("sets").catch(() => null);
    if (live === source) live = { close() {}, timer: setTimeout(() => live && connect(false), 2000) };
  });
}

async function poll() {
  const turn = { close() { this.over = true; } };
  live = turn;
  while (live === turn) {
    try {
      const batch = await get("poll", { ...asked(), position }, "poll");
      if (live !== turn) return;
      const first = position === null;
      position = batch.position;
      if (first) {
        moreBefore = batch.records.length >= 200;
        list.append(batch.records, true);
        nothing();
      } else arrive(batch);
    } catch (error) {
      if (error.status !== 0) return failed(error);
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

function stop() {
  live?.close();
  if (live?.timer) clearTimeout(live.timer);
  live = null;
}

function arrive(batch) {
  const rows = batch.gap ? [gap(batch), ...batch.records] : batch.records;
  if (!rows.length) return;
  stale += rows.length;
  // Who has scrolled back must not be carried to the end by what comes before the scroll is noticed.
  if (!paused && !list.atEnd) pause(true);
  if (!paused) return list.append(rows, true);
  waiting.push(...rows);
  if (waiting.length > PAUSED_MOST) {
    leftOut += waiting.length - PAUSED_MOST;
    waiting = waiting.slice(-PAUSED_MOST);
  }
  freshButton();
}

function gap(batch) {
  const text = batch.gap.records === null ? batch.gap.why : `${records(batch.gap.records)} left out`;
  return { gap: true, id: `gap-${Math.random()}`, text: `${text}. Show them`, until: batch.records[0]?.id ?? "" };
}

async function openGap(row, index) {
  const before = list.rows.slice(0, index).findLast((one) => !one.gap);
  const after = list.rows.slice(index).find((one) => !one.gap);
  if (!before) return;
  const found = await get("records", { ...asked(), after: before.id, limit: 1000 }, "gap").catch(failed);
  if (!found) return;
  const end = found.records.findIndex((one) => one.id === after?.id);
  const rows = end >= 0 ? found.records.slice(0, end) : found.records;
  list.replace(index, end >= 0 || !found.more_after ? rows : [...rows, { ...row, text: "More was left out. Show it" }]);
}

function freshButton() {
  const button = $("fresh");
  button.hidden = !waiting.length;
  button.textContent = `${count(waiting.length + leftOut)} new ↓`;
}

function pause(wanted, quiet = false) {
  paused = wanted;
  const button = $("pause");
  button.setAttribute("aria-pressed", String(paused));
  button.querySelector("b").textContent = paused ? "Paused" : following() ? "Live" : "Past";
  if (!paused) {
    const rows = leftOut ? [{ gap: true, id: `gap-${Math.random()}`, text: `${records(leftOut)} left out. Show them` }, ...waiting] : waiting;
    waiting = [];
    leftOut = 0;
    freshButton();
    if (!quiet) list.append(rows, true);
  }
  if (!quiet) say(paused ? "Paused" : "Live");
}

document.addEventListener("visibilitychange", () => {
  if (!following()) return;
  if (document.hidden) stop();
  else if (live === null) connect(position === null);
});

// --- counts ---

let stale = 0;
let lastOverview = 0;

async function overview() {
  const began = performance.now();
  stale = 0;
  try {
    const found = await get("overview", { ...asked(), steps: 120 }, "overview");
    histogram.draw(found);
    const errors = found.levels.filter((one) => /error|critical/.test(severityOf(one.value))).reduce((sum, one) => sum + one.records, 0);
    const when = found.first === null ? "" : `, ${moment(found.first).slice(0, 19)} to ${moment(found.last).slice(0, 19)}`;
    $("summary").textContent = `${records(found.records)}${errors ? `, ${count(errors)} errors` : ""}${when}`;
    facets(found);
  } catch (error) {
    if (error.name !== "AbortError") $("summary").textContent = error.message;
  }
  lastOverview = performance.now() - began;
}

setInterval(() => {
  // Counting again costs the server; it rests ten times as long as the last one took.
  if (stale && !document.hidden && !paused && performance.now() > (overview.due ?? 0)) {
    overview.due = performance.now() + Math.max(5000, 10 * lastOverview);
    overview();
  }
}, 1000);

function facets(found) {
  const parts = [];
  if (found.sets.length > 1 || state.set.length) {
    const names = new Set([...found.sets.map((one) => one.value), ...sets.map((one) => one.name)]);
    const values = [...names].map((value) => found.sets.find((one) => one.value === value) ?? { value, records: 0 });
    parts.push(facet("set", values, found.records, true));
  }
  parts.push(facet("level", found.levels, found.records), facet("logger", found.loggers, found.records), facet("program", found.programs, found.records));
  for (const field of openFacets.keys()) {
    const old = $("facets").querySelector(`[data-field="${CSS.escape(field)}"]`);
    if (!FACETS.slice(0, 3).includes(field)) parts.push(old ?? facet(field, [], 0));
  }
  const choice = make("select", { "aria-label": "Another field", onchange: (event) => event.target.value && openFacet(event.target.value) },
    make("option", { value: "" }, "Another field …"),
    ...box.fields.filter((name) => !["level", "logger", "program", "time", "message"].includes(name)).map((name) => make("option", { value: name }, name)));
  const focus = document.activeElement?.closest?.("[data-field]")?.dataset.field;
  if (focus && document.activeElement.tagName === "INPUT") return; // someone types there
  $("facets").replaceChildren(...parts, make("div", { class: "facet" }, choice));
}

async function openFacet(field, search = "") {
  openFacets.set(field, search);
  try {
    const found = await get("facet", { ...asked(), field, search, limit: 30 }, `facet-${field}`);
    const element = facet(field, found.values, found.total, false, search);
    const old = $("facets").querySelector(`[data-field="${CSS.escape(field)}"]`);
    if (old) {
      old.querySelector("ul").replaceWith(element.querySelector("ul"));
    } else $("facets").lastElementChild.before(element);
  } catch (error) {
    failed(error);
  }
}

function facet(field, values, total, isSet = false, search = "") {
  const items = values.map(({ value, records: number }) => {
    const shown = value ?? "(none)";
    const share = total ? number / total : 0;
    const query = value === null ? `-${field}:*` : field === "level" ? `level:${word(value)}` : `${field}=${word(value)}`;
    const chosen = isSet ? state.set.includes(value) : state.q.includes(query);
    const include = () => (isSet ? go({ set: chosen ? state.set.filter((one) => one !== value) : [...state.set, value] }) : toggle(query));
    const bar = make("i", { class: field === "level" ? severityOf(value) : "" });
    bar.style.width = `${share * 100}%`;
    return make("li", { class: chosen ? "chosen" : "" },
      make("button", { type: "button", class: "value", "aria-pressed": String(chosen), title: shown, onclick: include },
        bar, make("span", {}, shown), make("small", {}, `${count(number)} · ${share > 0 && share < 0.01 ? "<1" : Math.round(share * 100)}%`)),
      isSet ? null : make("button", { type: "button", class: "not", "aria-label": `Not ${shown}`, title: "Not this", onclick: () => toggle(query.startsWith("-") ? query.slice(1) : `-${query}`) }, "−"));
  });
  const input = isSet || field === "level" ? null : make("input", {
    type: "search", value: search, placeholder: "Search in values", "aria-label": `Search in values of ${field}`,
    oninput: (event) => { clearTimeout(facet.timer); facet.timer = setTimeout(() => openFacet(field, event.target.value), 250); },
  });
  return make("div", { class: "facet", "data-field": field }, make("h2", {}, isSet ? "log set" : field), input, make("ul", {}, ...items));
}

const word = (text) => (/^[\w./@-]+$/.test(text) && !/^-/.test(text) ? text : quoted(text));

function toggle(part) {
  const opposite = part.startsWith("-") ? part.slice(1) : `-${part}`;
  let query = state.q;
  const without = (text) => ` ${query} `.replace(` ${text} `, " ").trim();
  if (` ${query} `.includes(` ${part} `)) query = without(part);
  else {
    query = without(opposite);
    const loose = /\bOR\b/.test(query) && !/^\(.*\)$/.test(query);
    query = `${loose ? `(${query})` : query} ${part}`.trim();
  }
  go({ q: query });
}

// --- one record ---

function open(row, index) {
  if (index !== undefined) {
    list.current = index;
    if (following() && !paused) pause(true);
    list.draw();
  }
  state.record = row.id;
  history.replaceState(null, "", address(state));
  details(row.id);
}

async function details(id, most) {
  const panel = $("details");
  let found;
  try {
    found = await get("record", { id, most: most ?? "" }, "record");
  } catch (error) {
    if (error.name === "AbortError") return;
    panel.replaceChildren(make("p", { class: "note" }, error.message), button("Close", closeDetails));
    panel.hidden = false;
    return;
  }
  const { record } = found;
  const around = (keep) => () => go({ around: id, keep, process: String(record.process ?? ""), view: "records" });
  const ids = found.fields.filter((field) => /^(trace|request|correlation)(_?id)?$|^otelTraceID$/i.test(field.name) && field.only);
  const fields = found.fields.filter((field) => field.name !== "message");
  panel.replaceChildren(...[
    make("div", { class: "head" },
      make("h2", { class: severity(record) }, record.level ?? "Record"), make("time", {}, moment(record.time)),
      button("×", closeDetails, { "aria-label": "Close", class: "close" })),
    make("div", { class: "tools" },
      button("Around it", around("all"), { title: "c" }), button("With the filter", around("filter")),
      record.process === null ? null : button("Its process", around("process")),
      ...ids.map((field) => button(`Its ${field.name}`, () => go({ q: field.only, since: "", until: "", around: "", record: "" }))),
      button("New since", () => go({ view: "new", new_since: String(record.time), record: "" })),
      button("Copy", () => navigator.clipboard?.writeText(found.text).then(() => say("Copied"))),
      button("Link", () => navigator.clipboard?.writeText(location.href).then(() => say("Link copied")))),
    make("pre", { tabindex: 0, "aria-label": "Text" }, found.text),
    found.text.length < found.size && !most ? button(`Show all of it (${count(found.size)} bytes)`, () => details(id, 1 << 25)) : null,
    make("table", {}, make("tbody", {}, ...fields.map((field) => make("tr", {},
      make("th", { scope: "row" }, field.name), make("td", {}, field.value.slice(0, 2000)),
      make("td", { class: "acts" }, ...(field.only ? [
        button("only this", () => toggle(field.only), { "aria-label": `Only ${field.name} ${field.value}` }),
        button("not this", () => toggle(`-${field.only}`), { "aria-label": `Not ${field.name} ${field.value}` })] : []))))))].filter(Boolean));
  panel.hidden = false;
}

function closeDetails() {
  $("details").hidden = true;
  state.record = "";
  history.replaceState(null, "", address(state));
  $("list").focus({ preventScroll: true });
}

function button(text, action, attributes = {}) {
  return make("button", { type: "button", onclick: action, ...attributes }, text);
}

// --- patterns, new since, compare, requests ---

const others = {
  async patterns() {
    await fill("Looking for what repeats …", async () => {
      const found = await get("patterns", asked(), "other");
      return [title(`${count(found.distinct)} patterns in ${records(found.records)}`),
        table(["Records", "Level", "Logger", "Pattern", "First", "Last"], found.patterns.map((one) =>
          [count(one.records), level(one.level), one.logger, pattern(one), clock(one.first), clock(one.last)]))];
    });
  },

  async new() {
    const input = make("input", { value: state.new_since, placeholder: "03:00, -2h, mark:deploy", "aria-label": "Since", list: "marks" });
    const form = make("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); go({ new_since: input.value }); } },
      make("label", {}, "What is new since ", input), make("button", {}, "Show"),
      make("datalist", { id: "marks" }, ...marks.map((mark) => make("option", { value: `mark:${mark.name}` }))),
      ...marks.slice(-5).reverse().map((mark) => button(mark.name, () => go({ new_since: `mark:${mark.name}` }), { title: moment(mark.time), class: "mark" })));
    if (!state.new_since) return $("other").replaceChildren(form, note("A time, an age, or a mark. `logboom mark \"deploy 41\"` puts one into the log."));
    await fill("Comparing …", async () => changes(await get("changes", { ...asked(), new_since: state.new_since }, "other")), form);
  },

  async compare() {
    const now = histogram.values;
    const half = now?.first ? [now.first, (now.first + now.last) / 2, now.last + 0.001].map((one) => one.toFixed(3)) : null;
    const one = make("input", { value: state.before || (half ? `${half[0]}..${half[1]}` : ""), "aria-label": "First window", placeholder: "02:00..03:00" });
    const two = make("input", { value: state.after || (half ? `${half[1]}..${half[2]}` : ""), "aria-label": "Second window", placeholder: "03:00..04:00" });
    const form = make("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); go({ before: one.value, after: two.value }); } },
      make("label", {}, "Compare ", one), make("label", {}, " with ", two), make("button", {}, "Show"));
    if (!state.before || !state.after) return $("other").replaceChildren(form, note("Two windows of time, each from..to: what appeared, vanished, or changed its rate between them."));
    await fill("Comparing …", async () => changes(await get("changes", { ...asked(), before: state.before, after: state.after }, "other")), form);
  },

  async groups() {
    await fill("Looking for requests …", async () => {
      const found = await get("groups", { ...asked(), field: state.field }, "other");
      if (!found.field) return [note("No record here has an id of a request or a trace (trace_id, request_id, …).")];
      return [title(`Grouped by ${found.field}, the latest first`),
        table(["Began", "Seconds", "Records", "Worst", "Programs", found.field, "First message"], found.groups.map((one) =>
          [clock(one.first), (one.last - one.first).toFixed(3), count(one.records), level(one.level), one.programs.join(", "),
            button(one.value, () => go({ view: "records", q: `${found.field}=${quoted(one.value)}`, since: "", until: "" }), { class: "link" }), one.message]))];
    });
  },
};

async function fill(text, make_, form = null) {
  const parts = form ? [form] : [];
  $("other").replaceChildren(...parts, note(text));
  try {
    $("other").replaceChildren(...parts, ...(await make_()));
  } catch (error) {
    if (error.name === "AbortError") return;
    $("other").replaceChildren(...parts, note(error.message));
  }
}

const note = (text) => make("p", { class: "note" }, text);
const title = (text) => make("h2", {}, text);
const level = (name) => make("span", { class: `tag ${severityOf(name)}` }, name || "–");
const pattern = (one) => button(one.text || "(nothing)", () => filterBy(one), { class: "link", title: one.example.message });

function filterBy(one) {
  const pieces = one.text.split(/<(?:n|id|ip|time|str)>/).map((piece) => piece.replace(/ \[[\w.]+\]$/, "").trim()).filter((piece) => piece.length > 2);
  const parts = pieces.slice(0, 4).map(quoted);
  if (one.logger) parts.push(`logger=${word(one.logger)}`);
  if (one.level) parts.push(`level:${word(one.level)}`);
  go({ view: "records", q: parts.join(" ") });
}

function changes(found) {
  const rate = (number) => `${number.toLocaleString("en", { maximumFractionDigits: 1 })}/h`;
  if (!found.changes.length) return [note("Nothing changed: the same patterns at the same rates.")];
  return [title(`${count(found.total)} changes`),
    table(["Change", "Before", "After", "Rate before", "Rate after", "Level", "Logger", "Pattern", "First"], found.changes.map((one) =>
      [make("span", { class: `change ${one.change}` }, one.change), count(one.before), count(one.after), rate(one.rate_before), rate(one.rate_after),
        level(one.pattern.level), one.pattern.logger, pattern(one.pattern), clock(one.pattern.first)]))];
}

function table(heads, rows) {
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table" }, make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)))))));
}

// --- keys and buttons ---

$("pause").addEventListener("click", () => pause(!paused));
$("fresh").addEventListener("click", () => pause(false));
$("range").addEventListener("change", (event) => go({ since: event.target.value, until: "", around: "" }));
$("help-button").addEventListener("click", () => $("help").showModal());
$("facets-toggle").addEventListener("click", () => {
  const shown = $("facets").classList.toggle("shown");
  $("facets-toggle").setAttribute("aria-expanded", String(shown));
});
$("export").addEventListener("click", () => {
  for (const link of $("export-menu").querySelectorAll("a")) link.href = url("export", { ...asked(), format: link.dataset.format });
  $("export-menu").showModal();
});
for (const one of document.querySelectorAll("nav [data-view]")) {
  one.addEventListener("click", () => go({ view: one.dataset.view, around: "" }));
}
for (const one of document.querySelectorAll("[data-around]")) {
  one.addEventListener("click", () => (one.dataset.around ? go({ keep: one.dataset.around }) : go({ around: "", keep: "all" })));
}

const isError = (row) => !row.gap && (row.severity ?? 0) >= 40;
const isWarning = (row) => !row.gap && row.severity >= 30 && row.severity < 40;
const keys = {
  "/": () => $("query").focus(),
  " ": () => following() && pause(!paused),
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  e: () => reading(() => list.next(isError, 1)),
  E: () => reading(() => list.next(isError, -1)),
  w: () => reading(() => list.next(isWarning, 1)),
  W: () => reading(() => list.next(isWarning, -1)),
  g: () => reading(() => list.select(0)),
  G: () => list.select(list.rows.length - 1),
  Enter: () => list.current !== null && list.events.open(list.rows[list.current], list.current),
  c: () => {
    const row = list.rows[list.current];
    if (row && !row.gap) go({ around: row.id, keep: "all", process: String(row.process ?? "") });
  },
  "?": () => $("help").showModal(),
  Escape: () => ($("details").hidden ? state.around && go({ around: "" }) : closeDetails()),
};

function step(by) {
  reading(() => list.select(list.current === null ? list.rows.length - 1 : list.current + by));
}

function reading(move) {
  if (following() && !paused) pause(true);
  move();
  const row = list.rows[list.current];
  if (row && !row.gap) say(`${row.level ?? ""} ${row.logger ?? ""} ${row.message.slice(0, 200)}`);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const inField = event.target.matches("input, select, textarea");
  if (inField && event.key !== "Escape") return;
  if (event.target.matches("button, a, [tabindex='0']:not(#list)") && [" ", "Enter", "ArrowDown", "ArrowUp"].includes(event.key)) return;
  const action = state.view === "records" || ["/", "?", "Escape"].includes(event.key) ? keys[event.key] : null;
  if (!action) return;
  event.preventDefault();
  action();
});

// --- the beginning ---

async function begin() {
  try {
    const found = await get("sets");
    ({ sets, marks } = found);
    box.fields = found.fields;
    box.levels = found.levels;
    if (sets.length) document.title = `${sets.map((one) => one.name).join(", ")} – logboom`;
  } catch (error) {
    failed(error);
  }
  list.several = sets.length > 1 && state.set.length !== 1;
  list.draw();
  if (state.view === "new") show();
}

show();
begin();
