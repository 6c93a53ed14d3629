import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

it('secrets are opened in one file of the sources, and nowhere else', () => {
  const opening = globSync('src/**/*.ts', { cwd: root }).filter((path) =>
    /\bsecret\w*\.open\(/i.test(readFileSync(`${root}/${path}`, 'utf8')),
  );
  expect(opening).toEqual(['src/inject/open.ts']);
});
