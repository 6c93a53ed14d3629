import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('CONNECT', () => {
  it.each([
    ['without a port', 'origin.test', 'TARGET_INVALID'],
    ['to an address', '127.0.0.1:443', 'ADDRESS_DENIED'],
    ['to a host that no rule names', 'evil.test:443', 'HOST_DENIED'],
    ['to another port of an allowed host', 'origin.test:444', 'HOST_DENIED'],
  ])('%s is refused with its code and hint in the reason phrase', async (_name, authority, code) => {
    const { postern } = await startScene();
    const client = await connectRaw(postern.proxyPort);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const answer = await client.untilEnded();
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 40[03] ${code}: [^\\r]{10,}\\r\\nX-Postern-Error: ${code}\\r\\n`));
    expect(await postern.audited({ method: 'CONNECT', code })).toMatchObject({ decision: 'deny', protocol: 'tunnel' });
  });

  it('refuses a TLS name other than its authority, before a leaf is shown', async () => {
    const { postern, authority, origin } = await startScene();
    const client = await connectTunnel(postern.proxyPort, authority);
    await expect(client.secure({ servername: 'other.test', ca: postern.ca })).rejects.toThrow();
    expect(await postern.audited({ code: 'TARGET_MISMATCH' })).toMatchObject({ host: 'origin.test' });
    expect(origin.connections).toHaveLength(0);
  });

  it('works for a client that sends no TLS name', async () => {
    const { postern, authority } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ host: 'origin.test', servername: '', ca: postern.ca, checkServerIdentity: () => undefined });
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/ok$/);
  });

  it('refuses what is neither TLS nor HTTP inside', async () => {
    const { postern, authority } = await startScene();
    const client = await connectTunnel(postern.proxyPort, authority);
    client.send('\x00\x00\x00\x08\x04\xd2\x16\x2f');
    await client.untilEnded();
    await postern.audited({ code: 'PROTOCOL_DENIED' });
  });
});

describe('plain HTTP', () => {
  const policy = (port: number, more = ''): string => `version: 1
secrets:
  token: { file: ../secret.txt }
rules:
  - name: plain
    hosts: [plain.test]
    schemes: [http]
    ports: [${port}]
    ${more}
`;

  it('to the proxy with an absolute target is sent on in origin-form, without credential unless the rule says http', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const postern = await startPostern({
      policies: policy(origin.port, 'inject: [{ bearer: "${token}" }]'),
      ...loopback(),
    });
    const client = await connectRaw(postern.proxyPort);
    client.send(
      `GET http://plain.test:${origin.port}/a?b HTTP/1.1\r\nHost: plain.test:${origin.port}\r\nProxy-Connection: keep-alive\r\n\r\n`,
    );
    await client.take(/ok$/);
    const connection = await origin.next();
    expect(connection.received).toBe(
      `GET /a?b HTTP/1.1\r\nHost: plain.test:${origin.port}\r\nAuthorization: Bearer ${SECRET}\r\n\r\n`,
    );
    client.send(`GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n`);
    await client.take(/HTTP\/1\.1 403 HOST_DENIED\r\n[\s\S]*\}\}\n$/);
    client.send(`GET http://plain.test:${origin.port}/again HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n\r\n`);
    await client.take(/ok$/);
    expect(origin.connections).toHaveLength(1);
  });

  it('inside a tunnel is read as what is spoken', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const postern = await startPostern({ policies: policy(origin.port), ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `plain.test:${origin.port}`);
    client.send(`GET / HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n\r\n`);
    await client.take(/ok$/);
    expect(await postern.audited({ host: 'plain.test' })).toMatchObject({ scheme: 'http', tls: null });
  });

  it.each([
    ['an https target', 'GET https://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n', 'TARGET_INVALID', 'CONNECT'],
    ['an origin-form target', 'GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n', 'TARGET_INVALID', 'forward proxy'],
    [
      'a Host that is not the target',
      'GET http://plain.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n',
      'TARGET_MISMATCH',
      'Host',
    ],
    [
      'user information in the target',
      'GET http://u:p@plain.test/ HTTP/1.1\r\nHost: plain.test\r\n\r\n',
      'TARGET_INVALID',
      '',
    ],
  ])('with %s is refused with a hint', async (_name, request, code, hint) => {
    const postern = await startPostern({ policies: policy(1), ...loopback() });
    const client = await connectRaw(postern.proxyPort);
    client.send(request);
    const answer = await client.take(/\}\}\n$/);
    expect(answer).toContain(`"code":"${code}"`);
    expect(answer).toContain(hint);
  });
});

