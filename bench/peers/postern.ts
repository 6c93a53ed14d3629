import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../harness/paths.ts';
import { manifestVersion } from './commands.ts';
import type { Command, Peer, PeerContext } from './peer.ts';

const program = join(projectFolder, 'dist', 'postern.js');

/** What a round varies of Postern. */
export interface PosternOptions {
  /** Rules before the one that matches. */
  readonly rules?: number;
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

function matchingRule(context: PeerContext): string {
  return `version: 1
secrets:
  bench: { file: ${join(context.folder, 'secret')} }
rules:
  - name: origin
    hosts: [origin.test, "*.origin.test"]
    ports: [${context.originPort}]
    inject:
      - bearer: "\${bench}"
`;
}

function prepare(context: PeerContext, options: PosternOptions = {}): Command {
  const { folder } = context;
  const policies = join(folder, 'policies');
  mkdirSync(policies, { recursive: true });
  mkdirSync(join(folder, 'certs'), { recursive: true });
  writeFileSync(join(folder, 'secret'), context.bearer, { mode: 0o600 });
  for (let first = 0; first < (options.rules ?? 0); first += rulesPerFile) {
    const count = Math.min(rulesPerFile, (options.rules ?? 0) - first);
    writeFileSync(join(policies, `${String(first).padStart(8, '0')}.yaml`), otherRules(first, count));
  }
  writeFileSync(join(policies, 'z-origin.yaml'), matchingRule(context)); // read last: files are merged in name order
  const file = join(folder, 'postern.yaml');
  writeFileSync(file, processConfiguration(context));
  return {
    argv: [program, 'serve', '--config', file],
    clientTrust: join(folder, 'certs', 'ca.pem'),
  };
}

/** Postern as a peer; `options` are for the rounds that only Postern runs. */
export function posternWith(options: PosternOptions): Peer {
  return {
    name: 'postern',
    about: 'this project: policy, audit to a file and metrics on',
    mode: 'mitm',
    injects: true,
    mints: true,
    install: 'npm ci',
    version: () => (existsSync(program) ? manifestVersion(projectFolder) : undefined),
    prepare: (context) => prepare(context, options),
  };
}

export const postern = posternWith({});
