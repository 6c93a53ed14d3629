/** What `postern init` writes. */

export const STARTER_CONFIG = `# How this process runs. Everything here is the default, so any line may go; "postern schema config" knows every key.
# Changes of limits, upstream, ca and log.level are live; listen, admin and policies need a restart.
version: 1

listen:
  proxy: [127.0.0.1:8080]        # where sandboxes connect (HTTP proxy: CONNECT and http://)
admin:
  listen: [127.0.0.1:9464]       # health, metrics and API; never where sandboxes connect

policies: policies/              # every *.yaml in it is read, and read again when it changes
ca: { dir: certs/, leaf_ttl: 24h }

upstream:
  trust: []                      # PEM files of authorities to trust besides the system's
  allow_addresses: []            # private blocks that a rule which names the host may reach, e.g. [10.20.0.0/16]

limits: { connections: 10000, connections_per_sandbox: 2000, head_bytes: 64KiB, client_head: 30s, connect: 10s,
          response_head: 10m, idle: 5m, tunnel_idle: 1h, drain: 30s }

log: { level: info, audit: stdout }
`;

export const STARTER_POLICY = `# What the sandbox may do. Everything that no rule allows is denied. Edits are in force before the next request.
# Check it with: postern check. Ask it with: postern explain GET https://httpbin.org/bearer
version: 1

secrets:
  # Set DEMO_TOKEN to anything before you start. Or { file: /run/secrets/demo }, which may change while we run.
  demo: { env: DEMO_TOKEN, hosts: [httpbin.org, httpbingo.org] }

rules:
  # curl https://httpbin.org/bearer answers with the token that it was sent, which curl never had.
  - name: demo
    hosts: [httpbin.org, httpbingo.org]
    methods: [GET, HEAD]
    paths: [/bearer, /headers]
    inject:
      - bearer: "\${demo}"

  # Reading one public page, with nothing added.
  - name: example
    hosts: [example.com]
    methods: [GET, HEAD]
`;
