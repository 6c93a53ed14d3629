import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  formatVariables,
  type SandboxPlace,
  sandboxVariables,
  UnwritableError,
  type Variable,
} from '../../../src/environment/variables.ts';

const PLACE: SandboxPlace = {
  proxyUrl: 'http://127.0.0.1:8080',
  caFile: '/ca/ca.pem',
  bundleFile: '/ca/bundle.pem',
  trustStoreFile: null,
};
const values = (place: Partial<SandboxPlace> = {}): ReadonlyMap<string, string> =>
  new Map(sandboxVariables({ ...PLACE, ...place }));

describe('the variables', () => {
  test('name the proxy in both cases, and what is local stays local', () => {
    const all = values();
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'WS_PROXY', 'WSS_PROXY']) {
      expect([name, all.get(name)]).toEqual([name, PLACE.proxyUrl]);
      expect([name, all.get(name.toLowerCase())]).toEqual([name, PLACE.proxyUrl]);
    }
    expect(all.get('NO_PROXY')).toBe('localhost,127.0.0.1,::1');
    expect(all.get('no_proxy')).toBe(all.get('NO_PROXY'));
    for (const name of ['NODE_USE_ENV_PROXY', 'PERL_LWP_ENV_PROXY']) expect([name, all.get(name)]).toEqual([name, '1']);
  });

  test.each(['NODE_EXTRA_CA_CERTS', 'DENO_CERT'])('%s adds to the roots, so it names the CA alone', (name) => {
    expect(values().get(name)).toBe('/ca/ca.pem');
  });

  test.each([
    'SSL_CERT_FILE',
    'CURL_CA_BUNDLE',
    'REQUESTS_CA_BUNDLE',
    'PIP_CERT',
    'GIT_SSL_CAINFO',
    'CARGO_HTTP_CAINFO',
    'AWS_CA_BUNDLE',
    'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
    'npm_config_cafile',
  ])('%s replaces the roots, so it names the bundle', (name) => {
    expect(values().get(name)).toBe('/ca/bundle.pem');
  });

  test('no variable of Yarn is set but those it knows: it refuses to start over others', () => {
    const yarn = [...values().keys()].filter((name) => /^yarn_/i.test(name));
    expect(yarn).toEqual(['YARN_HTTP_PROXY', 'YARN_HTTPS_PROXY']);
  });

  test('no name comes twice', () => {
    const names = sandboxVariables({ ...PLACE, trustStoreFile: '/ca/truststore.p12' }).map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('Java is told only where there is a store for it', () => {
    expect(values().has('JAVA_TOOL_OPTIONS')).toBe(false);
    const options = values({ trustStoreFile: '/ca/truststore.p12', proxyUrl: 'http://[::1]:3128' }).get(
      'JAVA_TOOL_OPTIONS',
    );
    expect(options?.split(' ')).toEqual([
      '-Dhttp.proxyHost=::1',
      '-Dhttp.proxyPort=3128',
      '-Dhttps.proxyHost=::1',
      '-Dhttps.proxyPort=3128',
      '-Dhttp.nonProxyHosts=localhost|127.*|[::1]',
      '-Djavax.net.ssl.trustStore=/ca/truststore.p12',
      '-Djavax.net.ssl.trustStoreType=PKCS12',
    ]);
  });

  test('a path with a space stands in quotes for Java, and one with a quote is refused', () => {
    const options = values({ trustStoreFile: "/it's here/t.p12" }).get('JAVA_TOOL_OPTIONS');
    expect(options).toContain(`-Djavax.net.ssl.trustStore="/it's here/t.p12"`);
    expect(() => values({ trustStoreFile: '/a"b/t.p12' })).toThrow(UnwritableError);
  });
});

const AWKWARD = [
  '/plain',
  '/with space/ca.pem',
  "/it's/ca.pem",
  '/"double"/ca.pem',
  '/$HOME/$(touch /tmp/pwned)/`id`/ca.pem',
  '/back\\slash\\/ca.pem',
  '/*?[a]~;&|<>#!/ca.pem',
  '/ünï/ca.pem',
  "'",
  '',
];

describe('formats', () => {
  test.each([...AWKWARD, '/new\nline/ca.pem'])('a shell that evaluates it has the very value: %j', (value) => {
    const text = formatVariables([['POSTERN_TEST', value]], 'sh');
    const program = `eval "$1"; printf %s "$POSTERN_TEST"; sh -c 'printf %s "|$POSTERN_TEST"'`;
    const printed = execFileSync('sh', ['-c', program, 'sh', text], { encoding: 'utf8' });
    expect(printed).toBe(`${value}|${value}`);
  });

  test.each(AWKWARD)('a line for docker is the name, "=" and the very value: %j', (value) => {
    const variables: readonly Variable[] = [
      ['A', value],
      ['B', 'x'],
    ];
    expect(formatVariables(variables, 'docker').split('\n')).toEqual([`A=${value}`, 'B=x', '']);
  });

  test('a line break cannot be said to docker', () => {
    expect(() => formatVariables([['A', 'x\ny']], 'docker')).toThrow(UnwritableError);
  });

  test('JSON is one object of them all', () => {
    const variables = sandboxVariables(PLACE);
    expect(JSON.parse(formatVariables(variables, 'json'))).toEqual(Object.fromEntries(variables));
  });
});
