// SPDX-License-Identifier: BSD-2-Clause
// Elements from values. What is shown comes from machines that have crashed and from whoever can
// send a packet, so it becomes text and nothing else: there is no innerHTML in this page.

// Controls, and what turns the direction of text or cannot be seen. Line ends and tabs stay.
const STEERS =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** The same text, with what could steer its reader's eyes written out: \x1b, \u202e. */
export function visible(text) {
  return String(text).replace(STEERS, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

function append(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
}

function assign(element, attrs) {
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'hidden') element[name] = value;
    else element.setAttribute(name, value === true ? '' : visible(value));
  }
}

/**
 * h('a', {href: '/panics', onclick: f}, 'Panics')
 * Attributes: null, undefined and false are left out, "on..." is a listener. Children: strings,
 * numbers, nodes, arrays of them. There is no "style": the page's policy allows none.
 */
export function h(tag, attrs, ...children) {
  const element = document.createElement(tag);
  assign(element, attrs);
  append(element, children);
  return element;
}

/** As h(), for pictures. */
export function svg(tag, attrs, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  assign(element, attrs);
  append(element, children);
  return element;
}

/** Says something else; leaves the node alone if it says that already. */
export function say(node, text) {
  const safe = visible(text ?? '');
  if (node.textContent !== safe) node.textContent = safe;
}

/** Text from outside, whose direction does not touch its neighbours'. */
export function theirs(text, attrs) {
  return h('bdi', attrs, text);
}

export function replace(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/** What can be typed elsewhere, with a button that copies it. */
export function command(text) {
  const button = h('button', { type: 'button', class: 'quiet copy', 'aria-label': `Copy: ${text}` }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(button, 'Copied');
    } catch { // no clipboard without TLS: mark it, so that it can be copied by key
      getSelection().selectAllChildren(code);
      say(button, 'Marked');
    }
    setTimeout(() => say(button, 'Copy'), 2000);
  });
  const code = h('code', null, text);
  return h('div', { class: 'command' }, code, button);
}
