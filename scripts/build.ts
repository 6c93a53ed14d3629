/**
 * Builds `dist/`: `postern.js` (the command), `load-worker.js` (the thread that reads policies), `inside-main.js` (what `run --isolate` starts in its namespaces) and what they share, bundled with every
 * dependency, so that a start reads a few files instead of several hundred. Commands other than `serve` are chunks of their own.
 */
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const fresh = `${root}dist.${process.pid}`;
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };

const bundle = await rolldown({
  input: {
    postern: `${root}src/main.ts`,
    'load-worker': `${root}src/runtime/load-worker.ts`,
    'inside-main': `${root}src/cli/run/inside-main.ts`,
  },
  platform: 'node',
  cwd: root,
  tsconfig: false,
  transform: { define: { POSTERN_VERSION: JSON.stringify(version) } },
});
await bundle.write({
  dir: fresh,
  format: 'esm',
  sourcemap: true,
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
});
await bundle.close();
makeExecutable(`${fresh}/postern.js`);
// Swapped whole, so that a build that fails, or runs beside a start, leaves a dist/ that works.
if (existsSync(`${root}dist`)) renameSync(`${root}dist`, `${fresh}.old`);
renameSync(fresh, `${root}dist`);
rmSync(`${fresh}.old`, { recursive: true, force: true });

/**
 * The command runs on the Node that npm installed beside it, whatever `node` the machine has, and with SIGUSR1 not opening the inspector:
 * whoever may signal us must not be able to read our secrets. Young objects get 8 MB and not 16: the buffers of bodies are then freed before they
 * count as memory pressure, which would mark the whole heap several times a second (a seventh of the CPU of a 64 KiB answer). A shell reads the second line as a command; JavaScript as a string and a comment.
 */
function makeExecutable(file: string): void {
  const search = ['/../node_modules/.bin/node', '/../../.bin/node'].map((path) => `"$d${path}"`).join(' ');
  const shell = [
    'd=$(dirname "$(readlink -f "$0")")',
    `for n in ${search} node; do command -v "$n" >/dev/null 2>&1 && break; done`,
    'exec "$n" --disable-sigusr1 --max-semi-space-size=8 "$0" "$@"',
  ].join('; ');
  writeFileSync(file, `#!/bin/sh\n':' //; ${shell}\n${readFileSync(file, 'utf8').replace(/^#!.*\n/, '')}`);
  chmodSync(file, 0o755);
}
