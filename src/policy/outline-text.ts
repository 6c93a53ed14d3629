import type { Misplaced } from './model.ts';
import type { ConditionOutline, Outline, PlaceholderOutline, RuleOutline } from './outline.ts';
import { OWN_NAME } from './reserved.ts';

/**
 * A policy in words, for whoever sits in the sandbox: most often a model that has to choose its next request. What it may do comes first,
 * rule by rule in the order in which they are asked, and what to do about a refusal last.
 */
export function outlineText(outline: Outline): string {
  const { sandbox, rules, placeholders, subnets } = outline;
  const parts = [
    [`What sandbox "${sandbox}" may reach through this proxy.`, ...orderLines(outline)],
    ...rules.map(ruleLines),
    subnetLines(subnets),
    placeholderLines(placeholders),
    REFUSED_LINES,
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function orderLines({ mode, rules, default: unnamed }: Outline): readonly string[] {
  const first =
    rules.length === 0
      ? 'There are no rules.'
      : 'The first rule below that fits a request as a whole decides about it.';
  const rest =
    unnamed === 'allow'
      ? 'A host that no rule names may be reached at public addresses, without a credential.'
      : 'Everything else is refused.';
  const observed = 'The policy only observes: what it would refuse passes at present, without a credential.';
  return [`${first} ${rest}`, ...(mode === 'observe' ? [observed] : [])];
}

const line = (name: string, text: string): string => `   ${name.padEnd(13)}${text}`;

function ruleLines(rule: RuleOutline, index: number): readonly string[] {
  const { name, action, hosts, schemes, ports, methods, paths, query, headers } = rule;
  const title = `${index + 1}. ${action === 'allow' ? 'Allowed' : 'Refused'}${name === null ? '' : ` ("${name}")`}`;
  return [
    title,
    line('hosts', hosts.map(hostText).join(', ')),
    line('schemes', `${schemes.join(', ')} on port ${ports.join(', ')}`),
    ...(rule.tls === 'passthrough' ? [line('contents', 'any, unread: nothing is added')] : []),
    ...(rule.tls === 'intercept' ? [line('methods', methods?.join(', ') ?? 'any but TRACE')] : []),
    ...(paths === null ? [] : [line('paths', `${paths.join('  ')}${GLOB_NOTE}`)]),
    ...query.map((each) => line('query', conditionText(each))),
    ...headers.map((each) => line('field', conditionText(each))),
    ...(action === 'allow' ? allowedLines(rule) : []),
  ];
}

const GLOB_NOTE = '  (* is within a segment, ** any number of segments)';

const hostText = (host: string): string => (host.startsWith('*.') ? `${host} (any name below it)` : host);

function conditionText({ name, value }: ConditionOutline): string {
  if (value === null) return `${name} must have the value that the policy has for it`;
  return 'exact' in value
    ? `${name} must be ${JSON.stringify(value.exact)}`
    : `${name} must be like ${JSON.stringify(value.glob)}`;
}

/** What becomes of a request that this rule lets pass. */
function allowedLines({ adds, placeholders, removes, limits, websocket, tls }: RuleOutline): readonly string[] {
  const added = [
    ...adds.fields.map((name) => `field ${name}`),
    ...adds.query.map((name) => `query parameter ${name}`),
    ...adds.cookies.map((name) => `cookie ${name}`),
  ];
  return [
    ...(added.length === 0 ? [] : [line('credential', `${added.join(', ')}: added for you; send none of your own`)]),
    ...placeholders.map((each) => line('placeholder', placeholderText(each))),
    ...(removes.length === 0 ? [] : [line('removed', `${removes.join(', ')}: these fields of yours do not leave`)]),
    ...(limits.length === 0 ? [] : [line('limits', limits.join(', '))]),
    ...(websocket || tls === 'passthrough' ? [] : [line('websocket', 'refused')]),
  ];
}

const placeholderText = ({ token, in: surfaces }: PlaceholderOutline): string =>
  `write ${token} where the real value belongs, in ${surfaces.join(' or ')}`;

function subnetLines({ allow, deny }: Outline['subnets']): readonly string[] {
  if (allow.length === 0 && deny.length === 0) return [];
  return [
    'Addresses (by CONNECT, any protocol)',
    ...allow.map(({ cidr, ports }) => line('allowed', `${cidr} on port ${ports.join(', ')}`)),
    ...deny.map((cidr) => line('refused', `${cidr}, also for names that resolve into it`)),
  ];
}

const MISPLACED_TEXT: Readonly<Record<Misplaced, string>> = {
  deny: 'the request is refused (PLACEHOLDER_MISUSE)',
  pass: 'it leaves as it is',
  quarantine: 'this sandbox is denied everything (QUARANTINED) until an operator lifts it',
};

/** One place for the rule about all of them: the one thing in a policy that must not be found out by trying. */
function placeholderLines(placeholders: Outline['placeholders']): readonly string[] {
  if (placeholders.length === 0) return [];
  return [
    'Placeholders stand for credentials that you never see. Send one only where its rule says; anywhere else:',
    ...placeholders.map(({ token, misplaced }) => `   ${token}: ${MISPLACED_TEXT[misplaced]}`),
  ];
}

const REFUSED_LINES: readonly string[] = [
  'When a request is refused',
  '   The answer has the field x-postern-error with a code, and a JSON body with message and hint; a refused CONNECT says both in its',
  '   reason phrase. Change the request as the hint says. Trying it again, other spellings of the host or path, and other addresses for it',
  '   do not help. 429 and 503 may be tried again after Retry-After. What is not allowed here only an operator of the proxy can allow:',
  '   tell them the code, the host and x-postern-id.',
  `   http://${OWN_NAME}/policy?format=json has the same as data; /ca.pem, /bundle.pem and /env have what programs here need to use the proxy.`,
];
