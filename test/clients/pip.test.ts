import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import type { Answer } from '../support/client-origin.ts';
import { PYTHON, pythonPackage, pythonProgram } from '../support/client-python.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { zipOf } from '../support/client-zip.ts';

const WHEEL = zipOf({
  'probe.py': 'WORD = "installed"\n',
  'probe-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n',
  'probe-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  'probe-1.0.dist-info/RECORD': '',
});
const FILE = 'probe-1.0-py3-none-any.whl';

/** PEP 503: a page of links for each project. */
const index: Answer = (_request, response, path) => {
  if (path === '/simple/probe/') {
    const hash = createHash('sha256').update(WHEEL).digest('hex');
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<a href="/files/${FILE}#sha256=${hash}">${FILE}</a>`);
  } else if (path === `/files/${FILE}`) response.end(WHEEL);
  else response.writeHead(404).end();
};

const world = clientWorld({ origins: { index: { answer: index } } });

client(
  {
    name: 'pip',
    ...pythonPackage('pip'),
    needs: '`PIP_INDEX_URL`, where it is not the public one',
  },
  (prove) => {
    prove({ protocol: 'h1', what: '`pip install` of a wheel from a simple index', timeoutMs: 60_000 }, async () => {
      const { home, url, run, origin } = world();
      const env = { PIP_INDEX_URL: `${url('index')}/simple`, PIP_DISABLE_PIP_VERSION_CHECK: '1' };
      const target = join(home, 'installed');
      const args = ['-m', 'pip', 'install', '--no-cache-dir', '--target', target, 'probe==1.0'];
      const { code, stderr } = await run(PYTHON, args, { env, timeoutMs: 45_000 });
      expect(code, stderr).toBe(0);
      expect(readFileSync(join(target, 'probe.py'), 'utf8')).toContain('installed');
      expectSeen(origin('index').taken(), 'h1', ['GET /simple/probe/', `GET /files/${FILE}`]);
    });
  },
);

const UV = pythonProgram('uv');

client(
  {
    name: 'uv',
    version: versionOf(UV, ['--version'], /^uv (\S+)/),
    install: pythonPackage('uv').install,
    needs: '`UV_DEFAULT_INDEX`, where it is not the public one',
  },
  (prove) => {
    prove({ protocol: 'h1', what: '`uv pip install` of a wheel from a simple index' }, async () => {
      const { home, url, run, origin } = world();
      const env = { UV_DEFAULT_INDEX: `${url('index')}/simple` };
      const target = join(home, 'installed-by-uv');
      const args = ['pip', 'install', '--no-cache', '--python', PYTHON, '--target', target, 'probe==1.0'];
      const { code, stderr } = await run(UV, args, { env });
      expect(code, stderr).toBe(0);
      expect(readFileSync(join(target, 'probe.py'), 'utf8')).toContain('installed');
      const seen = origin('index').taken();
      expectSeen(seen, 'h1');
      expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual(
        expect.arrayContaining(['GET /simple/probe/', `GET /files/${FILE}`]),
      );
    });
  },
);
