import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { hasErrors, type Path, type Site } from '../policy/finding.ts';
import type { Finding } from '../policy/model.ts';
import { LATER } from '../policy/reading/later.ts';
import { absolutePath, type FileBase, readSource } from '../policy/reading/read-secrets.ts';
import { readShapeLeniently } from '../policy/reading/shape.ts';
import { parseYaml } from '../policy/reading/yaml.ts';
import { readForwardTo } from './read-forward-to.ts';
import { readLimits } from './read-limits.ts';
import { checkDistinct, DEFAULT_LISTENERS, readListeners } from './read-listeners.ts';
import { NO_UPSTREAM, readUpstream } from './read-upstream.ts';
import { checkResolvers, checkWaysIn, readDns, readDnsAnswers, readTransparent } from './read-ways-in.ts';
import { DEFAULT_LIMITS, type Settings } from './settings.ts';
import { type RawSettings, settingsShape } from './settings-schema.ts';
import { readWithin } from './within.ts';

export interface SettingsReading {
  /** null if the file has an error. */
  readonly settings: Settings | null;
  readonly findings: readonly Finding[];
}

const HOUR_MS = 3_600_000;
const LEAF_TTL = { unit: 'duration', min: 10 * 60_000, max: 24 * 24 * HOUR_MS, initial: 24 * HOUR_MS } as const;

const NO_OTHER_WAY_IN = { transparent: [], dns: [], dnsAnswers: [] };

/** What holds where there is no postern.yaml; paths start at this folder. */
export function defaultSettings(folder: string): Settings {
  return {
    file: null,
    hash: sha256(''),
    listen: { proxy: DEFAULT_LISTENERS.proxy, ...NO_OTHER_WAY_IN },
    admin: { listen: DEFAULT_LISTENERS.admin, token: null },
    policies: resolve(folder, 'policies'),
    ca: { dir: resolve(folder, 'certs'), leafTtlMs: LEAF_TTL.initial },
    upstream: NO_UPSTREAM,
    forwardTo: [],
    limits: DEFAULT_LIMITS,
    log: { level: 'info', audit: 'stdout', auditRequired: false },
    strictFiles: false,
    state: null,
  };
}

/**
 * Reads the text of postern.yaml and reports everything that is wrong with it.
 * @param file as it shall stand in messages; paths in it are relative to its folder.
 * @param folder what a relative `file` is relative to; the current folder of the process if empty.
 */
export function readSettings(text: string, file: string, folder = ''): SettingsReading {
  const { value, report } = parseYaml(text, file);
  const site: Site = { report, path: [] };
  const raw =
    value === null ? undefined : readShapeLeniently(value, { schema: settingsShape, path: [], report, explainKey });
  const settings = raw === undefined ? null : build(raw, site, { file, folder });
  const findings = report.findings();
  return { settings: settings === null || hasErrors(findings) ? null : { ...settings, hash: sha256(text) }, findings };
}

/** Keys that postern.yaml may have in a later release. */
function explainKey(path: Path): string | null {
  const key = path.join('.');
  return ['listen.reuse_port', 'reuse_port'].includes(key) ? LATER : null;
}

function build(raw: RawSettings, site: Site, base: FileBase): Omit<Settings, 'hash'> {
  const at = (...steps: Path): Site => ({ report: site.report, path: steps });
  const pathOf = (text: string | undefined, initial: string, ...steps: Path): string =>
    absolutePath(text ?? initial, at(...steps), base) ?? '';
  const listen = {
    proxy: readListeners(raw.listen?.proxy, 'proxy', at('listen', 'proxy')),
    transparent: readTransparent(raw.listen?.transparent, at('listen', 'transparent')),
    dns: readDns(raw.listen?.dns, at('listen', 'dns')),
    dnsAnswers: readDnsAnswers(raw.listen?.dns_answers, at('listen', 'dns_answers')),
  };
  const admin = readListeners(raw.admin?.listen, 'admin', at('admin', 'listen'));
  checkDistinct(listen.proxy, admin, at('admin', 'listen'));
  checkWaysIn(listen, admin, site);
  const upstream = readUpstream(raw.upstream, at('upstream'), base);
  checkResolvers(listen, upstream.dns, site);
  const audit = raw.log?.audit ?? 'stdout';
  return {
    file: resolve(base.folder, base.file),
    listen,
    admin: {
      listen: admin,
      token: raw.admin?.token === undefined ? null : readSource(raw.admin.token, at('admin', 'token'), base),
    },
    policies: pathOf(raw.policies, 'policies', 'policies'),
    ca: {
      dir: pathOf(raw.ca?.dir, 'certs', 'ca', 'dir'),
      leafTtlMs: readWithin(raw.ca?.leaf_ttl, LEAF_TTL, at('ca', 'leaf_ttl')),
    },
    upstream,
    forwardTo: readForwardTo(raw.forward_to, at('forward_to')),
    limits: readLimits(raw.limits, at('limits')),
    log: {
      level: raw.log?.level ?? 'info',
      audit: audit === 'stdout' ? audit : pathOf(audit, '', 'log', 'audit'),
      auditRequired: raw.log?.audit_required ?? false,
    },
    strictFiles: raw.strict_files ?? false,
    state: raw.state === undefined ? null : pathOf(raw.state, '', 'state'),
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
