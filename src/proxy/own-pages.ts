import path from 'node:path';
import { keyVariables } from '../environment/keys.ts';
import { proxyUrlOf } from '../environment/proxy-url.ts';
import { FRAMES, sandboxVariables, type VariablesFormat, variablesText } from '../environment/variables.ts';
import { ProxyError } from '../errors.ts';
import { prefersJson } from '../headers/accept.ts';
import type { FieldList } from '../headers/field-list.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { outlineOf } from '../policy/outline.ts';
import { outlineText } from '../policy/outline-text.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { bundleOf } from '../tls/bundle.ts';

export interface Page {
  readonly type: string;
  /** The body is all of them, in order. */
  readonly parts: readonly Buffer[];
}

/** Who asks for a page, and how. Everything that is answered belongs to this policy and to nobody else. */
export interface PageRequest {
  readonly path: string;
  readonly query: string | null;
  readonly fields: FieldList;
  readonly snapshot: Snapshot;
  readonly policy: CompiledPolicy;
  /** `address:port` of ours that the client connected to; null where it is not known. */
  readonly reachedAt: string | null;
  /** Not null: it was redirected, and needs no proxy. */
  readonly meantPort: number | null;
}

/**
 * What a sandbox may ask for itself (contract section 7). From memory: nothing is looked up, dialled or read from the disk for a request
 * but the system's roots, once a generation. Throws `NOT_FOUND`, and `REQUEST_INVALID` for a parameter that says nothing.
 */
export function ownPage(request: PageRequest): Page {
  const page = PAGES.get(request.path);
  if (page === undefined) throw new ProxyError('NOT_FOUND', { stage: 'decide', side: 'client' });
  return page(request);
}

const PAGES: ReadonlyMap<string, (request: PageRequest) => Page> = new Map([
  ['/ca.pem', ({ snapshot }) => caPage(snapshot)],
  ['/bundle.pem', ({ snapshot }) => bundlePage(snapshot)],
  ['/env', environmentPage],
  ['/policy', policyPage],
]);

const PEM = 'application/x-pem-file';
const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

const pageOf = (type: string, ...texts: readonly string[]): Page => ({
  type,
  parts: texts.map((text) => Buffer.from(text)),
});

/**
 * Made when it is first asked for, and gone with what it is made of: so that asking again and again costs the same whatever the policy's size.
 * A policy that a reload leaves as it is keeps its object, and so its texts.
 */
function madeOnce<From extends object, Made extends object>(make: (from: From) => Made): (from: From) => Made {
  const madeBy = new WeakMap<From, Made>();
  return (from) => {
    const known = madeBy.get(from);
    if (known !== undefined) return known;
    const made = make(from);
    madeBy.set(from, made);
    return made;
  };
}

const caPage = madeOnce(({ caPem }: Snapshot) => pageOf(PEM, caPem));
const bundlePage = madeOnce(({ caPem }: Snapshot) => pageOf(PEM, bundleOf(caPem).pem));
const wordsPage = madeOnce((policy: CompiledPolicy) => pageOf(TEXT, outlineText(outlineOf(policy))));
const jsonPage = madeOnce((policy: CompiledPolicy) =>
  pageOf(JSON_TYPE, `${JSON.stringify(outlineOf(policy), null, 2)}\n`),
);

const keysIn = (format: VariablesFormat): ((policy: CompiledPolicy) => Buffer) =>
  madeOnce((policy: CompiledPolicy) => {
    const text = variablesText(keyVariables(policy), format);
    return Buffer.from(text === '' ? '' : FRAMES[format].between + text);
  });

const KEYS: Readonly<Record<VariablesFormat, (policy: CompiledPolicy) => Buffer>> = {
  sh: keysIn('sh'),
  json: keysIn('json'),
  docker: keysIn('docker'),
};

function policyPage({ query, fields, policy }: PageRequest): Page {
  switch (parameter(query, 'format')) {
    case null:
      return prefersJson(fields) ? jsonPage(policy) : wordsPage(policy);
    case 'text':
      return wordsPage(policy);
    case 'json':
      return jsonPage(policy);
    default:
      throw invalid('format', 'Write format=text or format=json.');
  }
}

/** Where the sandbox keeps the two files is for it to say; this is where it is told to put them (`docs/operations.md`). */
const CA_AT = '/etc/postern';
const CA_AT_LENGTH_MAX = 1024;

/** What `postern env` prints, with `--format`, `--proxy` and `--ca-at` as parameters. */
function environmentPage(request: PageRequest): Page {
  const { query, policy } = request;
  const format = formatOf(parameter(query, 'format') ?? 'sh');
  const folder = folderOf(parameter(query, 'ca_at') ?? CA_AT);
  const place = {
    proxyUrl: proxyFor(request),
    caFile: path.posix.join(folder, 'ca.pem'),
    bundleFile: path.posix.join(folder, 'bundle.pem'),
    trustStoreFile: null,
  };
  const { before, after } = FRAMES[format];
  const head = Buffer.from(before + variablesText(sandboxVariables(place), format));
  return { type: format === 'json' ? JSON_TYPE : TEXT, parts: [head, KEYS[format](policy), Buffer.from(after)] };
}

function formatOf(text: string): VariablesFormat {
  if (text === 'sh' || text === 'json' || text === 'docker') return text;
  throw invalid('format', 'Write format=sh, format=json or format=docker.');
}

function folderOf(text: string): string {
  if (text.startsWith('/') && text.length <= CA_AT_LENGTH_MAX && !/[\x00-\x1f\x7f]/.test(text)) return text;
  throw invalid('ca_at', 'Write the absolute path of the folder that has ca.pem and bundle.pem.');
}

/** The client got here by that address; one that came another way (a Unix socket, a forwarded port) has to say it. */
function proxyFor({ query, reachedAt, meantPort }: PageRequest): string | null {
  const given = parameter(query, 'proxy');
  if (given === null && meantPort !== null) return null;
  const url = proxyUrlOf(given ?? (reachedAt === null ? '' : `http://${reachedAt}`));
  if (url !== null) return url;
  throw invalid('proxy', 'Say where you reach the proxy, e.g. /env?proxy=http://127.0.0.1:8080.');
}

/** The decoded value; null if there is none. Two of one name would be read in two ways. */
function parameter(query: string | null, name: string): string | null {
  const values = new URLSearchParams(query ?? '').getAll(name);
  if (values.length > 1) throw invalid(name, 'Send each parameter once.');
  return values[0] ?? null;
}

const invalid = (name: string, hint: string): ProxyError =>
  new ProxyError('REQUEST_INVALID', {
    stage: 'decide',
    side: 'client',
    reason: `the query parameter "${name}" is missing or not valid`,
    hint,
  });
