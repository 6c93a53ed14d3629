import { chmodSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as check from '../../../src/cli/check.ts';
import { folderWith, runIn } from './support.ts';

const RULE = 'rules: [ { hosts: [a.example], inject: [ { bearer: "${a}" } ] } ]\n';
const policy = (secret: string): string => `version: 1\nsecrets: { a: ${secret} }\n${RULE}`;
const lines = (text: string): readonly string[] => text.trimEnd().split('\n');

describe('postern check', () => {
  it('reads postern.yaml and its policies, and is content', async () => {
    const folder = folderWith({
      'postern.yaml': 'version: 1\npolicies: p\n',
      'p/a.yaml': policy('{ env: A }'),
      'p/deeper/b.yaml': 'not: read\n',
      'p/.hidden.yaml': 'not: read\n',
    });
    expect(await runIn(folder, check, [], { A: 'a-value-of-some-length' })).toEqual({
      status: 0,
      out: '2 files, 1 sandbox, 1 rule: 0 errors, 0 warnings\n',
      err: '',
    });
  });

  it('reads policies/ where there is no postern.yaml', async () => {
    const folder = folderWith({ 'policies/a.yaml': 'version: 1\n', 'policies/b.yaml': 'version: 1\n' });
    expect(await runIn(folder, check)).toMatchObject({
      status: 0,
      out: '2 files, 1 sandbox, 0 rules: 0 errors, 0 warnings\n',
    });
  });

  it('prints every error as file:line:column, path and what to write, and exits 1', async () => {
    const folder = folderWith({
      'postern.yaml': 'version: 1\nlog: { level: loud }\n',
      'policies/a.yaml': 'version: 1\n',
    });
    const settings = await runIn(folder, check);
    expect(settings.status).toBe(1);
    expect(lines(settings.out)[0]).toBe(
      'postern.yaml:2:15  log.level  must be trace or debug or info or warn or error or fatal',
    );
    const bad = folderWith({
      'policies/dev.yaml': 'version: 1\nrules:\n  - hosts: ["*.com"]\n  - host: [a.example]\n',
    });
    expect(await runIn(bad, check)).toEqual({
      status: 1,
      out: [
        'policies/dev.yaml:3:13  rules[0].hosts[0]  "*.com" covers a public suffix; name a registrable domain, e.g. "*.example.com"',
        'policies/dev.yaml:4:5  rules[1].hosts  is missing; it must be a list of hosts, e.g. [api.example.com]',
        'policies/dev.yaml:4:5  rules[1].host  is not a known key; did you mean "hosts"?',
        '1 file, 0 sandboxes, 0 rules: 3 errors, 0 warnings',
        '',
      ].join('\n'),
      err: '',
    });
  });

  it('sees what files say against each other', async () => {
    const folder = folderWith({
      'policies/a.yaml': 'version: 1\nsandbox: { name: a, match: [ { any: true } ] }\n',
      'policies/b.yaml': 'version: 1\nsandbox: { name: b, match: [ { any: true } ] }\n',
    });
    const { status, out } = await runIn(folder, check);
    expect(status).toBe(1);
    expect(out).toContain(
      'policies/b.yaml:2:30  sandbox.match[0].any  claims everyone else, as policies/a.yaml does; only one file may',
    );
  });

  it('checks the paths it is given: files, folders, and a postern.yaml with its policies', async () => {
    const folder = folderWith({
      'x/postern.yaml': 'version: 1\n',
      'x/policies/a.yaml': 'version: 2\n',
      'good.yaml': 'version: 1\n',
      'bad.yaml': 'version: 3\n',
    });
    expect(await runIn(folder, check, ['good.yaml'])).toMatchObject({ status: 0 });
    expect(lines((await runIn(folder, check, ['good.yaml', 'bad.yaml', 'x/policies'])).out)).toEqual([
      'bad.yaml:1:10  version  must be 1',
      'x/policies/a.yaml:1:10  version  must be 1',
      '3 files, 1 sandbox, 0 rules: 2 errors, 0 warnings',
    ]);
    const whole = await runIn(folder, check, ['x/postern.yaml']);
    expect(whole).toMatchObject({ status: 1 });
    expect(lines(whole.out)[0]).toBe('x/policies/a.yaml:1:10  version  must be 1');
    expect(await runIn(folder, check, ['--config', 'x/postern.yaml'])).toEqual(whole);
  });

  it('compares where policies forward to with forward_to, also for one that is checked alone', async () => {
    const forward = (url: string): string => `version: 1\nrules: [ { hosts: [a.example], forward: "${url}" } ]\n`;
    const folder = folderWith({
      'postern.yaml':
        'version: 1\nforward_to: [ { host: "[fd00::4]", ports: [443, 8443], addresses: ["fd00::/8"] } ]\n',
      'policies/a.yaml': forward('https://[fd00::4]:8443/in'),
      'other/b.yaml': forward('https://[fd00::4]:9443/in'),
    });
    expect((await runIn(folder, check)).status).toBe(0);
    const { status, out } = await runIn(folder, check, ['other/b.yaml']);
    expect(status).toBe(1);
    expect(lines(out)[0]).toBe(
      'other/b.yaml:2:10  rules[0].forward  "[fd00::4]:9443" is not in "forward_to" of postern.yaml; an operator adds it there: forward_to: [ { host: "[fd00::4]", ports: [9443] } ]',
    );
  });

  it('does not blame postern.yaml for a policy that is checked alone', async () => {
    const folder = folderWith({ 'postern.yaml': 'version: 9\n', 'a.yaml': 'version: 1\n' });
    expect(await runIn(folder, check, ['a.yaml'])).toMatchObject({ status: 0 });
    expect(await runIn(folder, check)).toMatchObject({ status: 1 });
  });

  it('says so if a file is not there, or is no text', async () => {
    const folder = folderWith({ 'a.yaml': Uint8Array.of(0x61, 0xff), 'empty/x.txt': '' });
    for (const path of ['nope.yaml', 'nope', 'a.yaml']) {
      const { status, out } = await runIn(folder, check, [path]);
      expect(status).toBe(1);
      expect(out.startsWith(`${path}:`)).toBe(true);
    }
    expect(await runIn(folder, check, ['--config', 'nope.yaml'])).toMatchObject({ status: 1 });
    expect((await runIn(folder, check, ['empty'])).out).toContain('warning: holds no policy');
  });

  it('exits 2 for arguments that it does not know', async () => {
    const { status, err, out } = await runIn(folderWith({}), check, ['--nope']);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain('postern check [--config FILE] [PATH…]');
  });
});

describe('postern check, looking for secrets', () => {
  const warnings = async (folder: string, env: Readonly<Record<string, string>> = {}) => {
    const { status, out } = await runIn(folder, check, [], env);
    expect(status).toBe(0);
    return lines(out).slice(0, -1);
  };

  it('warns of a variable that is not set or empty', async () => {
    const folder = folderWith({ 'policies/a.yaml': policy('{ env: A }') });
    const at = 'policies/a.yaml:2:12  secrets.a  warning: secret "a" is not available: the environment variable A is';
    expect(await warnings(folder)).toEqual([`${at} not set`]);
    expect(await warnings(folder, { A: '\n' })).toEqual([`${at} empty`]);
    expect(await warnings(folder, { A: 'long-value\n' })).toEqual([]);
  });

  it('warns of a value that is too short to be masked in answers, unless no rule wants that', async () => {
    const folder = folderWith({ 'policies/a.yaml': policy('{ env: A }') });
    expect(await warnings(folder, { A: '1234567' })).toEqual([
      expect.stringContaining(
        'is not available: it has fewer than 8 bytes, too few to be masked where an answer echoes',
      ),
    ]);
    expect(await warnings(folder, { A: '12345678' })).toEqual([]);
    const unmasked = policy('{ env: A }').replace('inject:', 'scrub: false, inject:');
    const other = folderWith({ 'policies/a.yaml': unmasked });
    expect(unmasked).toContain('scrub: false');
    expect(await warnings(other, { A: '1234567' })).toEqual([]);
  });

  it('warns of a file that is not there, or that others can read or write', async () => {
    const folder = folderWith({ 'policies/a.yaml': policy('{ file: ../s/a }'), 's/b': 'long-value' });
    expect(await warnings(folder)).toEqual([expect.stringContaining('is not available: the file does not exist')]);
    symlinkSync('b', join(folder, 's/a'));
    chmodSync(join(folder, 's/b'), 0o600);
    expect(await warnings(folder)).toEqual([]);
    chmodSync(join(folder, 's/b'), 0o604);
    expect(await warnings(folder)).toEqual([expect.stringContaining('s/a can be read by others')]);
    chmodSync(join(folder, 's/b'), 0o602);
    expect(await warnings(folder)).toEqual([expect.stringContaining('the file can be written by others')]);
  });

  it('keeps to strict_files of the postern.yaml it stands beside', async () => {
    const folder = folderWith({
      'postern.yaml': 'version: 1\nstrict_files: true\n',
      'policies/a.yaml': policy('{ file: a }'),
      'policies/a': 'v',
    });
    chmodSync(join(folder, 'policies/a'), 0o644);
    expect(await warnings(folder)).toEqual([
      expect.stringContaining('is not available: the file can be read by others'),
    ]);
  });

  it('warns of tokens that cannot be had and of listeners that nobody opens', async () => {
    const folder = folderWith({
      'postern.yaml': 'version: 1\nadmin: { token: { env: ADMIN } }\n',
      'policies/a.yaml':
        'version: 1\nsandbox:\n  name: a\n  match:\n    - token: { env: T }\n    - listener: 127.0.0.1:1\n    - listener: 127.0.0.1:8080\n',
    });
    expect(await warnings(folder)).toEqual([
      'postern.yaml:1:1  admin.token  warning: the admin token is not available: the environment variable ADMIN is not set',
      'policies/a.yaml:5:7  sandbox.match[0].token  warning: the token is not available: the environment variable T is not set',
      'policies/a.yaml:6:7  sandbox.match[1].listener  warning: "127.0.0.1:1" is not in "listen" of postern.yaml, so nobody comes by it',
    ]);
    expect((await warnings(folder, { ADMIN: 'a', T: 't' })).length).toBe(1);
  });

  it('warns of a password for the parent proxy that cannot be had', async () => {
    const folder = folderWith({
      'postern.yaml':
        'version: 1\nupstream: { proxy: { url: "http://corp:3128", username: me, password: { file: corp } } }\n',
      'policies/a.yaml': 'version: 1\n',
    });
    expect(await warnings(folder)).toEqual([
      'postern.yaml:1:1  upstream.proxy.password  warning: the password for the parent proxy is not available: the file does not exist',
    ]);
  });

  it('never prints a value', async () => {
    const folder = folderWith({ 'policies/a.yaml': policy('{ env: A }') });
    expect((await warnings(folder, { A: 'canary-0123\nsecond line' })).join()).not.toContain('canary');
  });

  it('takes a certificate file that cannot be read for an error, since nothing would start', async () => {
    const folder = folderWith({
      'postern.yaml': 'version: 1\nupstream: { trust: [corp.pem] }\n',
      'policies/a.yaml': 'version: 1\n',
    });
    const { status, out } = await runIn(folder, check);
    expect(status).toBe(1);
    expect(out).toContain(`postern.yaml:1:1  upstream.trust  ${folder}/corp.pem cannot be read (ENOENT)`);
  });
});
