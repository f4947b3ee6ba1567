// Elements and words. Text from logs reaches the page only as text nodes and attributes of our own.

export const $ = (id) => document.getElementById(id);

export function make(name, attributes = {}, ...children) {
  const element = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const count = (number) => number.toLocaleString("en");
export const records = (number) => `${count(number)} ${number === 1 ? "record" : "records"}`;

const two = (number) => String(number).padStart(2, "0");

export function clock(seconds) {
  const time = new Date(seconds * 1000);
  const millis = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${millis}`;
}

export function day(seconds) {
  const time = new Date(seconds * 1000);
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
}

export const moment = (seconds) => `${day(seconds)} ${clock(seconds)}`;

export function severity(record) {
  const number = record.severity ?? 20;
  return number >= 50 ? "critical" : number >= 40 ? "error" : number >= 30 ? "warning" : number >= 20 ? "info" : "debug";
}

export function severityOf(name) {
  const text = (name || "").toLowerCase();
  if (/crit|fatal|emerg|alert/.test(text)) return "critical";
  if (/err|exc/.test(text)) return "error";
  if (/warn/.test(text)) return "warning";
  if (/debug|trace|notset/.test(text)) return "debug";
  return "info";
}

export const quoted = (text) => `"${String(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

export function say(text) {
  $("said").textContent = text;
}
