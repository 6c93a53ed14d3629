import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { searchFor } from '../support/canary.ts';
import { type CommandResult, runCommand } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/postern.js', import.meta.url));

const VALUES = {
  variable: 'cAnAry-variable-/+"\\=1',
  file: 'cAnAry-file-/+"\\=2',
  lines: 'cAnAry-line-one-3',
  open: 'cAnAry-open-to-others-4',
  token: 'cAnAry-token-5',
  admin: 'cAnAry-admin-6',
  password: 'cAnAry-password-7',
  cookie: 'cAnAry;ends;a;cookie-8',
};
const search = searchFor(Object.values(VALUES).map((value) => Buffer.from(value)));

const POLICY = `version: 1
sandbox: { name: vm, match: [{ token: { file: ../s/token } }] }
secrets:
  variable: { env: CANARY_VARIABLE }
  file: { file: ../s/file }
  lines: { file: ../s/lines }
  open: { file: ../s/open }
  cookie: { file: ../s/cookie }
rules:
  - name: main
    hosts: [api.example.com]
    inject:
      - bearer: "\${variable}"
      - query: { name: key, value: "\${open}" }
      - header: { name: x-lines, value: "\${lines}" }
      - header: { name: x-file, value: "\${file}" }
      - cookie: { name: sid, value: "\${cookie}" }
      - placeholder: { token: PSTRN-TOKEN-0001, value: "\${file}", in: [path, "body:key"] }
`;

/** A folder with secrets of every kind, and some that are not fit to be used. */
function folderWith(policy: string): string {
  const folder = temporaryFolder();
  const files: Readonly<Record<string, string>> = {
    'postern.yaml': 'version: 1\nadmin: { token: { file: s/admin } }\n',
    'policies/vm.yaml': policy,
    's/file': VALUES.file,
    's/lines': `${VALUES.lines}\nand more\n`,
    's/open': VALUES.open,
    's/token': VALUES.token,
    's/admin': VALUES.admin,
    's/password': VALUES.password,
    's/cookie': VALUES.cookie,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode: 0o600 });
  }
  chmodSync(join(folder, 's/open'), 0o644);
  return folder;
}

const postern = (cwd: string, ...args: readonly string[]): Promise<CommandResult> =>
  runCommand(process.execPath, [PROGRAM, ...args], { cwd, env: { CANARY_VARIABLE: VALUES.variable } });

const URL_OF_RULE = 'https://api.example.com/a?b=c';

describe('a command', () => {
  it.each([
    { args: ['check'], wanted: /secrets\.lines +warning/ },
    { args: ['explain', '--sandbox', 'vm', 'GET', URL_OF_RULE], wanted: /x-file/ },
    { args: ['explain', '--json', '--sandbox', 'vm', 'POST', URL_OF_RULE], wanted: /"variable"/ },
    { args: ['env'], wanted: /HTTPS_PROXY/ },
    { args: ['env', '--format', 'json'], wanted: /HTTPS_PROXY/ },
    { args: ['env', '--format', 'docker'], wanted: /HTTPS_PROXY/ },
    { args: ['ca', 'show'], wanted: /ca\.pem/ },
  ])('prints no value: $args', async ({ args, wanted }) => {
    const folder = folderWith(POLICY);
    expect((await postern(folder, 'ca', 'init')).code).toBe(0);
    const { code, stdout, stderr } = await postern(folder, ...args);
    expect([code, stdout + stderr]).toEqual([0, expect.stringMatching(wanted)]);
    expect(search(stdout + stderr)).toEqual([]);
  });

  it('prints no value where it says what is wrong with a policy or a secret', async () => {
    const broken = POLICY.replace('version: 1', 'version: 1\nunknown-key: 1').replace(
      'bearer: "${variable}"',
      'bearer: "${nobody}"',
    );
    const { code, stdout, stderr } = await postern(folderWith(broken), 'check');
    expect([code, stdout + stderr]).toEqual([1, expect.stringContaining('unknown-key')]);
    expect(search(stdout + stderr)).toEqual([]);
  });

  it('writes no password into what it exports', async () => {
    const folder = folderWith(POLICY);
    await postern(folder, 'ca', 'init');
    const args = ['--format', 'p12', '--password-file', 's/password', '--out', 'store.p12'];
    const { code, stdout, stderr } = await postern(folder, 'ca', 'export', ...args);
    expect(code).toBe(0);
    expect(search(stdout + stderr)).toEqual([]);
    expect(search(readFileSync(join(folder, 'store.p12'), 'latin1'))).toEqual([]);
  });
});
