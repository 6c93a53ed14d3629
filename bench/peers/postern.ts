import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../harness/paths.ts';
import { manifestVersion } from './commands.ts';
import type { Command, Peer, PeerContext } from './peer.ts';

const programIn = (project: string): string => join(project, 'dist', 'postern.js');

/** What a round varies of Postern. */
export interface PosternOptions {
  /** Rules before the one that matches. */
  readonly rules?: number;
  /** Whether echoed secrets are looked for in answers; they are by default. */
  readonly scrub?: boolean;
}

/** A policy file takes so many of the rules, as a person who has thousands would split them. */
const rulesPerFile = 1000;

function processConfiguration(context: PeerContext): string {
  const { folder, port, adminPort, hosts, certificates } = context;
  const names = ['origin.test', ...Array.from({ length: hosts }, (_, index) => `h${index + 1}.origin.test`)];
  return `version: 1
listen: { proxy: ["127.0.0.1:${port}"] }
admin: { listen: ["127.0.0.1:${adminPort}"] }
policies: ${join(folder, 'policies')}
ca: { dir: ${join(folder, 'certs')} }
upstream:
  trust: [${certificates.trust}]
  allow_addresses: [127.0.0.0/8]
  hosts:
${names.map((name) => `    ${name}: [127.0.0.1]`).join('\n')}
limits: { connections: 15000, connections_per_sandbox: 15000 }
log: { audit: ${join(folder, 'audit.jsonl')} }
`;
}

function rule(index: number): string {
  return `  - name: r${index}
    hosts: [host${index}.example.com]
    methods: [GET, HEAD]
    paths: ["/repos/acme/**"]
`;
}

/** A file of rules that match none of the benchmark's hosts; `variant` makes one of its paths another. */
export function otherRules(first: number, count: number, variant = 'a'): string {
  const rules = Array.from({ length: count }, (_, index) => rule(first + index));
  return `version: 1\nrules:\n${rules.join('')}  - { name: v${first}, hosts: [variant${first}.example.com], paths: [/${variant}] }\n`;
}

function matchingRule(context: PeerContext, { scrub = true }: PosternOptions): string {
  return `version: 1
secrets:
  bench: { file: ${join(context.folder, 'secret')} }
rules:
  - name: origin
    hosts: [origin.test, "*.origin.test"]
    ports: [${context.originPort}]
    inject:
      - bearer: "\${bench}"
${scrub ? '' : '    scrub: false\n'}`;
}

function prepare(project: string, context: PeerContext, options: PosternOptions): Command {
  const { folder } = context;
  const policies = join(folder, 'policies');
  mkdirSync(policies, { recursive: true });
  mkdirSync(join(folder, 'certs'), { recursive: true });
  writeFileSync(join(folder, 'secret'), context.bearer, { mode: 0o600 });
  for (let first = 0; first < (options.rules ?? 0); first += rulesPerFile) {
    const count = Math.min(rulesPerFile, (options.rules ?? 0) - first);
    writeFileSync(join(policies, `${String(first).padStart(8, '0')}.yaml`), otherRules(first, count));
  }
  writeFileSync(join(policies, 'z-origin.yaml'), matchingRule(context, options)); // read last: files are merged in name order
  const file = join(folder, 'postern.yaml');
  writeFileSync(file, processConfiguration(context));
  return {
    argv: [programIn(project), 'serve', '--config', file],
    clientTrust: join(folder, 'certs', 'ca.pem'),
  };
}

interface Named {
  readonly name: string;
  readonly about: string;
  /** The folder of the checkout whose build is run. */
  readonly project: string;
}

function peerOf({ name, about, project }: Named, options: PosternOptions): Peer {
  return {
    name,
    about,
    mode: 'mitm',
    injects: true,
    mints: true,
    http2: 'both',
    install: 'npm ci',
    version: () => (existsSync(programIn(project)) ? manifestVersion(project) : undefined),
    prepare: (context) => prepare(project, context, options),
  };
}

const POSTERN: Named = {
  name: 'postern',
  about: 'this project: policy, echoes masked, audit to a file and metrics on',
  project: projectFolder,
};

/** Postern as a peer; `options` are for the rounds that only Postern runs. */
export const posternWith = (options: PosternOptions): Peer => peerOf(POSTERN, options);

export const postern = posternWith({});

export const unscrubbed = peerOf(
  { ...POSTERN, name: 'postern-unscrubbed', about: 'the same with `scrub: false`' },
  { scrub: false },
);

/** An older checkout of this project that was built, to be measured beside this one. */
export const baselineIn = (project: string): Peer =>
  peerOf({ name: 'baseline', about: `Postern as built in ${project}`, project }, {});
