import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The names that the sources give to `client`. */
const clientsIn = (path: string): readonly string[] =>
  [...read(path).matchAll(/^\s+name: '([^']+)',$/gm)].map(([, name = '']) => name);

const files = globSync('test/clients/*.test.ts', { cwd: root });
const rows = [...read('docs/clients.md').matchAll(/^\| ([^|]+) \| [^|]+ \|/gm)]
  .map(([, name = '']) => name)
  .filter((name) => name !== 'client' && name !== '---');

it.each(files)('the clients of %s stand in the table of docs/clients.md', (path) => {
  const clients = clientsIn(path);
  expect(clients).not.toEqual([]);
  expect(clients.filter((client) => !rows.includes(client))).toEqual([]);
});

it('the table of docs/clients.md has no client that nothing runs', () => {
  const clients = files.flatMap(clientsIn);
  expect(rows.filter((name) => !clients.includes(name))).toEqual([]);
});
