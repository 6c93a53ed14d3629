import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { errorCode } from '../errors.ts';
import type { Finding, Place, PolicySpec } from '../policy/model.ts';
import { readPolicy } from '../policy/reading/read.ts';
import { decodeUtf8 } from '../policy/reading/utf8.ts';
import { defaultSettings, readSettings } from './read-settings.ts';
import type { Settings } from './settings.ts';

/** Longest policy file: some 400,000 rules. Larger is a mistake, and would take all memory to parse. */
const POLICY_BYTES_MAX = 64 * 1024 * 1024;
const SETTINGS_BYTES_MAX = 1024 * 1024;

export interface ReadRequest {
  /** The folder that relative paths start from, and that paths in messages are relative to. */
  readonly folder: string;
  /** Absolute path of postern.yaml. */
  readonly settingsFile: string;
  /** False: a missing `settingsFile` means the defaults. */
  readonly settingsRequired: boolean;
  /** Absolute path of the policies in force; null: where the settings say. */
  readonly policies: string | null;
  /** Hash by file of the texts that need not be parsed again. */
  readonly known: ReadonlyMap<string, string>;
}

/** One policy file as it was read; `spec` is null if it does not load. A `known` one comes without what its text says. */
export type PolicyReading =
  | { readonly kind: 'known'; readonly file: string; readonly hash: string }
  | {
      readonly kind: 'parsed';
      readonly file: string;
      readonly hash: string;
      readonly spec: PolicySpec | null;
      readonly findings: readonly Finding[];
    };

export interface FilesReading {
  /** null: postern.yaml does not load, and the findings say why. */
  readonly settings: Settings | null;
  readonly settingsFindings: readonly Finding[];
  /** In the order of their names. */
  readonly policies: readonly PolicyReading[];
  /** About the folder as a whole. */
  readonly policiesFindings: readonly Finding[];
}

/** Reads, parses and validates postern.yaml and the policies. Synchronous and slow (0.1 ms a rule): made for a thread of its own. */
export function readFiles(request: ReadRequest): FilesReading {
  const { settings, findings } = settingsOf(request);
  const at = request.policies ?? settings?.policies;
  if (at === undefined) return { settings, settingsFindings: findings, policies: [], policiesFindings: [] };
  const listing = listPolicies(at, request.folder);
  const policies = listing.files.map((path) => policyOf(path, request));
  return { settings, settingsFindings: findings, policies, policiesFindings: listing.findings };
}

function settingsOf(request: ReadRequest): { settings: Settings | null; findings: readonly Finding[] } {
  const file = shown(request.settingsFile, request.folder);
  const text = readText(request.settingsFile, SETTINGS_BYTES_MAX);
  if (text.ok) return readSettings(text.text, file, request.folder);
  if (text.missing && !request.settingsRequired) return { settings: defaultSettings(request.folder), findings: [] };
  return { settings: null, findings: [finding('error', file, text.why, text.at)] };
}

function policyOf(path: string, request: ReadRequest): PolicyReading {
  const file = shown(path, request.folder);
  const text = readText(path, POLICY_BYTES_MAX);
  if (!text.ok) {
    const findings = [finding('error', file, text.why, text.at)];
    return { kind: 'parsed', file, hash: sha256(text.why), spec: null, findings };
  }
  const hash = sha256(text.text);
  if (request.known.get(file) === hash) return { kind: 'known', file, hash };
  return { kind: 'parsed', file, hash, ...readPolicy(text.text, file, request.folder) };
}

interface Listing {
  readonly files: readonly string[];
  readonly findings: readonly Finding[];
}

/** The policy files of a folder, in the order of their names, or the one file. Hidden files are editors' own, subfolders are not read. */
function listPolicies(path: string, folder: string): Listing {
  const shownPath = shown(path, folder);
  try {
    if (!statSync(path).isDirectory()) return { files: [path], findings: [] };
    const names = readdirSync(path, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort();
    const files = names.filter((name) => name.endsWith('.yaml')).map((name) => join(path, name));
    const misnamed = names.filter((name) => name.endsWith('.yml') || name.endsWith('.json'));
    const findings = misnamed.map((name) =>
      finding('warning', join(shownPath, name), 'is not read: only files that end in ".yaml" are'),
    );
    const empty = finding(
      'warning',
      shownPath,
      'holds no policy, so everything is denied; "postern init" writes one to start from',
    );
    return { files, findings: files.length === 0 ? [...findings, empty] : findings };
  } catch (error) {
    const why =
      errorCode(error) === 'ENOENT'
        ? 'does not exist; make it, or name another with --policy'
        : `cannot be read (${errorCode(error)})`;
    return { files: [], findings: [finding('error', shownPath, why)] };
  }
}

type Text =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly missing: boolean; readonly why: string; readonly at?: Position };

type Position = Omit<Place, 'file'>;

function readText(path: string, bytesMax: number): Text {
  let fd: number | null = null;
  try {
    // Without O_NONBLOCK, opening a FIFO waits for a writer, and the reload with it.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (!stats.isFile()) return refused('is not a regular file');
    if (stats.size > bytesMax) return refused(`is larger than ${bytesMax / 1024 / 1024} MiB`);
    const decoded = decodeUtf8(readFileSync(fd), path);
    if (decoded.ok) return decoded;
    return { ...refused(decoded.finding.text), at: decoded.finding.place };
  } catch (error) {
    const missing = errorCode(error) === 'ENOENT';
    return { ok: false, missing, why: missing ? 'does not exist' : `cannot be read (${errorCode(error)})` };
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

const refused = (why: string) => ({ ok: false, missing: false, why }) as const;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const TOP: Position = { line: 1, column: 1 };

const finding = (level: Finding['level'], file: string, text: string, at: Position = TOP): Finding => ({
  level,
  place: { file, line: at.line, column: at.column },
  path: '',
  text,
});

/** Paths under the folder are shown relative to it, as `policies/dev.yaml`; all others whole. */
function shown(path: string, folder: string): string {
  const inside = relative(folder, path);
  return inside === '' || inside.startsWith('..') ? path : inside;
}
