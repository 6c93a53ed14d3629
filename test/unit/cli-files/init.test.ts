import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as check from '../../../src/cli/check.ts';
import * as init from '../../../src/cli/init.ts';
import { folderWith, runIn } from './support.ts';

describe('postern init', () => {
  it('writes a configuration and a policy that check is content with', async () => {
    const folder = folderWith({});
    expect(await runIn(folder, init)).toEqual({
      status: 0,
      out: 'wrote postern.yaml\nwrote policies/default.yaml\n',
      err: '',
    });
    expect(await runIn(folder, check, [], { DEMO_TOKEN: 'a-value-of-some-length' })).toEqual({
      status: 0,
      out: '2 files, 1 sandbox, 2 rules: 0 errors, 0 warnings\n',
      err: '',
    });
  });

  it('never overwrites, and writes what is missing', async () => {
    const folder = folderWith({ 'postern.yaml': 'version: 1 # mine\n' });
    expect((await runIn(folder, init)).out).toBe(
      'postern.yaml is there already, and was left as it is\nwrote policies/default.yaml\n',
    );
    expect(readFileSync(join(folder, 'postern.yaml'), 'utf8')).toBe('version: 1 # mine\n');
    expect((await runIn(folder, init)).out).not.toContain('wrote');
  });

  it('takes another folder, which it makes', async () => {
    const folder = folderWith({});
    expect(await runIn(folder, init, ['a/b'])).toMatchObject({
      status: 0,
      out: 'wrote a/b/postern.yaml\nwrote a/b/policies/default.yaml\n',
    });
    expect(existsSync(join(folder, 'a/b/policies/default.yaml'))).toBe(true);
  });

  it('says what is in its way', async () => {
    const folder = folderWith({ policies: 'a file' });
    expect(await runIn(folder, init, ['policies/x'])).toEqual({
      status: 1,
      out: '',
      err: 'policies/x/postern.yaml  cannot be written (ENOTDIR); name a folder that can\n',
    });
  });

  it('exits 2 for arguments that it does not know', async () => {
    for (const args of [['--force'], ['a', 'b']])
      expect(await runIn(folderWith({}), init, args)).toMatchObject({ status: 2, out: '' });
  });
});