describe('a passthrough tunnel', () => {
  const policy = (port: number): string => `version: 1
rules:
  - name: opaque
    hosts: [origin.test]
    ports: [${port}]
    tls: passthrough
`;

  it('carries the TLS of both ends unread', async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const base = loopback();
    const postern = await startPostern({ policies: policy(origin.port), ...base });
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await client.secure({ servername: 'origin.test', ca: base.files?.['origin-ca.pem'] });
    client.send('GET / HTTP/1.1\r\nHost: anything\r\n\r\n');
    await client.take(/ok$/);
    client.socket.end();
    (await origin.next()).socket.end();
    const line = await postern.audited({ protocol: 'tunnel' });
    expect(line).toMatchObject({ rule: 'opaque', decision: 'allow', method: 'CONNECT', status: 200, injected: [] });
    expect(line.bytes_in).toBeGreaterThan(500);
  });

  it.each([
    ['another name', 'other.test'],
    ['no name', ''],
  ])('is closed when its ClientHello has %s', async (_name, servername) => {
    const origin = await startOrigin({ tls: certificateFor('origin.test') });
    const postern = await startPostern({ policies: policy(origin.port), ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await expect(client.secure({ host: 'origin.test', servername })).rejects.toThrow();
    expect(await postern.audited({ code: 'PROTOCOL_DENIED' })).toMatchObject({ bytes_out: 0 });
  });

  it('is closed when something else than TLS is spoken', async () => {
    const origin = await startOrigin();
    const postern = await startPostern({ policies: policy(origin.port), ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    client.send('GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n');
    await client.untilEnded();
    expect(await postern.audited({ code: 'PROTOCOL_DENIED' })).toMatchObject({ bytes_out: 0 });
  });
});

describe('a raw tunnel', () => {
  it('goes to an address that subnets.allow holds, half-closes included', async () => {
    const origin = await startOrigin();
    const policies = `version: 1\nsubnets:\n  allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }]\n`;
    const postern = await startPostern({ policies, ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    client.send('anything');
    client.end();
    const connection = await origin.next();
    await connection.untilEnded();
    connection.socket.end('answer');
    expect(await client.untilEnded()).toBe('answer');
    expect(await postern.audited({ protocol: 'tunnel' })).toMatchObject({
      decision: 'allow',
      bytes_in: 6,
      bytes_out: 8,
      code: null,
    });
  });
});

describe('the upstream', () => {
  it('that does not listen is CONNECT_FAILED, and one that does not speak TLS is TLS_FAILED', async () => {
    const closed = await startOrigin();
    const plain = await startOrigin({ onConnection: ({ socket }) => socket.write('SSH-2.0-x\r\n') });
    const policies = `version: 1\nrules:\n  - hosts: [origin.test]\n    ports: [1, ${plain.port}]\n`;
    const postern = await startPostern({ policies, ...loopback() });
    for (const [port, code] of [
      [1, 'CONNECT_FAILED'],
      [plain.port, 'TLS_FAILED'],
    ] as const) {
      const client = await connectTunnel(postern.proxyPort, `origin.test:${port}`);
      await client.secure({ servername: 'origin.test', ca: postern.ca });
      client.send(`GET / HTTP/1.1\r\nHost: origin.test:${port}\r\n\r\n`);
      await client.until(new RegExp(`^HTTP/1\\.1 502 ${code}\\r\\n`));
    }
    expect(closed.connections).toHaveLength(0);
  });
});

describe('the audit', () => {
  it('has a line for an intercepted tunnel that carried no request, and none for one that did', async () => {
    const { postern, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const silent = await connectTunnel(postern.proxyPort, authority);
    silent.socket.destroy();
    expect(await postern.audited({ protocol: 'tunnel' })).toMatchObject({
      decision: 'allow',
      host: 'origin.test',
      status: 200,
    });
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.take(/ok$/);
    client.socket.destroy();
    await postern.audited({ protocol: 'h1', status: 200 });
    await postern.stop();
    expect(postern.audit.map(({ protocol }) => protocol)).toEqual(['tunnel', 'h1']);
  });

  it('has no status for an answer that nobody was there to get', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await (await origin.next()).until(/\r\n\r\n$/);
    client.socket.destroy();
    expect(await postern.audited({ protocol: 'h1' })).toMatchObject({ status: null, code: 'REQUEST_INVALID' });
  });
});
