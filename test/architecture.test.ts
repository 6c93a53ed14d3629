import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'rolldown/utils';
import { describe, expect, it } from 'vitest';
import { CATALOGUE, STAGES } from '../src/errors.ts';

/** What each room may import, besides itself. A room that is not listed may import nothing of ours. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  address: ['errors'],
  headers: [],
  scrub: ['headers'],
  http1: ['errors', 'headers'],
  http2: ['headers', 'http1'],
  dns: [],
  socks5: ['address', 'errors', 'http1'],
  secrets: ['errors', 'policy', 'scrub'],
  policy: ['address', 'headers', 'errors', 'inject'],
  inject: ['address', 'headers', 'errors', 'policy', 'scrub', 'secrets'],
  budget: ['errors', 'policy'],
  statement: ['errors', 'tls'],
  environment: ['policy'],
  tls: ['address', 'errors'],
  wire: ['http1', 'http2', 'headers', 'errors'],
  upstream: ['address', 'headers', 'http1', 'http2', 'wire', 'tls', 'policy', 'errors', 'observe'],
  runtime: ['address', 'headers', 'policy', 'inject', 'secrets', 'tls', 'upstream', 'errors', 'observe', 'version'],
  observe: ['errors', 'budget', 'runtime', 'policy', 'address', 'headers', 'tls', 'version'],
  proxy: [
    'address',
    'headers',
    'http1',
    'http2',
    'socks5',
    'dns',
    'policy',
    'inject',
    'scrub',
    'secrets',
    'tls',
    'wire',
    'upstream',
    'statement',
    'budget',
    'environment',
    'runtime',
    'observe',
    'errors',
    'version',
  ],
};
const PURE = [
  'address',
  'headers',
  'http1',
  'http2',
  'socks5',
  'dns',
  'policy',
  'inject',
  'scrub',
  'budget',
  'environment',
];
/** Modules of Node that compute and touch nothing. */
const PURE_MODULES = ['node:path', 'node:crypto', 'node:url', 'node:assert', 'node:buffer', 'node:util'];
const FILE_LINES_MAX = 350;
const FUNCTION_LINES_MAX = 70;

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = globSync('src/**/*.ts', { cwd: root }).map((path) => source(path));

interface Source {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  /** Paths of our own modules, and names of others. */
  readonly imports: readonly string[];
}

function source(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const imports = [...text.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'|import\('([^']+)'\)/gm)].map((found) => {
    const name = found[1] ?? found[2] ?? '';
    return name.startsWith('.') ? relative(root, join(root, dirname(path), name)) : name;
  });
  return { path, room: roomOf(path), text, imports };
}

function roomOf(path: string): string {
  const [, first = '', ...rest] = path.split('/');
  return rest.length === 0 ? first.replace(/\.ts$/, '') : first;
}

describe('the architecture', () => {
  it('has rooms that import only what is below them', () => {
    const wrong = sources.flatMap(({ path, room, imports }) =>
      imports
        .filter((name) => name.startsWith('src/') && room !== 'cli' && room !== 'main')
        .filter((name) => roomOf(name) !== room && !(MAY_IMPORT[room] ?? []).includes(roomOf(name)))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycles between files', () => {
    expect(cycles(new Map(sources.map(({ path, imports }) => [path, imports])))).toEqual([]);
  });

  it('has no input or output in the pure rooms', () => {
    const wrong = sources
      .filter(({ room }) => PURE.includes(room))
      .flatMap(({ path, imports }) =>
        imports
          .filter((name) => name.startsWith('node:') && !PURE_MODULES.includes(name))
          .map((name) => `${path} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it('has no file over 350 lines and no function over 70', () => {
    const long = sources.filter(({ text }) => text.split('\n').length > FILE_LINES_MAX).map(({ path }) => path);
    expect(long).toEqual([]);
    expect(sources.flatMap(({ path, text }) => longFunctions(path, text))).toEqual([]);
  });

  it('opens secrets in one file', () => {
    const opening = sources.filter(({ text }) => /\.open\(\)/.test(text)).map(({ path }) => path);
    expect(opening).toEqual(['src/inject/open.ts']);
  });

  it('uses and documents every error code', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const code = sources
      .filter(({ path }) => path !== 'src/errors.ts')
      .map(({ text }) => text)
      .join('\n');
    for (const name of Object.keys(CATALOGUE)) {
      expect(readme, `${name} in the README`).toContain(`\`${name}\``);
      expect(code, `${name} in the code`).toContain(`'${name}'`);
    }
  });

  it('names its stages in the documents in the order of the code', () => {
    const text = readFileSync(join(root, 'docs/life-of-a-request.md'), 'utf8');
    const headings = [...text.matchAll(/^## \d+\. `([a-z]+)`/gm)].map((found) => found[1]);
    expect(headings).toEqual([...STAGES]);
  });
});

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) if (graph.has(next)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

function longFunctions(path: string, text: string): string[] {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse`);
  const lineOf = (offset: number): number => text.slice(0, offset).split('\n').length;
  return functionsIn(program)
    .map(({ start, end }) => ({ line: lineOf(start), lines: lineOf(end) - lineOf(start) + 1 }))
    .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
    .map(({ line, lines }) => `${path}:${line} has ${lines} lines`);
}

function functionsIn(tree: unknown): Node[] {
  if (tree === null || typeof tree !== 'object') return [];
  const inner = Object.values(tree).flatMap(functionsIn);
  return isNode(tree) && /Function/.test(tree.type) ? [tree, ...inner] : inner;
}

const isNode = (value: object): value is Node => 'type' in value && typeof value.type === 'string' && 'start' in value;
