import { describe, expect, it } from 'vitest';
import { expectUnharmed, getFrom, OK, refusalOf } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback, seenBy } from '../support/scene.ts';

closeOpened();

/** `plain.test` allows one repository and nothing else; `other.test` denies `/admin` and allows all else; `origin.test` wants a query. */
const policies = (port: number): string => `version: 1
rules:
  - { name: one-repository, hosts: [plain.test], schemes: [http], ports: [${port}], paths: ["/repos/acme/**"] }
  - { name: no-admin, hosts: [other.test], schemes: [http], ports: [${port}], paths: ["/admin/**"], action: deny }
  - { name: all-else, hosts: [other.test], schemes: [http], ports: [${port}], paths: ["/**"] }
  - { name: main-only, hosts: [origin.test], schemes: [http], ports: [${port}], query: { ref: main } }
`;

const scene = shared(
  async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const postern = await startPostern({ policies: policies(origin.port), ...loopback() });
    return { origin, postern };
  },
  ({ postern }) => expectUnharmed(postern),
);

const codeFor = async (host: string, target: string): Promise<string> => {
  const { origin, postern } = scene();
  return await refusalOf(postern, getFrom(`${host}:${origin.port}`, target));
};

/** Ways from the allowed repository, or past the denied folder, to `/admin`. */
const AMBIGUOUS: readonly (readonly [attack: string, path: string])[] = [
  ['dot segments (CVE-2019-9901)', '/repos/acme/../../admin/y'],
  ['dot segments through the denied folder', '/admin/../repos/acme/x'],
  ['a dot segment at the end', '/repos/acme/..'],
  ['a single dot', '/repos/acme/./x'],
  ['a single dot at the end', '/repos/acme/.'],
  ['encoded dots', '/repos/acme/%2e%2e/%2e%2e/admin/y'],
  ['encoded dots in upper case', '/repos/acme/%2E%2E/%2E%2E/admin/y'],
  ['one dot encoded and one not', '/repos/acme/.%2e/%2e./admin/y'],
  ['an encoded single dot', '/repos/acme/%2e/x'],
  ['dots encoded twice', '/repos/acme/%252e%252e/%252e%252e/admin/y'],
  ['dots encoded three times', '/repos/acme/%25252e%25252e/admin/y'],
  ['the digits of an escape encoded', '/repos/acme/%25%32%65%25%32%65/admin/y'],
  ['an encoded slash (CVE-2021-29492)', '/admin%2Fy'],
  ['dots and encoded slashes', '/repos/acme/..%2f..%2fadmin/y'],
  ['an encoded slash before dots', '/repos/acme/%2f../../admin/y'],
  ['a slash encoded twice', '/repos/acme/..%252f..%252fadmin/y'],
  ['a letter encoded twice', '/%2561dmin/y'],
  ['a backslash', '/repos/acme\\..\\..\\admin\\y'],
  ['a backslash after dots', '/repos/acme/..\\../admin/y'],
  ['an encoded backslash', '/repos/acme/..%5c..%5cadmin/y'],
  ['an encoded backslash before dots', '/repos/acme/%5c../admin/y'],
  ['a backslash encoded twice', '/repos/acme/..%255c..%255cadmin/y'],
  ['a parameter on dots (CVE-2026-73511)', '/repos/acme/..;/..;/admin/y'],
  ['a parameter with a value on dots', '/repos/acme/..;x=y/..;x=y/admin/y'],
  ['a parameter on a single dot', '/repos/acme/.;/x'],
  ['an encoded parameter on dots', '/repos/acme/..%3b/..%3b/admin/y'],
  ['an encoded parameter on encoded dots', '/repos/acme/%2e%2e%3B/admin/y'],
  ['a parameter on the denied folder', '/admin;x/y'],
  ['a segment of nothing but a parameter', '/;/admin/y'],
  ['a segment of nothing but an encoded parameter', '/%3bx/admin/y'],
  ['NUL after dots', '/repos/acme/..%00/..%00/admin/y'],
  ['NUL before dots', '/repos/acme/%00../admin/y'],
  ['NUL after the denied folder', '/admin%00/y'],
  ['an encoded line end', '/repos/acme/x%0d%0aX:%20y'],
  ['an encoded tab', '/repos/acme/..%09/admin/y'],
  ['an encoded DEL', '/admin%7f/y'],
  ['overlong UTF-8 of a slash in two bytes', '/repos/acme/..%c0%af..%c0%afadmin/y'],
  ['overlong UTF-8 of dots in two bytes', '/repos/acme/%c0%ae%c0%ae/admin/y'],
  ['overlong UTF-8 of a backslash in two bytes', '/repos/acme/..%c1%9c..%c1%9cadmin/y'],
  ['overlong UTF-8 in three bytes', '/repos/acme/..%e0%80%af..%e0%80%afadmin/y'],
  ['overlong UTF-8 in four bytes', '/repos/acme/..%f0%80%80%afadmin/y'],
  ['overlong UTF-8 in five bytes', '/repos/acme/..%f8%80%80%80%afadmin/y'],
  ['overlong UTF-8 in six bytes', '/repos/acme/..%fc%80%80%80%80%afadmin/y'],
  ['an escape of IIS', '/repos/acme/%u002e%u002e/admin/y'],
  ['an escape of IIS for a full-width slash', '/repos/acme/..%uff0fadmin/y'],
  ['a percent sign alone', '/repos/acme/%/x'],
  ['an escape that is cut', '/repos/acme/x%2'],
  ['an escape that is none', '/repos/acme/%zz'],
  ['a percent sign before an escape', '/repos/acme/%%32%65%%32%65/admin/y'],
  ['two slashes at the beginning', '//admin/y'],
  ['two slashes at the beginning, as an authority', '//evil.test/admin/y'],
  ['two slashes inside', '/repos/acme//x'],
  ['two slashes before dots', '/repos/acme//../admin/y'],
  ['a URL as the path', '/http://evil.test/admin/y'],
];

