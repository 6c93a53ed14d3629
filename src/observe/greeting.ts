import { formatFinding } from '../policy/finding.ts';
import type { Finding } from '../policy/model.ts';

/** What a person who starts `serve` on a terminal wants to know. */
export interface Greeting {
  readonly version: string;
  /** How this program is called from the current folder, e.g. `dist/postern.js`. */
  readonly program: string;
  readonly proxyListeners: readonly string[];
  readonly otherListeners: Readonly<Record<'transparent' | 'dns', readonly string[]>>;
  /** They come from `--listen` and not from postern.yaml. */
  readonly listenOverridden: boolean;
  readonly adminListeners: readonly string[];
  readonly caFile: string;
  /** The CA was made by this start: no client trusts it yet. */
  readonly caCreated: boolean;
  readonly caExpires: Date;
  /** As the settings name it. */
  readonly policies: string;
  readonly sandboxes: readonly { readonly name: string; readonly rules: number; readonly loaded: boolean }[];
  readonly audit: string;
  readonly findings: readonly Finding[];
}

const SANDBOXES_SHOWN = 8;
const FINDINGS_SHOWN = 20;

/** The text for a terminal: where everything is, what is wrong, and the one line to copy. */
export function greetingText(greeting: Greeting): string {
  const rows: readonly (readonly [string, string])[] = [
    ['proxy', greeting.proxyListeners.join(', ') || 'none'],
    ...rowOf('redirected', greeting.otherListeners.transparent),
    ...rowOf('DNS', greeting.otherListeners.dns),
    ['admin', greeting.adminListeners.map(adminUrl).join(', ') || 'none'],
    [
      'CA',
      `${greeting.caFile}${greeting.caCreated ? ', made just now' : ''}, until ${greeting.caExpires.toISOString().slice(0, 10)}`,
    ],
    ['policies', `${greeting.policies}, an edit is in force at once`],
    ['sandboxes', sandboxesText(greeting.sandboxes)],
    ['audit', greeting.audit],
  ];
  const table = rows.map(([name, value]) => `  ${name.padEnd(11)}${value}`).join('\n');
  const copy = `In the shell of what shall go out through it:\n\n  eval "$(${greeting.program} env${proxyFlag(greeting)})"`;
  return `${[`postern ${greeting.version}`, table, ...findingsText(greeting.findings), copy].join('\n\n')}\n`;
}

/** Nothing is said of what is not there. */
const rowOf = (name: string, listeners: readonly string[]): readonly (readonly [string, string])[] =>
  listeners.length === 0 ? [] : [[name, listeners.join(', ')]];

/** `env` reads postern.yaml, and the defaults without one: it is told only of what a flag of `serve` changed. */
function proxyFlag({ proxyListeners, listenOverridden }: Greeting): string {
  const first = proxyListeners.find((listener) => !listener.startsWith('unix:'));
  return listenOverridden && first !== undefined ? ` --proxy http://${first}` : '';
}

const adminUrl = (listener: string): string =>
  listener.startsWith('unix:') ? listener : `http://${listener}/v1/status`;

function sandboxesText(sandboxes: Greeting['sandboxes']): string {
  const shown = sandboxes.slice(0, SANDBOXES_SHOWN).map(({ name, rules, loaded }) => {
    if (!loaded) return `${name} (not loaded, everything is denied)`;
    return `${name} (${rules} ${rules === 1 ? 'rule' : 'rules'})`;
  });
  const more = sandboxes.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

function findingsText(findings: readonly Finding[]): readonly string[] {
  if (findings.length === 0) return [];
  const lines = findings.slice(0, FINDINGS_SHOWN).map((finding) => `  ${formatFinding(finding)}`);
  const more = findings.length - lines.length;
  return [[...lines, ...(more > 0 ? [`  and ${more} more; "postern check" shows all`] : [])].join('\n')];
}
