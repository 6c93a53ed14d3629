import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compilePolicy } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import type { Decision } from '../../src/policy/decision.ts';
import type { Finding, SandboxSpec } from '../../src/policy/model.ts';
import { readPolicy } from '../../src/policy/reading/read.ts';
import { groupSandboxes } from '../../src/policy/reading/sandboxes.ts';
import { holds, same, type Target } from '../target.ts';

const folder = fileURLToPath(new URL('../../policies/', import.meta.url));
const EXAMPLES = globSync('**/*.yaml', { cwd: folder }).map((path) =>
  readFileSync(`${folder}${path}`, 'utf8').replaceAll(/ *#.*\n/g, '\n'),
);
const FILE = 'fuzz.yaml';

const FACTS = {
  method: 'GET',
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  path: '/a/b',
  query: 'c=d',
  fields: [{ name: 'Accept', lower: 'accept', value: '*/*' }],
  websocket: false,
} as const;

/** The text of a policy file: always findings that point into it, never an exception; what loads can be compiled and asked. */
export const target: Target = {
  name: 'policy',
  seeds: [
    ...EXAMPLES,
    'version: 1\nrules:\n  - hosts: [api.example.com]\n    paths: ["/a/**"]\n    query: { ref: main }\n    headers: { accept: { glob: "a*" } }\n',
    'version: 1\nsecrets:\n  one: { env: ONE, hosts: [a.example.com] }\nrules:\n  - hosts: [a.example.com]\n    inject:\n      - bearer: "${one}"\n',
    'version: 1\nsandbox: { name: vm-1, match: [{ source: 10.0.0.1/32 }] }\nsubnets: { allow: [{ cidr: 10.1.0.0/16, ports: [5432] }] }\n',
    'version: 1\ndefault: allow\nmode: observe\nrules: []\n',
  ],
  dictionary: [
    '\n',
    '  ',
    '- ',
    ': ',
    '{ ',
    ' }',
    '[',
    ']',
    '"',
    "'",
    '#',
    '&a ',
    '*a',
    '!!str ',
    '|\n',
    '>\n',
    '<<: ',
    '---\n',
    '...\n',
    '%YAML 1.1\n',
    '\t',
    '\r\n',
    '? ',
    'version: 1\n',
    'rules:\n',
    '  - hosts: [a.example.com]\n',
    'paths: ["/**"]',
    'methods: [GET]',
    'inject: []',
    'bearer: "${x}"',
    'basic: ',
    'header: ',
    'query: ',
    'placeholder: ',
    'secrets:\n',
    'sandbox: ',
    'subnets: ',
    'default: deny',
    'tls: passthrough',
    'action: deny',
    'null',
    'true',
    '0',
    '\xef\xbb\xbf',
    '\xe2\x80\xae',
  ],
  bytesMax: 600,
  batchInputs: 16,
  check(input) {
    const text = input.toString('utf8');
    const { spec, findings } = readPolicy(text, FILE);
    const lines = text.replace(/^\ufeff/, '').split('\n');
    for (const finding of findings) checkPlace(finding, lines);
    same(
      'a file with errors does not load, and one without does',
      spec === null,
      findings.some(({ level }) => level === 'error'),
    );
    same('findings are in the order of the file', findings.filter(isSorted).length, findings.length);
    if (spec === null) return;
    same('a second reading is the same', readPolicy(text, FILE).spec, spec);
    const { sandboxes, findings: more } = groupSandboxes([spec]);
    same(
      'a file that loads is a sandbox, or says why not',
      sandboxes.length,
      more.some(({ level }) => level === 'error') ? 0 : 1,
    );
    for (const sandbox of sandboxes) checkDecision(decide(compilePolicy(sandbox), FACTS), sandbox);
  },
};

/** Nothing is allowed that no rule and no default allows. */
function checkDecision({ effect, rule }: Decision, { default: otherwise, mode }: SandboxSpec): void {
  if (effect === 'allow')
    holds('what is allowed, a rule or the default allows', rule?.spec.action === 'allow' || otherwise === 'allow');
  if (effect === 'would-deny') holds('only what observes lets a denial pass', mode === 'observe');
}

function checkPlace({ place, text }: Finding, lines: readonly string[]): void {
  const line = lines[place.line - 1];
  holds('a finding points at a line of the file', line !== undefined);
  holds('a finding points into its line', place.column >= 1 && place.column <= (line ?? '').length + 1);
  holds(
    'a finding says something',
    text.length > 0 && place.file === FILE && !/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text),
  );
}

function isSorted({ place }: Finding, index: number, findings: readonly Finding[]): boolean {
  const before = findings[index - 1]?.place;
  return (
    before === undefined ||
    before.line < place.line ||
    (before.line === place.line && before.column <= place.column) ||
    findings.length > 100
  );
}
