/**
 * The variables with which programs find the proxy and trust its CA, for every ecosystem that we know of. Each program reads one of its
 * own, and each was looked up in that program's documentation or source.
 */
export interface SandboxPlace {
  /** `http://host:port`, as the sandbox reaches the proxy; null where its connections are redirected and it needs none. */
  readonly proxyUrl: string | null;
  /** Absolute paths, as the sandbox sees the files. */
  readonly caFile: string;
  readonly bundleFile: string;
  /** A PKCS#12 store for Java; null if there is none. */
  readonly trustStoreFile: string | null;
}

export type Variable = readonly [name: string, value: string];

/** A value cannot be written: `docker` has no way to write a line break, and Java none to write the quote it quotes with. */
export class UnwritableError extends Error {}

/** Never proxied: what the sandbox runs for itself. */
const LOCAL = 'localhost,127.0.0.1,::1';

/**
 * Lower case is what curl, wget and gRPC read (curl knows HTTP_PROXY in lower case alone, since CGI sets the other); upper case is what
 * Go, Node and .NET look for first. WS_PROXY and WSS_PROXY are for aiohttp, which looks for a proxy by scheme. Yarn from version 2 on
 * reads no other variable for its proxy, and refuses to start over a YARN_ variable that it does not know.
 */
const PROXY_VARIABLES = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'WS_PROXY',
  'WSS_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'ws_proxy',
  'wss_proxy',
  'YARN_HTTP_PROXY',
  'YARN_HTTPS_PROXY',
] as const;

/** Their file takes the place of the roots, so it must hold the roots too: hosts that are passed through show their own certificates. */
const REPLACE_ROOTS = [
  'SSL_CERT_FILE', // OpenSSL and all on it (Python, Ruby, Perl, PHP but for its curl), Go, .NET, Rust's native roots, uv
  'CURL_CA_BUNDLE', // curl
  'REQUESTS_CA_BUNDLE', // Python requests, and what is built on it
  'PIP_CERT', // pip
  'GIT_SSL_CAINFO', // git
  'CARGO_HTTP_CAINFO', // cargo
  'AWS_CA_BUNDLE', // AWS CLI and its SDK for Python
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE', // gcloud
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', // gRPC on its C core, and for Node
  'npm_config_cafile', // npm, pnpm
  'NIX_SSL_CERT_FILE', // Nix, and programs packaged by it
  'HEX_CACERTS_PATH', // Elixir's Hex
  'HTTPLIB2_CA_CERTS', // Python httplib2, on which Google's older clients are built
  'PERL_LWP_SSL_CA_FILE', // Perl's LWP
  'JULIA_SSL_CA_ROOTS_PATH', // Julia
] as const;

/** Their file is added to the roots that the program has. */
const ADD_TO_ROOTS = [
  'NODE_EXTRA_CA_CERTS', // Node, Bun, Deno from 2.8 on, Yarn, Electron
  'DENO_CERT', // Deno
] as const;

/** All of them, in an order for reading. */
export function sandboxVariables(place: SandboxPlace): readonly Variable[] {
  const trustStore = place.trustStoreFile;
  return [
    ...(place.proxyUrl === null ? [] : proxyVariables(place.proxyUrl)),
    ...REPLACE_ROOTS.map((name) => [name, place.bundleFile] as const),
    ...ADD_TO_ROOTS.map((name) => [name, place.caFile] as const),
    ...(trustStore === null ? [] : [['JAVA_TOOL_OPTIONS', javaOptions(place.proxyUrl, trustStore)] as const]),
  ];
}

const proxyVariables = (proxyUrl: string): readonly Variable[] => [
  ...PROXY_VARIABLES.map((name) => [name, proxyUrl] as const),
  ['NO_PROXY', LOCAL],
  ['no_proxy', LOCAL],
  // Node reads the variables above from 24.5 and 22.21 on, and only if it is told to.
  ['NODE_USE_ENV_PROXY', '1'],
  // So does Perl's LWP.
  ['PERL_LWP_ENV_PROXY', '1'],
];

/** The JVM splits the variable at white space, and takes what stands in quotes as one piece. The store can be read without a password. */
function javaOptions(proxyUrl: string | null, trustStore: string): string {
  const properties: readonly Variable[] = [
    ...(proxyUrl === null ? [] : javaProxyProperties(proxyUrl)),
    ['javax.net.ssl.trustStore', trustStore],
    ['javax.net.ssl.trustStoreType', 'PKCS12'],
  ];
  return properties.map(javaProperty).join(' ');
}

function javaProxyProperties(proxyUrl: string): readonly Variable[] {
  const { hostname, port } = new URL(proxyUrl);
  const host = hostname.replace(/^\[|\]$/g, '');
  return [
    ['http.proxyHost', host],
    ['http.proxyPort', port || '80'],
    ['https.proxyHost', host],
    ['https.proxyPort', port || '80'],
    ['http.nonProxyHosts', 'localhost|127.*|[::1]'],
  ];
}

function javaProperty([name, value]: Variable): string {
  if (value.includes('"')) throw new UnwritableError(`${name} has a double quote, which JAVA_TOOL_OPTIONS cannot hold`);
  return `-D${name}=${/[\s']/.test(value) ? `"${value}"` : value}`;
}

export type VariablesFormat = 'sh' | 'json' | 'docker';

/** What stands around the variables of a text, and between two. */
export const FRAMES: Readonly<Record<VariablesFormat, Readonly<Record<'before' | 'between' | 'after', string>>>> = {
  sh: { before: '', between: '', after: '' },
  docker: { before: '', between: '', after: '' },
  json: { before: '{\n', between: ',\n', after: '\n}\n' },
};

const LINES: Readonly<Record<VariablesFormat, (variable: Variable) => string>> = {
  sh: shellLine,
  docker: dockerLine,
  json: ([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`,
};

export function formatVariables(variables: readonly Variable[], format: VariablesFormat): string {
  const { before, after } = FRAMES[format];
  return before + variablesText(variables, format) + after;
}

/** The same without its frame, for a text that is put together of several. */
export const variablesText = (variables: readonly Variable[], format: VariablesFormat): string =>
  variables.map(LINES[format]).join(FRAMES[format].between);

/** In single quotes a shell changes nothing; a single quote itself stands outside of them. */
function shellLine([name, value]: Variable): string {
  return `export ${name}='${value.replaceAll("'", "'\\''")}'\n`;
}

/** `docker run --env-file`: everything after the first `=` is the value, quotes included. */
function dockerLine([name, value]: Variable): string {
  if (/[\r\n]/.test(value)) throw new UnwritableError(`${name} has a line break, which --env-file cannot hold`);
  return `${name}=${value}\n`;
}
