/** How a program is asked whether it trusts the CA, and which variable tells it. */
export interface Runtime {
  readonly name: string;
  readonly program: string;
  /** The variable that names its roots. */
  readonly variable: string;
  /** A request to that URL; exit status 0 if TLS worked, whatever the answer was. Null: it would take longer than anybody waits. */
  readonly request: ((target: Target) => readonly string[]) | null;
  /** Run before, to see whether it is there; the program alone does not tell. */
  readonly probe?: readonly string[];
}

export interface Target {
  /** `https://host:port/` */
  readonly url: string;
  readonly authority: string;
  readonly host: string;
  /** `host:port` of the proxy. */
  readonly proxy: string;
}

const PYTHON = `import sys, urllib.request, urllib.error
try: urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError: pass`;

const FETCH =
  'fetch(process.argv[1]).then(() => process.exit(0), (e) => { console.error(e.cause?.code ?? e.message); process.exit(1) })';

/** A server that is none of git's fails too, after TLS; exit status 60 of a broken one is told by what git says. */
const GIT =
  'out=$(git ls-remote "$1" 2>&1) || case "$out" in *ertificate*|*SSL*|*resolve*|*onnect*) echo "$out" >&2; exit 1;; esac';

export const RUNTIMES: readonly Runtime[] = [
  {
    name: 'curl',
    program: 'curl',
    variable: 'CURL_CA_BUNDLE',
    request: ({ url }) => ['curl', '-sS', '-o', '/dev/null', url],
  },
  {
    name: 'git',
    program: 'git',
    variable: 'GIT_SSL_CAINFO',
    request: ({ url }) => ['sh', '-c', GIT, 'sh', `${url}postern-doctor.git`],
  },
  {
    name: 'Python ssl',
    program: 'python3',
    variable: 'SSL_CERT_FILE',
    request: ({ url }) => ['python3', '-c', PYTHON, url],
  },
  {
    name: 'Python requests',
    program: 'python3',
    variable: 'REQUESTS_CA_BUNDLE',
    request: ({ url }) => ['python3', '-c', 'import sys, requests; requests.get(sys.argv[1])', url],
    probe: ['python3', '-c', 'import requests'],
  },
  {
    name: 'Node',
    program: 'node',
    variable: 'NODE_EXTRA_CA_CERTS',
    request: ({ url }) => ['node', '-e', FETCH, url],
  },
  {
    name: 'OpenSSL',
    program: 'openssl',
    variable: 'SSL_CERT_FILE',
    request: ({ authority, host, proxy }) => [
      ...['openssl', 's_client', '-brief', '-verify_return_error', '-proxy', proxy],
      ...['-connect', authority, '-servername', host, '-verify_hostname', host],
    ],
  },
  { name: 'Go', program: 'go', variable: 'SSL_CERT_FILE', request: null },
  { name: 'Java', program: 'java', variable: 'JAVA_TOOL_OPTIONS', request: null },
];
