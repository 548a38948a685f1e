// SPDX-License-Identifier: BSD-2-Clause
// Set up a machine: what to type on it, and what its boot-args do. All of it is worked out here,
// and stands in the address, so that it can be sent to somebody.
import wasm from 'advice.wasm';
import { h, replace } from './dom.js';
import { fetchAdvice } from './setup-advice.js';
import { Decoder } from './setup-decoder.js';
import { Steps } from './setup-steps.js';

export const title = 'Set up a machine';

let loading = null; // once for the life of the page; anew when it failed

function load() {
  loading ??= fetchAdvice(wasm).catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** An address that another machine may reach this one by, or "". */
function ownAddress(listening) {
  const quad = /^\d{1,3}(\.\d{1,3}){3}$/, own = (text) => quad.test(text) && !/^(0|127)\./.test(text);
  return [location.hostname, ...listening.map(({ address }) => address)].find(own) ?? '';
}

/** What the server says of itself; nothing, when it cannot be asked. */
async function whoListens(app) {
  try {
    return (await app.api('/api/now')).server?.listening ?? [];
  } catch {
    return [];
  }
}

export async function show(root, params, app) {
  const [advice, listening] = await Promise.all([load(), whoListens(app)]);
  const known = advice.ask('known');
  const steps = new Steps(advice, known, params.query, { address: ownAddress(listening), listening }, {
    changed: keep,
    explain: (line) => decoder.take(line),
  });
  const decoder = new Decoder(advice, known, params.query, keep);

  function keep() {
    const query = new URLSearchParams([...steps.query(), ...decoder.query()]);
    history.replaceState(null, '', `/setup${query.size ? `?${query}` : ''}`);
  }

  replace(root, h('h1', null, title), steps.element, decoder.element);
  return () => {};
}
