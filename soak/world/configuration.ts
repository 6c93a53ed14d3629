import type { Ports } from '../origin/servers.ts';

/** A misplaced placeholder of each sandbox. */
export const PLACEHOLDER = 'PSTRN-SOAK-BODY-0001';

/** The limits are short, so that what waits for one is over within a run. */
export const settingsText = (trust: string, ports: Ports, leafCache = 100): string => `version: 1
listen: { proxy: ["127.0.0.1:0"] }
admin: { listen: ["127.0.0.1:0"], token: { file: admin-token } }
upstream:
  trust: [${trust}]
  dns: ["127.0.0.1:${ports.names}"]
  allow_addresses: [127.0.0.0/8]
limits: { client_head: 3s, connect: 3s, tls: 3s, idle: 8s, tunnel_idle: 10s, drain: 10s, leaf_cache: ${leafCache}, dns_cache: 1s }
log: { audit: audit.jsonl }
`;

const everywhere = (ports: Ports): string => `ports: [${ports.tls}], inject: [{ bearer: "\${fixed}" }]`;

/** The policies by file. One sandbox is for everyone; the others are told by their address or token, and have lives of their own. */
export function policyTexts(ports: Ports): Readonly<Record<string, string>> {
  return {
    'main.yaml': mainPolicy(ports),
    'edited.yaml': editedPolicy(ports, 'open'),
    'quarantine.yaml': quarantinePolicy(ports),
    'token.yaml': `version: 1
sandbox: { name: token, match: [ { token: { file: ../sandbox-token } } ] }
secrets: { fixed: { file: ../secrets/fixed } }
rules:
  - { name: api, hosts: [api.origin.test], ${everywhere(ports)} }
`,
  };
}

const mainPolicy = (ports: Ports): string => `version: 1
sandbox: { name: main, match: [ { any: true } ] }
secrets:
  fixed: { file: ../secrets/fixed }
  rotating: { file: ../secrets/rotating, hosts: [rotating.origin.test] }
  body: { file: ../secrets/body, hosts: [body.origin.test] }
rules:
  - { name: passthrough, hosts: [pass.origin.test], ports: [${ports.tls}], tls: passthrough }
  - { name: plain, hosts: [plain.origin.test], schemes: [http], ports: [${ports.plain}] }
  - { name: closed, hosts: [closed.origin.test], ports: [${ports.closed}] }
  - { name: stranger, hosts: [stranger.origin.test], ports: [${ports.stranger}], inject: [{ bearer: "\${fixed}" }] }
  - { name: no-admin, hosts: [origin.test], ports: [${ports.tls}], paths: ["/bytes/admin"], action: deny }
  - { name: strict, hosts: [origin.test], methods: [GET], paths: ["/bytes/*"], ${everywhere(ports)} }
  - name: body
    hosts: [body.origin.test]
    methods: [POST]
    ports: [${ports.tls}]
    inject: [ { placeholder: { token: ${PLACEHOLDER}, value: "\${body}", in: ["body:client_secret"] } } ]
  - { name: impatient, hosts: [impatient.origin.test], response_head: 400ms, idle: 400ms, ${everywhere(ports)} }
  - name: rotating
    hosts: [rotating.origin.test]
    ports: [${ports.tls}]
    inject: [ { bearer: "\${rotating}" } ]
  - name: limited
    hosts: [limited.origin.test]
    limits: { requests: 10/s, bytes_out: 20KiB/s, concurrency: 3, body: 1KiB }
    ${everywhere(ports).replace(', inject', '\n    inject')}
  - { name: streams, hosts: [streams.origin.test], ports: [${ports.streams}], inject: [{ bearer: "\${fixed}" }] }
  - { name: api, hosts: [api.origin.test], ${everywhere(ports)} }
  - { name: wild, hosts: ["*.origin.test"], ${everywhere(ports)} }
subnets:
  allow: [ { cidr: 127.0.0.1/32, ports: [${ports.raw}] } ]
`;

export type Edition = 'open' | 'host-denied' | 'path-denied' | 'invalid' | 'large';

/** The policy that is edited all the time, in one of its forms. Its source address is 127.0.0.2. */
export function editedPolicy(ports: Ports, edition: Edition): string {
  const host = edition === 'host-denied' ? 'nobody.origin.test' : 'edited.origin.test';
  const paths = edition === 'path-denied' ? 'paths: ["/seen/**"], ' : '';
  const others = edition === 'large' ? Array.from({ length: 1000 }, (_, at) => otherRule(at)).join('') : '';
  const wrong = edition === 'invalid' ? '  - { name: wrong, hostz: [edited.origin.test] }\n' : '';
  return `version: 1
sandbox: { name: edited, match: [ { source: 127.0.0.2/32 } ] }
secrets: { fixed: { file: ../secrets/fixed } }
rules:
${others}${wrong}  - { name: edited, hosts: [${host}], ${paths}${everywhere(ports)} }
  - { name: edited-pass, hosts: [pass-${host}], ports: [${ports.tls}], tls: passthrough }
`;
}

const otherRule = (at: number): string =>
  `  - { name: r${at}, hosts: [host${at}.example.com], methods: [GET, HEAD], paths: ["/repos/acme/**"] }\n`;

const quarantinePolicy = (ports: Ports): string => `version: 1
sandbox: { name: quarantine, match: [ { source: 127.0.0.3/32 } ] }
secrets: { body: { file: ../secrets/body } }
rules:
  - name: body
    hosts: [api.origin.test]
    methods: [POST]
    ports: [${ports.tls}]
    inject:
      - placeholder: { token: ${PLACEHOLDER}-Q, value: "\${body}", in: ["body:client_secret"], misplaced: quarantine }
`;
