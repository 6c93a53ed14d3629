import { describe, expect, it } from 'vitest';
import { expectUnharmed, OK, refusalOf } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { answeringWhole, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback, SECRET } from '../support/scene.ts';

closeOpened();

/** `plain.test` injects a credential of every kind that has a place of its own; `other.test` looks at a field. */
const policies = (port: number): string => `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - name: all-places
    hosts: [plain.test]
    schemes: [http]
    ports: [${port}]
    methods: [GET, POST]
    strip: [x-private]
    inject:
      - bearer: "\${token}"
      - header: { name: x-api-key, value: "\${token}" }
      - cookie: { name: sid, value: "\${token}" }
      - query: { name: key, value: "\${token}" }
  - { name: safe-mode, hosts: [other.test], schemes: [http], ports: [${port}], headers: { x-mode: safe } }
`;

const scene = shared(
  async () => {
    const origin = await startOrigin({ onConnection: answeringWhole(OK) });
    const postern = await startPostern({ policies: policies(origin.port), ...loopback() });
    return { origin, postern, authority: `plain.test:${origin.port}` };
  },
  ({ postern }) => expectUnharmed(postern),
);

/** What the origin gets of a request, whose client fields and body are given. */
async function sent(start: string, rest: string): Promise<string> {
  const { origin, postern, authority } = scene();
  const client = await connectRaw(postern.proxyPort);
  const seen = origin.connections.map(({ received }) => received.length);
  client.send(`${start.replace(' /', ` http://${authority}/`)} HTTP/1.1\r\nHost: ${authority}\r\n${rest}`);
  await client.take(/ok$/);
  return origin.connections.map(({ received }, index) => received.slice(seen[index] ?? 0)).join('');
}

/** The credentials of the rule are there, each once and whole, and nothing of the attacker's beside them. */
function expectOursAlone(request: string): void {
  expect(request.toLowerCase()).not.toContain('mine');
  expect(request.match(/^authorization: .*$/gim)).toEqual([`Authorization: Bearer ${SECRET}`]);
  expect(request.match(/^x[-_]api[-_]key: .*$/gim)).toEqual([`x-api-key: ${SECRET}`]);
  expect(request.match(/^cookie: .*$/gim)?.map((line) => line.match(/sid=[^;\r]*/g))).toEqual([[`sid=${SECRET}`]]);
  expect(request.match(/^\S+ \S+/)?.[0].match(/key=[^&]*/g)).toEqual([`key=${SECRET}`]);
}

/** Client fields; whatever says `mine` may not leave. */
const FIELDS: readonly (readonly [attack: string, fields: string])[] = [
  ['nominate Authorization away', 'Connection: authorization'],
  ['nominate Authorization away in another case', 'CONNECTION: AUTHORIZATION'],
  ['nominate Authorization away behind close', 'Connection: close, authorization'],
  ['nominate Authorization away behind an empty element (CVE-2021-33197)', 'Connection: ,, authorization'],
  ['nominate Authorization away behind an empty line of its own', 'Connection:\r\nConnection: authorization'],
  ['nominate Authorization away with tabs', 'Connection:\tkeep-alive\t,\tauthorization\t'],
  ['nominate Authorization away by Proxy-Connection', 'Proxy-Connection: authorization'],
  ['nominate Authorization away by Keep-Alive', 'Keep-Alive: authorization=mine'],
  ['nominate the key away', 'Connection: x-api-key'],
  ['nominate the look-alike of the key away', 'Connection: x_api_key'],
  ['nominate Cookie away', 'Connection: cookie\r\nCookie: a=1'],
  ['nominate Host and the length away (CVE-2024-45410)', 'Connection: host, content-length'],
  ['nominate a field of their own, which then stays behind', 'Connection: x-note\r\nX-Note: mine'],
  ['nominate a field before it comes', 'X-Note: mine\r\nConnection: X-NOTE'],
  ['bring an Authorization', 'Authorization: Bearer mine'],
  ['bring an Authorization in another case', 'AUTHORIZATION: Basic mine'],
  ['bring Authorization twice', 'Authorization: Bearer mine\r\nauthorization: Bearer mine'],
  ['bring Authorization three times in a row', 'authorization: mine\r\nauthorization: mine\r\nauthorization: mine'],
  ['bring an empty Authorization', 'Authorization:'],
  ['bring the key', 'X-Api-Key: mine'],
  ['bring the key with underscores', 'X_Api_Key: mine'],
  ['bring the key with one underscore', 'X-Api_Key: mine'],
  ['bring the key with the other underscore', 'x_api-key: mine'],
  ['bring the key in every spelling', 'x-api-key: mine\r\nX_API_KEY: mine\r\nX-API-KEY: mine'],
  ['bring a key of another service', 'Api-Key: mine\r\nX-Goog-Api-Key: mine'],
  ['bring a key of another service with underscores', 'Api_Key: mine\r\nX_Goog_Api_Key: mine'],
  ['bring tokens of other services', 'X-Auth-Token: mine\r\nPrivate-Token: mine'],
  ['bring tokens of other services with underscores', 'X_Auth_Token: mine\r\nPrivate_Token: mine'],
  ['bring a field that is stripped', 'X-Private: mine'],
  ['bring a field that is stripped with an underscore', 'x_private: mine'],
  ['bring the cookie', 'Cookie: sid=mine'],
  ['bring the cookie behind another', 'Cookie: a=1; sid=mine'],
  ['bring the cookie before another', 'Cookie: sid=mine; a=1'],
  ['bring the cookie twice', 'Cookie: sid=mine; sid=mine'],
  ['bring the cookie without a space', 'Cookie: a=1;sid=mine;b=2'],
  ['bring the cookie with white space', 'Cookie: a=1; \t sid\t=mine'],
  ['have another method done', 'X-HTTP-Method-Override: mine'],
  ['have another method done with underscores', 'X_HTTP_METHOD_OVERRIDE: mine'],
  ['have another method done under other names', 'X-HTTP-Method: mine\r\nX-Method-Override: mine'],
  ['have another path served', 'X-Original-URL: /mine\r\nX-Rewrite-URL: /mine'],
  ['have another path served with underscores', 'X_Original_URL: /mine\r\nX_Rewrite_Url: /mine'],
  ['pass the token of the proxy on', 'Proxy-Authorization: Basic mine'],
  ['pass the token of the proxy on with an underscore', 'Proxy_Authorization: Basic mine'],
  ['pass other fields for proxies on', 'Proxy-Authenticate: mine\r\nProxy-Foo: mine\r\nProxy_Bar: mine'],
  ['ask for HTTP/2', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: mine'],
  ['ask for HTTP/2 with an underscore', 'Upgrade: h2c\r\nHTTP2_Settings: mine'],
  ['ask for another transfer coding', 'TE: mine, trailers;q=0.5'],
  ['name a coding by an underscore', 'Transfer_Encoding: mine'],
];

describe('a client', () => {
  it.each(FIELDS)('cannot %s', async (_attack, fields) => {
    expectOursAlone(await sent('GET /', `${fields}\r\n\r\n`));
  });

  it.each([
    ['the parameter', '/?key=mine'],
    ['the parameter behind another', '/?a=1&key=mine'],
    ['the parameter twice', '/?key=mine&a=1&key=mine'],
    ['the parameter with an encoded name', '/?k%65y=mine'],
    ['the parameter with a name encoded throughout', '/?%6b%65%79=mine'],
    ['the parameter without a value, and its value behind', '/?key&a=1'],
    ['the parameter behind a semicolon', '/?a=1;key=mine'],
    ['the parameter before a semicolon', '/?key=mine;a=1'],
    ['the parameter behind an empty one', '/?&&key=mine'],
  ])('cannot bring %s', async (_attack, target) => {
    expectOursAlone(await sent(`GET ${target}`, '\r\n'));
  });

  it.each([
    ['Authorization', 'Authorization: Bearer mine'],
    ['the key', 'X-Api-Key: mine'],
    ['the key with underscores', 'X_Api_Key: mine'],
    ['a cookie', 'Cookie: sid=mine'],
    ['a token of another service', 'Private-Token: mine'],
    ['a field that is stripped', 'X-Private: mine'],
    ['another method', 'X-HTTP-Method-Override: mine'],
    ['another method with underscores', 'X_HTTP_Method_Override: mine'],
    ['another path', 'X-Original-URL: /mine'],
    ['another host', 'Host: mine.test'],
    ['another length', 'Content-Length: 5mine'],
    ['another framing', 'Transfer-Encoding: mine'],
    ['another framing with an underscore', 'Transfer_Encoding: mine'],
    ['the token of the proxy', 'Proxy-Authorization: Basic mine'],
    ['another content type', 'Content-Type: text/mine'],
    ['an upgrade', 'Upgrade: mine'],
    ['a nomination', 'Connection: mine'],
  ])('cannot bring %s in a trailer (CVE-2025-12642)', async (_attack, trailer) => {
    const request = await sent('POST /', `Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n${trailer}\r\n\r\n`);
    expectOursAlone(request);
    expect(request).toMatch(/\r\n\r\n1\r\nx\r\n0\r\n\r\n$/);
  });

  it.each([
    ['a method that is not allowed', 'DELETE'],
    ['an allowed one in lower case', 'get'],
    ['an allowed one in mixed case', 'Post'],
    ['an allowed one with more behind it', 'GETX'],
    ['a method of WebDAV', 'PROPFIND'],
    ['a method of its own', 'X'],
  ])('cannot use %s', async (_attack, method) => {
    const { postern, authority } = scene();
    const request = `${method} http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    expect(await refusalOf(postern, request)).toBe('403 METHOD_DENIED');
  });
});

describe('a field that a rule wants', () => {
  it.each([
    ['is absent', ''],
    ['is empty', 'X-Mode:\r\n'],
    ['has another value', 'X-Mode: evil\r\n'],
    ['has another case in its value', 'X-Mode: SAFE\r\n'],
    ['has more behind its value', 'X-Mode: safe, evil\r\n'],
    ['has more before its value', 'X-Mode: evil, safe\r\n'],
    ['has a no-break space behind its value', 'X-Mode: safe\xa0\r\n'],
    ['comes twice', 'X-Mode: safe\r\nX-Mode: evil\r\n'],
    ['comes twice, the wrong one first', 'X-Mode: evil\r\nX-Mode: safe\r\n'],
    ['comes twice and alike', 'X-Mode: safe\r\nX-Mode: safe\r\n'],
    ['comes twice in different case', 'X-Mode: safe\r\nx-MODE: evil\r\n'],
    ['has a look-alike beside it', 'X-Mode: safe\r\nX_Mode: evil\r\n'],
    ['has a look-alike before it', 'X_Mode: evil\r\nX-Mode: safe\r\n'],
    ['is only a look-alike', 'X_Mode: safe\r\n'],
    ['is nominated away', 'Connection: x-mode\r\nX-Mode: safe\r\n'],
  ])('and that %s is not allowed', async (_attack, fields) => {
    const { postern, origin } = scene();
    const host = `other.test:${origin.port}`;
    const request = `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;
    expect(await refusalOf(postern, request)).toBe('403 RULE_DENIED');
  });
});
