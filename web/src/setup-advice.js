// SPDX-License-Identifier: BSD-2-Clause
// What panicctl knows of boot-args and of setting machines up: the same code, compiled to
// WebAssembly. Once it is loaded, nobody has to be asked.

/** What was asked for cannot be; the message is for a person. */
export class AdviceError extends Error {}

export class Advice {
  #module;
  #exports;

  /** @param module a WebAssembly.Module of src/advice */
  constructor(module) {
    this.#module = module;
    this.#start();
  }

  #start() {
    this.#exports = new WebAssembly.Instance(this.#module, {}).exports;
  }

  /** @param about what advice.h lists; @param values of the question. Throws AdviceError */
  ask(about, values = {}) {
    const pairs = [['ask', about], ...Object.entries(values)];
    const text = pairs.map(([name, value]) => `${name}=${String(value).replaceAll('\0', '\ufffd')}\0`).join('');
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > this.#exports.question_cap()) throw new AdviceError('the line is too long: at most 2041 bytes');
    const answer = JSON.parse(this.#call(bytes));
    if ('error' in answer) throw new AdviceError(answer.error);
    return answer;
  }

  #call(bytes) {
    try {
      const { memory, question, ask, answer } = this.#exports;
      new Uint8Array(memory.buffer, question(), bytes.length).set(bytes);
      return new TextDecoder().decode(new Uint8Array(memory.buffer, answer(), ask(bytes.length)));
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.#start(); // what it held is not to be trusted any more
      throw new AdviceError('this cannot be worked out here, which is a fault of panicweb: ask panicctl');
    }
  }
}

/** @param url of the module */
export async function fetchAdvice(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`panicweb does not hand out ${url} (status ${answer.status}).`);
  return new Advice(await WebAssembly.compile(await answer.arrayBuffer()));
}
