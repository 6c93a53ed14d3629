import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { expect, it } from 'vitest';
import { expectUnharmed } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { isInstalled, runCommand } from '../support/command.ts';
import { listening } from '../support/listening.ts';
import { startPostern } from '../support/postern.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

/** 401 without the injected credential. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const right = request.headers.authorization === `Bearer ${SECRET}`;
  request.resume().on('end', () => response.writeHead(right ? 200 : 401).end(right ? 'welcome\n' : 'no credential\n'));
}

const TOKEN = 'token-0123456789abc';

const scene = shared(
  async () => {
    const port = await listening(createHttpsServer(certificateFor('origin.test'), answer));
    const plainPort = await listening(createHttpServer(answer));
    const rules = `secrets: { token: { file: ../secret.txt } }
rules:
  - { hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }
  - { hosts: [plain.test], schemes: [http], ports: [${plainPort}], inject: [{ bearer: "\${token}" }] }
`;
    const base = loopback();
    const open = await startPostern({ policies: `version: 1\n${rules}`, ...base });
    const closed = await startPostern({
      policies: `version: 1\nsandbox: { name: vm-1, match: [{ token: { file: ../token.txt } }] }\n${rules}`,
      ...base,
      files: { ...base.files, 'token.txt': TOKEN },
    });
    return {
      open,
      closed,
      port,
      plainPort,
      url: `https://origin.test:${port}/`,
      plainUrl: `http://plain.test:${plainPort}/`,
    };
  },
  ({ open, closed }) => {
    expectUnharmed(open);
    expectUnharmed(closed);
  },
);

const curl = (...args: readonly string[]) => runCommand('curl', ['-sS', '--cacert', scene().open.caPath, ...args]);

it.for<readonly [string, readonly string[], 'url' | 'plainUrl']>([
  ['--socks5-hostname, TLS', ['--socks5-hostname'], 'url'],
  ['--socks5-hostname, plain HTTP', ['--socks5-hostname'], 'plainUrl'],
  ['--socks5 with an address of its own, TLS', ['--socks5'], 'url'],
  ['--socks5 with an address of its own, plain HTTP', ['--socks5'], 'plainUrl'],
])('curl %s', async ([, [flag = ''], which], context) => {
  if (!isInstalled('curl')) return context.skip('curl is not installed');
  const { open, port, plainPort } = scene();
  // An address that leads nowhere: what is dialled is the name inside.
  const resolved = [`origin.test:${port}:192.0.2.1`, `plain.test:${plainPort}:192.0.2.1`];
  const own = flag === '--socks5' ? resolved.flatMap((entry) => ['--resolve', entry]) : [];
  const { stdout, stderr } = await curl(flag, `127.0.0.1:${open.proxyPort}`, ...own, scene()[which], scene()[which]);
  expect(stdout + stderr).toBe('welcome\nwelcome\n');
});

it.for([
  ['with its token', `vm-1:${TOKEN}@`, /^welcome\n$/],
  ['with a wrong token', 'vm-1:wrong@', /User was rejected by the SOCKS5 server/],
  ['without a token', '', /No authentication method was acceptable/],
] as const)('curl %s', async ([, user, wanted], context) => {
  if (!isInstalled('curl')) return context.skip('curl is not installed');
  const { closed, url } = scene();
  const { stdout, stderr } = await runCommand('curl', [
    '-sS',
    '--cacert',
    closed.caPath,
    '--proxy',
    `socks5h://${user}127.0.0.1:${closed.proxyPort}`,
    url,
  ]);
  expect(stdout + stderr).toMatch(wanted);
});

it('curl is told of a host that no rule names', async (context) => {
  if (!isInstalled('curl')) return context.skip('curl is not installed');
  const { code, stderr } = await curl(
    '--socks5-hostname',
    `127.0.0.1:${scene().open.proxyPort}`,
    'https://unknown.test/',
  );
  expect(code).toBe(97);
  expect(stderr).toContain("Can't complete SOCKS5 connection to unknown.test. (2)");
});

/** RFC 1928 by hand, as a library does it. */
const PYTHON = `
import socket, ssl, struct, sys
proxy, port, ca = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
s = socket.create_connection(("127.0.0.1", proxy))
def recv(n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        assert piece, "closed"
        data += piece
    return data
s.sendall(b"\\x05\\x02\\x00\\x02")
method = recv(2)
assert method == b"\\x05\\x02", method
user, password = b"vm-1", sys.argv[4].encode()
s.sendall(b"\\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
assert recv(2) == b"\\x01\\x00"
host = b"origin.test"
s.sendall(b"\\x05\\x01\\x00\\x03" + bytes([len(host)]) + host + struct.pack("!H", port))
assert recv(10)[1] == 0
tls = ssl.create_default_context(cafile=ca).wrap_socket(s, server_hostname="origin.test")
tls.sendall(b"GET / HTTP/1.1\\r\\nHost: origin.test:%d\\r\\nConnection: close\\r\\n\\r\\n" % port)
answer = b""
while piece := tls.recv(4096):
    answer += piece
sys.stdout.write(answer.decode())
`;

it('a Python program that speaks it by hand', async (context) => {
  if (!isInstalled('python3')) return context.skip('python3 is not installed');
  const { closed, port } = scene();
  const args = ['-c', PYTHON, String(closed.proxyPort), String(port), closed.caPath, TOKEN];
  const { stdout, stderr } = await runCommand('python3', args);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*welcome/);
});
