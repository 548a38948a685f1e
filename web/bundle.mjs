// SPDX-License-Identifier: BSD-2-Clause
// usage: bundle.mjs SOURCE BUILD STAMP DEPFILE [FILE...]
// Makes BUILD/bundle: index.html, and in assets/ what it loads, each file with its hash in its name.
// Nothing in it comes from another host, and nothing is needed but what lies there. A FILE that the build
// made, such as advice.wasm, is there for: import url from 'advice.wasm'.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { basename, join, relative, resolve } from 'node:path';
import { install } from './npm.mjs';

const [source, build] = process.argv.slice(2, 4).map((path) => resolve(path));
const [stamp, depfile, ...made] = process.argv.slice(4);
const place = install(source, build);
const esbuild = createRequire(join(place, 'package.json'))('esbuild');
const out = join(build, 'bundle'), assets = join(out, 'assets');
const src = join(source, 'src');

function keep(name, content) { // what esbuild does not make
  const dot = name.lastIndexOf('.');
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 8).toUpperCase();
  const file = `${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
  writeFileSync(join(assets, file), content);
  return `/assets/${file}`;
}

/** style.css, then that of each page: one stylesheet, so that no page jumps when it is loaded. */
function styles() {
  const names = readdirSync(src).filter((name) => name.endsWith('.css') && name !== 'style.css').sort();
  return ['style.css', ...names].map((name) => `@import "./${name}";`).join('\n');
}

const options = {
  bundle: true, minify: true, metafile: true, legalComments: 'none', charset: 'utf8',
  absWorkingDir: source, outdir: assets, nodePaths: [join(place, 'node_modules')],
  alias: Object.fromEntries(made.map((path) => [basename(path), resolve(path)])),
  loader: { '.wasm': 'file' }, assetNames: '[name]-[hash]', publicPath: '/assets',
  target: ['chrome123', 'firefox120', 'safari17.5'], logLevel: 'warning',
};

rmSync(out, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });
const script = await esbuild.build({
  ...options, entryPoints: [join(src, 'main.js')], format: 'esm', splitting: true,
  entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]',
});
const style = await esbuild.build({
  ...options, stdin: { contents: styles(), resolveDir: src, sourcefile: 'page.css', loader: 'css' },
  entryNames: 'page-[hash]',
});
const url = (path) => '/' + relative(out, resolve(source, path));
const outputOf = (built, name) => Object.entries(built.metafile.outputs).find(([, output]) => output.entryPoint === name)[0];
const main = outputOf(script, 'src/main.js');
const preloads = script.metafile.outputs[main].imports.filter(({ kind }) => kind === 'import-statement')
  .map(({ path }) => `<link rel="modulepreload" href="${url(path)}">\n`); // all at once, not one after the other
const page = readFileSync(join(source, 'index.html'), 'utf8')
  .replace('{icon}', keep('icon.svg', readFileSync(join(source, 'icon.svg'))))
  .replace('{style}', url(Object.keys(style.metafile.outputs)[0]))
  .replace('{script}', url(main))
  .replace('</head>', `${preloads.join('')}</head>`);
writeFileSync(join(out, 'index.html'), page);

const inputs = new Set(['index.html', 'icon.svg', 'bundle.mjs', 'npm.mjs', 'package.json', 'package-lock.json', 'src']
  .map((name) => join(source, name)));
for (const { metafile } of [script, style])
  for (const name of Object.keys(metafile.inputs))
    if (existsSync(resolve(source, name))) inputs.add(resolve(source, name));
writeFileSync(depfile, `${stamp}: ${[...inputs].map((path) => path.replace(/ /g, '\\ ')).join(' ')}\n`);
writeFileSync(stamp, readdirSync(assets).sort().join('\n') + '\n');
