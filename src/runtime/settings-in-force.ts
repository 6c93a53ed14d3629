import type { ListenAddress, LogLevel, Settings } from './settings.ts';

/** What flags of the command line say instead of postern.yaml. */
export interface Overrides {
  readonly proxy?: readonly ListenAddress[];
  readonly admin?: readonly ListenAddress[];
  /** Nobody comes in but by the proxy's own listeners. */
  readonly proxyAlone?: true;
  /** Absolute. */
  readonly policies?: string;
  /** Absolute. */
  readonly caDir?: string;
  /** `stdout`, `stderr` or an absolute path. */
  readonly audit?: string;
  readonly logLevel?: LogLevel;
  /** Nothing outlives the process, whatever `state` says. */
  readonly stateless?: true;
  /** Every client is this sandbox, whatever its `match` says: the proxy serves nobody else. */
  readonly sandbox?: string;
}

export function withOverrides(settings: Settings, overrides: Overrides): Settings {
  return {
    ...settings,
    listen: {
      ...settings.listen,
      proxy: overrides.proxy ?? settings.listen.proxy,
      ...(overrides.proxyAlone === true ? { transparent: [], dns: [], dnsAnswers: [] } : {}),
    },
    admin: { ...settings.admin, listen: overrides.admin ?? settings.admin.listen },
    policies: overrides.policies ?? settings.policies,
    ca: { ...settings.ca, dir: overrides.caDir ?? settings.ca.dir },
    log: {
      ...settings.log,
      audit: overrides.audit ?? settings.log.audit,
      level: overrides.logLevel ?? settings.log.level,
    },
    state: overrides.stateless === true ? null : settings.state,
  };
}

/** The settings that hold from the start of the process to its end (SEMANTICS.md 10), by the name they have in postern.yaml. */
const FIXED = {
  listen: (settings: Settings) => settings.listen,
  admin: (settings: Settings) => settings.admin,
  policies: (settings: Settings) => settings.policies,
  state: (settings: Settings) => settings.state,
  'log.audit': (settings: Settings) => settings.log.audit,
} as const;

/** New settings with the fixed ones as they were at the start, and the names of those that a restart would change. */
export function keepFixed(
  next: Settings,
  first: Settings,
): { readonly settings: Settings; readonly restartRequired: readonly string[] } {
  const { listen, admin, policies, state } = first;
  return {
    settings: { ...next, listen, admin, policies, state, log: { ...next.log, audit: first.log.audit } },
    restartRequired: Object.entries(FIXED).flatMap(([name, read]) =>
      JSON.stringify(read(next)) === JSON.stringify(read(first)) ? [] : [name],
    ),
  };
}
