import type { Changes, Considered, Explanation, RuleReference } from './explain.ts';

/** More rules than this are counted, not listed. */
const RULES_SHOWN_MAX = 40;

/** An explanation for people: the verdict on the first line, then what it rests on. */
export function explainText(explanation: Explanation): string {
  const { decision, code, method, url, sandbox, reason, hint, rule, tunnel, forward } = explanation;
  const { changes, limits, considered } = explanation;
  const verdict = code === null ? decision : `${decision}  ${code}`;
  const lines = [
    `${verdict}  ${method} ${url}`,
    line('sandbox', sandbox),
    rule === null ? line('rule', 'none') : line('rule', referenceText(rule)),
    reason === null ? '' : line('reason', reason),
    hint === null ? '' : line('hint', hint),
    tunnel === null ? '' : line('tunnel', TUNNEL_TEXT[tunnel]),
    forward === null ? '' : line('forwards', `to ${forward}, with Forwarded and X-Postern-Statement`),
    ...changeLines(changes),
    limits.length === 0 ? '' : line('limits', limits.join(', ')),
    ...consideredLines(considered),
  ];
  return `${lines.filter((text) => text !== '').join('\n')}\n`;
}

const line = (name: string, text: string): string => `  ${name.padEnd(11)}${text}`;

const TUNNEL_TEXT: Readonly<Record<NonNullable<Explanation['tunnel']>, string>> = {
  intercept: 'intercepted: each request inside is decided on its own',
  opaque: 'opaque: only the TLS name is seen, so no method, path or field counts and nothing is added',
  raw: 'raw: bytes pass as they are, by subnets.allow',
  'named-inside': 'opened, to be judged by the name inside',
  deny: 'refused',
};

function changeLines({ secrets, fields, query, cookies, placeholders, removed }: Changes): readonly string[] {
  const added = [
    ...fields.map((name) => `field ${name}`),
    ...query.map((name) => `query ${name}`),
    ...cookies.map((name) => `cookie ${name}`),
  ];
  return [
    added.length === 0 ? '' : line('adds', added.join(', ')),
    placeholders.length === 0 ? '' : line('swaps', placeholders.join(', ')),
    secrets.length === 0 ? '' : line('secrets', secrets.join(', ')),
    removed.length === 0 ? '' : line('removes', removed.join(', ')),
  ];
}

function consideredLines(considered: readonly Considered[]): readonly string[] {
  if (considered.length === 0) return [line('considered', 'no rule names this host')];
  const shown = considered.slice(0, RULES_SHOWN_MAX).map((each) => `    ${referenceText(each)}  ${outcomeText(each)}`);
  const more = considered.length - shown.length;
  return ['  considered', ...shown, more > 0 ? `    and ${more} more` : ''];
}

function outcomeText({ action, outcome, unmet }: Considered): string {
  if (unmet !== null) return `${unmet.condition} does not hold; it wants ${unmet.wants}`;
  switch (outcome) {
    case 'decides':
      return `decides: ${action}`;
    case 'skipped':
      return 'is for passthrough tunnels';
    case 'not-asked':
    case 'unmet':
      return 'was not asked';
  }
}

/** The label of a rule without a name is its place already. */
const referenceText = ({ rule, file, line: number }: RuleReference): string =>
  rule === `${file}:${number}` ? rule : `${rule} (${file}:${number})`;
