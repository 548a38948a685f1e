// SPDX-License-Identifier: BSD-2-Clause
// What panicweb answers, and what it says by itself.

export class ApiError extends Error {
  /** @param act what to do about it; may be "" */
  constructor(text, act, status) {
    super(text);
    this.act = act;
    this.status = status;
  }
}

/** The object at @p path. Throws ApiError, with sentences for a person. */
export async function api(path, options) {
  let answer, body;
  try {
    answer = await fetch(path, { headers: { Accept: 'application/json' }, ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('panicweb does not answer.', 'Is it still running? The page goes on by itself when it is back.', 0);
  }
  try {
    body = await answer.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(`panicweb gave an answer that is no JSON (status ${answer.status}).`, '', answer.status);
  }
  if (!answer.ok) throw new ApiError(body.error ?? `Status ${answer.status}.`, body.do ?? '', answer.status);
  return body;
}

const EVENTS = ['begin', 'progress', 'cause', 'complete', 'incomplete', 'checked', 'refused', 'status', 'server'];
const SILENCE_MS = 30000; // "status" comes every ten seconds
const AGAIN_MS = [1000, 2000, 4000, 8000];

/**
 * Events of the server, for as long as the page is open. A connection that ends, or says nothing for
 * half a minute, is made again. After that, and whenever the server says so, comes "reset": what
 * was missed is nowhere, read all again. "connection" comes with {live, since} when that changes.
 */
export class Live {
  #listeners = new Map();
  #source = null;
  #opened = 0;
  #tries = 0;
  #heard = 0;
  state = { live: false, since: Date.now() };

  start() {
    this.#connect();
    setInterval(() => {
      if (this.#source && Date.now() - this.#heard > SILENCE_MS) this.#again();
    }, 5000);
    addEventListener('online', () => !this.state.live && this.#again(0));
    addEventListener('pagehide', () => this.#source?.close());
    addEventListener('pageshow', (event) => event.persisted && this.#again(0));
  }

  /** @return a function that ends it */
  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    return () => this.#listeners.get(name).delete(listener);
  }

  #emit(name, data) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(data);
  }

  #set(live) {
    if (live === this.state.live) return;
    this.state = { live, since: Date.now() };
    this.#emit('connection', this.state);
  }

  #connect() {
    const source = new EventSource('/api/events');
    this.#source = source;
    this.#heard = Date.now();
    source.onopen = () => {
      this.#heard = Date.now();
      this.#tries = 0;
      this.#set(true);
      if (this.#opened++) this.#emit('reset', {});
    };
    // The browser's own repetition gives up on any answer but 200; ours does not.
    source.onerror = () => source === this.#source && this.#again();
    for (const name of EVENTS)
      source.addEventListener(name, (event) => {
        this.#heard = Date.now();
        let data;
        try {
          data = JSON.parse(event.data);
        } catch {
          return;
        }
        this.#emit(name, data);
      });
    source.addEventListener('reset', () => this.#emit('reset', {}));
  }

  #again(wait = AGAIN_MS[Math.min(this.#tries++, AGAIN_MS.length - 1)]) {
    this.#source?.close();
    this.#source = null;
    this.#set(false);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#connect(), wait * (1 + Math.random() / 2)); // not all viewers at once
  }
}