/** Other spellings of `/admin` that lead nowhere else: the deny rule holds, and no allow rule does. */
const SAME: readonly (readonly [attack: string, path: string])[] = [
  ['as it is', '/admin/y'],
  ['without what follows', '/admin'],
  ['with an encoded letter', '/%61dmin/y'],
  ['with every letter encoded', '/%61%64%6d%69%6e/y'],
  ['with an encoded letter in upper case', '/%61dmi%6E/y'],
  ['with a query', '/admin/y?x=/repos/acme/'],
  ['with an encoded colon after it', '/admin/y%3Adelete'],
  ['with an encoded parameter', '/admin%3bx/y'],
  ['with an empty encoded parameter', '/admin%3B/y'],
  ['with an encoded parameter behind an encoded letter', '/%61dmin%3Bx=%2A/y'],
];

describe('a path from an allowed folder into another', () => {
  it.each(AMBIGUOUS)('by %s is refused, whether the rules allow or deny', async (_attack, path) => {
    expect([await codeFor('plain.test', path), await codeFor('other.test', path)]).toEqual([
      '400 PATH_AMBIGUOUS',
      '400 PATH_AMBIGUOUS',
    ]);
  });

  it.each(SAME)('written %s is denied, whether the rules allow or deny', async (_attack, path) => {
    expect([await codeFor('plain.test', path), await codeFor('other.test', path)]).toEqual([
      '403 PATH_DENIED',
      '403 RULE_DENIED',
    ]);
  });

  it.each([
    ['continues the last segment', '/repos/acmeevil/x'],
    ['continues the last segment after a hyphen', '/repos/acme-evil/x'],
    ['continues the last segment after a dot', '/repos/acme.evil/x'],
    ['continues the last segment after an escape', '/repos/acme%20/x'],
    ['is the parent', '/repos/'],
    ['has another case', '/Repos/acme/x'],
    ['has another case in the last segment', '/repos/ACME/x'],
    ['hides in the first segment', '/x/repos/acme/x'],
    ['hides in the query', '/?/repos/acme/x'],
    ['hides in an encoded query', '/admin%3f/repos/acme/x'],
    ['hides in an encoded fragment', '/admin%23/repos/acme/x'],
  ])('that %s is not the allowed one', async (_attack, path) => {
    expect(await codeFor('plain.test', path)).toBe('403 PATH_DENIED');
  });

  it.each([
    ['a fragment (CVE-2023-45539)', '/admin/y#/repos/acme/x'],
    ['a fragment behind the allowed one (CVE-2021-32779)', '/repos/acme/x#/../../admin'],
  ])('by %s is no target', async (_attack, path) => {
    expect(await codeFor('plain.test', path)).toBe('400 TARGET_INVALID');
  });
});

describe('a query that a rule wants', () => {
  it.each([
    ['is absent', '/x'],
    ['has no value', '/x?ref'],
    ['has an empty value', '/x?ref='],
    ['comes twice', '/x?ref=main&ref=evil'],
    ['comes twice, the wrong one first', '/x?ref=evil&ref=main'],
    ['comes a second time without value', '/x?ref=main&ref'],
    ['comes a second time with an encoded name', '/x?ref=main&re%66=evil'],
    ['is ended by a semicolon', '/x?ref=main;ref=evil'],
    ['has an encoded separator in its value', '/x?ref=main%26ref=evil'],
    ['has NUL in its value', '/x?ref=main%00'],
    ['has a space behind its value', '/x?ref=main+'],
    ['has an encoded space behind its value', '/x?ref=main%20'],
    ['has another case', '/x?ref=MAIN'],
    ['has a name in another case', '/x?REF=main'],
    ['is the end of another name', '/x?xref=main'],
    ['is the value of another', '/x?x=ref=main'],
    ['stands behind an encoded question mark', '/x%3fref=main'],
  ])('and that %s is not allowed', async (_attack, path) => {
    expect(await codeFor('origin.test', path)).toBe('403 RULE_DENIED');
  });
});

it('none of these reached the origin', async () => {
  const { origin, postern } = scene();
  for (const [host, path] of [
    ['plain.test', '/repos/acme/good'],
    ['other.test', '/good'],
    ['origin.test', '/good?ref=main'],
  ]) {
    const client = await connectRaw(postern.proxyPort);
    client.send(getFrom(`${host}:${origin.port}`, path));
    await client.take(/ok$/);
  }
  expect(seenBy(origin).match(/^GET \S+/gm)).toEqual(['GET /repos/acme/good', 'GET /good', 'GET /good?ref=main']);
});
