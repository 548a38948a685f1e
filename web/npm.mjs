// SPDX-License-Identifier: BSD-2-Clause
// The packages of a lock file, in a directory of the build that is named after it: what is there is
// whole and right, so that nobody asks the registry twice. Several may install at the same time.
// usage: npm.mjs FROM TO
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';

const FILES = ['package.json', 'package-lock.json', '.npmrc'];

/**
 * @param from  holds package.json, package-lock.json and .npmrc
 * @param to    a directory of the build; made if it is missing
 * @return where node_modules is. Throws when npm fails, with what it said.
 */
export function install(from, to) {
  const hash = createHash('sha256');
  for (const name of FILES) hash.update(readFileSync(join(from, name)));
  const place = join(to, `npm-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(place)) return place;
  mkdirSync(to, { recursive: true });
  const work = mkdtempSync(join(to, 'npm-part-'));
  try {
    for (const name of FILES) copyFileSync(join(from, name), join(work, name));
    // No package's script is run: none of ours needs one.
    execFileSync('npm', ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
      { cwd: work, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
    renameSync(work, place);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    if (!existsSync(place)) throw new Error(`npm ci in ${from}: ${error.stderr || error.message}`);
  }
  return place;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  try {
    install(argv[2], argv[3]);
  } catch (error) {
    console.error(error.message);
    exit(1);
  }
}
