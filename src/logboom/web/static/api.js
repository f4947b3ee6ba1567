// The JSON API. A newer request for the same thing ends the older one, and with it its process.

const running = new Map();

export class Trouble extends Error {
  constructor(values) {
    super(values.message);
    Object.assign(this, values);
  }
}

export function url(name, parameters) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== "" && one !== null && one !== undefined) search.append(key, one);
    }
  }
  return `api/${name}?${search}`;
}

export async function get(name, parameters = {}, slot = name) {
  running.get(slot)?.abort();
  const abort = new AbortController();
  running.set(slot, abort);
  try {
    const answer = await fetch(url(name, parameters), { signal: abort.signal });
    if (answer.status === 401) location.reload();
    const values = await answer.json();
    if (!answer.ok) throw new Trouble(values);
    return values;
  } catch (error) {
    if (error.name === "AbortError" || error instanceof Trouble) throw error;
    throw new Trouble({ message: "The server does not answer", column: null, status: 0 });
  } finally {
    if (running.get(slot) === abort) running.delete(slot);
  }
}
