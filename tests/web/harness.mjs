// SPDX-License-Identifier: BSD-2-Clause
// Pages of panicweb in Debian's Chromium, with the real panicd behind them. TAP goes out.
//
//   import { test, finish, Site } from './harness.mjs';
//   const site = await Site.start();               // skips the program where there is no chromium
//   test('a sentence', async () => {
//     const page = await site.open('/', { scheme: 'dark', width: 360 });
//     ...                                            // page: as playwright's; throw to fail
//   });
//   await finish();
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { install } from '../../web/npm.mjs';
import { Sender } from './kdp.mjs';

export { assert };

const here = dirname(fileURLToPath(import.meta.url));
const build = resolve(process.env.PND_BUILD ?? join(here, '../../build'));
const program = (name) => process.env[`PND_${name.toUpperCase()}`] ?? join(build, 'src', name, name);
export const panicctl = program('panicctl'), panicdump = program('panicdump');
const chromiumPath = process.env.PND_CHROMIUM ?? '/usr/bin/chromium';

export const WAIT_MS = 20000; // for anything that is to happen by itself
/** Both schemes, on a wall and on a phone. */
export const FORMS = ['light', 'dark'].flatMap((scheme) => [1280, 360].map((width) => ({ scheme, width })));

function skipAll(why) {
  console.log(`1..0 # SKIP ${why}`);
  process.exit(0);
}

/* ---- tests ---- */

const tests = [], closers = [], sites = [];

// A test that is told to end, or fails before finish(), leaves no server and no directory behind.
process.on('exit', () => sites.forEach((site) => site.abandon()));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

/** Queued; finish() runs them in order. What it returns as a string is printed as a remark. */
export function test(name, run) {
  tests.push({ name, run });
}

export async function finish() {
  let failed = 0, number = 0;
  for (const { name, run } of tests) {
    number++;
    const opened = pages.length;
    try {
      const said = await run();
      for (const page of pages.slice(opened)) assert.deepEqual(page.complaints, [], 'what the page complained of');
      console.log(`ok ${number} - ${name}`);
      if (typeof said === 'string') console.log(`# ${said}`);
    } catch (error) {
      failed++;
      console.log(String(error.stack ?? error).replace(/^/gm, '# '));
      console.log(`not ok ${number} - ${name}`);
      if (process.env.PND_SHOTS) await pages.at(-1)?.screenshot({ path: join(process.env.PND_SHOTS, `failed-${number}.png`) }).catch(() => {});
    }
    for (const page of pages.splice(opened)) await page.context().close().catch(() => {});
  }
  console.log(`1..${number}`);
  for (const close of closers.reverse()) await close();
  process.exit(failed ? 1 : 0);
}

/** What @p look returns, as soon as that is something; else fails, with @p what. */
export async function eventually(look, what = 'it', ms = WAIT_MS) {
  const end = Date.now() + ms;
  let last = null;
  for (;;) {
    try {
      const got = await look();
      if (got) return got;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw last ?? new Error(`waited ${ms} ms for ${what}`);
    await sleep(25);
  }
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/* ---- the browser ---- */

let browser = null, axeSource = null;
const pages = [];

async function launch() {
  if (browser) return browser;
  const require = createRequire(join(install(here, join(build, 'tests/web')), 'package.json'));
  axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
  browser = await require('playwright-core').chromium.launch({
    executablePath: chromiumPath, headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
  closers.push(() => browser.close());
  return browser;
}

/** Findings of axe-core that are serious or critical, as lines. The page's policy stays in force. */
export async function findings(page) {
  await page.evaluate(axeSource); // by the debugger, which no policy of a page binds
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
  });
}

/** Pixels by which the page is wider than the window. */
export function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** How much has jumped since the page was opened, but for what a key or a click moved. */
export function shifted(page) {
  return page.evaluate(() => globalThis.layoutShifts ?? []);
}

function watchShifts() {
  globalThis.layoutShifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      if (!entry.hadRecentInput)
        globalThis.layoutShifts.push({ value: entry.value, ms: entry.startTime, nodes: entry.sources.map(({ node }) => node?.parentElement?.className || node?.className || node?.nodeName || '?') });
  }).observe({ type: 'layout-shift', buffered: true });
}

/* ---- the server and the page's server ---- */

async function freePort() { // below those that the kernel gives to senders
  for (;;) {
    const port = 10000 + Math.floor(Math.random() * 22000), socket = createSocket('udp4');
    try {
      socket.bind(port, '127.0.0.1');
      await once(socket, 'listening');
      return port;
    } catch { /* taken */ } finally {
      socket.close();
    }
  }
}

