import path from 'node:path';
import { keyVariables } from '../environment/keys.ts';
import { proxyUrlOf } from '../environment/proxy-url.ts';
import {
  formatVariables,
  sandboxVariables,
  UnwritableError,
  type Variable,
  type VariablesFormat,
} from '../environment/variables.ts';
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
  readonly body: Buffer;
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
  ['/ca.pem', ({ snapshot }) => pemsOf(snapshot).ca],
  ['/bundle.pem', ({ snapshot }) => pemsOf(snapshot).bundle],
  ['/env', environmentPage],
  ['/policy', policyPage],
]);

const PEM = 'application/x-pem-file';
const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

const pageOf = (type: string, text: string): Page => ({ type, body: Buffer.from(text) });

/** Made when they are first asked for, and gone with their generation. */
const pemsBySnapshot = new WeakMap<Snapshot, { readonly ca: Page; readonly bundle: Page }>();

function pemsOf(snapshot: Snapshot): { readonly ca: Page; readonly bundle: Page } {
  const known = pemsBySnapshot.get(snapshot);
  if (known !== undefined) return known;
  const { caPem } = snapshot;
  const made = { ca: pageOf(PEM, caPem), bundle: pageOf(PEM, bundleOf(caPem).pem) };
  pemsBySnapshot.set(snapshot, made);
  return made;
}

interface PolicyTexts {
  readonly words: Page;
  readonly json: Page;
  readonly keys: readonly Variable[];
}

/** A policy that a reload leaves as it is keeps its object, and so its texts. */
const textsByPolicy = new WeakMap<CompiledPolicy, PolicyTexts>();

function textsOf(policy: CompiledPolicy): PolicyTexts {
  const known = textsByPolicy.get(policy);
  if (known !== undefined) return known;
  const outline = outlineOf(policy);
  const made = {
    words: pageOf(TEXT, outlineText(outline)),
    json: pageOf(JSON_TYPE, `${JSON.stringify(outline, null, 2)}\n`),
    keys: keyVariables(policy),
  };
  textsByPolicy.set(policy, made);
  return made;
}

function policyPage({ query, fields, policy }: PageRequest): Page {
  const { words, json } = textsOf(policy);
  switch (parameter(query, 'format')) {
    case null:
      return prefersJson(fields) ? json : words;
    case 'text':
      return words;
    case 'json':
      return json;
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
  try {
    const text = formatVariables([...sandboxVariables(place), ...textsOf(policy).keys], format);
    return pageOf(format === 'json' ? JSON_TYPE : TEXT, text);
  } catch (error) {
    if (error instanceof UnwritableError) throw invalid('ca_at', 'Name a folder without line breaks.');
    throw error;
  }
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
function proxyFor({ query, reachedAt }: PageRequest): string {
  const given = parameter(query, 'proxy');
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