async function ended(child) {
  if (child && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

export class Site {
  /**
   * panicd and panicweb over a new directory.
   * @param options.fill   function of the directory, called between two starts of panicd: its catalog is there
   * @param options.panicd false: panicd is not started @param options.web arguments of panicweb
   */
  static async start({ fill = null, panicd = true, web = [] } = {}) {
    for (const name of ['panicd', 'panicweb'])
      if (!existsSync(program(name))) skipAll(`${name} has not been built`);
    if (!existsSync(chromiumPath)) skipAll(`${chromiumPath} is not there: install chromium`);
    await launch();
    const site = new Site();
    sites.push(site);
    site.home = mkdtempSync(join(tmpdir(), 'panicweb-test-'));
    site.directory = join(site.home, 'dumps');
    site.config = join(site.home, 'panicd.conf');
    writeFileSync(site.config, '[policy]\nfloor = 0\n');
    site.port = await freePort();
    closers.push(() => site.remove());
    if (fill) {
      await site.startPanicd();
      await site.stopPanicd();
      await fill(site.directory);
    }
    if (panicd) await site.startPanicd();
    await site.startWeb(web);
    return site;
  }

  async startPanicd() {
    const log = openSync(join(this.home, 'panicd.log'), 'a');
    this.panicd = spawn(program('panicd'), ['--address', '127.0.0.1', '--port', String(this.port), '--netdump-port', '0',
      '--config', this.config, this.directory], { stdio: ['ignore', log, log] });
    await eventually(() => this.ask('status'), 'panicd').catch((error) => {
      throw new Error(`${error.message}\n${readFileSync(join(this.home, 'panicd.log'), 'utf8').slice(-2000)}`);
    });
  }

  async stopPanicd(signal = 'SIGTERM') {
    this.panicd.kill(signal);
    await ended(this.panicd);
  }

  /** One request to the control socket. */
  ask(request) {
    return new Promise((done, fail) => {
      const socket = connect(join(this.directory, '.panicd/control'));
      let text = '';
      socket.on('error', fail).on('data', (data) => { text += data; }).on('end', () => done(JSON.parse(text)));
      socket.write(`${request}\n`);
    });
  }

  /** @param args of panicweb; the port stays what it was the first time */
  async startWeb(args = []) {
    const log = openSync(join(this.home, 'panicweb.log'), 'a');
    const port = this.url ? new URL(this.url).port : '0';
    this.web = spawn(program('panicweb'), [...args, '-p', port, this.directory], { stdio: ['ignore', 'pipe', log] });
    const line = await Promise.race([once(createInterface(this.web.stdout), 'line').then(([text]) => text), ended(this.web)]);
    this.url = /^panicweb: (https?:\/\/\S+)\/$/.exec(line ?? '')?.[1];
    if (!this.url) throw new Error(`panicweb did not start: ${line}\n${readFileSync(join(this.home, 'panicweb.log'), 'utf8').slice(-2000)}`);
  }

  async stopWeb(signal = 'SIGTERM') {
    this.web.kill(signal);
    await ended(this.web);
  }

  /** A window. page.complaints: errors of its scripts and breaches of its policy, which fail the test. */
  async open(path = '/', { scheme = 'light', width = 1280, height = width < 600 ? 740 : 900, calm = false, ...more } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: calm ? 'reduce' : 'no-preference', ...more });
    const page = await context.newPage();
    page.complaints = [];
    page.asked = [];
    page.on('pageerror', (error) => page.complaints.push(String(error.stack ?? error)));
    page.on('dialog', (dialog) => { page.complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on('console', (message) => message.type() === 'error' && !/Failed to load resource|ERR_/.test(message.text()) && page.complaints.push(message.text()));
    page.on('request', (request) => {
      page.asked.push(request.url());
      if (!request.url().startsWith(this.url) && !request.url().startsWith('data:')) page.complaints.push(`asked another host: ${request.url()}`);
    });
    pages.push(page);
    await page.addInitScript(watchShifts);
    await page.goto(this.url + path);
    await page.waitForSelector('main:not([aria-busy]) h1');
    return page;
  }

  /** A sender that waits for what is asked of it. */
  sender(name) {
    return Sender.open(this.port, name);
  }

  /** A whole dump at once; returns its row when it has been checked. */
  async dump(name, content) {
    const sender = await this.sender(name);
    await sender.data(content);
    await sender.finish();
    return eventually(() => this.rows().find((row) => row.name === name && row.state !== 'receiving'), `the verdict on ${name}`);
  }

  rows() {
    return JSON.parse(execFileSync(panicctl, ['--directory', this.directory, 'list', '--json'], { encoding: 'utf8', maxBuffer: 1 << 28 })).dumps;
  }

  async api(path) {
    const answer = await fetch(this.url + path);
    assert.equal(answer.status, 200, `${path}: ${answer.status}`);
    return answer.json();
  }

  abandon() {
    for (const child of [this.web, this.panicd]) if (child?.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    if (this.home) rmSync(this.home, { recursive: true, force: true });
  }

  async remove() {
    for (const child of [this.web, this.panicd]) {
      child?.kill('SIGTERM');
      await Promise.race([ended(child), sleep(10000).then(() => child?.kill('SIGKILL'))]);
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Bytes of a dump, or what a catalog holds: made by made.py, which knows the formats. */
export function made(...args) {
  return execFileSync('/usr/bin/python3', [join(here, 'made.py'), ...args.map(String)], { maxBuffer: 1 << 28 });
}
