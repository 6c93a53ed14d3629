import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { closeOpened, shared } from '../support/closing.ts';
import { type CommandResult, isInstalled, runCommand } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { listening } from '../support/listening.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

/** Answers 401 unless the credential was added. */
const scene = shared(async () => {
  const port = await listening(
    createServer(certificateFor('origin.test', 'api.openai.com'), (request, response) => {
      const { authorization, host } = request.headers;
      response.writeHead(authorization === `Bearer ${SECRET}` ? 200 : 401).end(`${host} was asked\n`);
    }),
  );
  const policies = `version: 1
introspect: true
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: added, hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }
  - name: swapped
    hosts: [api.openai.com]
    ports: [443, ${port}]
    inject: [{ placeholder: { token: PSTRN-OPENAI-0001, value: "\${token}", in: ["header:authorization"] } }]
`;
  const base = loopback();
  const upstream = {
    ...(base.settings?.upstream as object),
    hosts: { 'origin.test': ['127.0.0.1'], 'api.openai.com': ['127.0.0.1'] },
  };
  const postern = await startPostern({ policies, ...base, settings: { ...base.settings, upstream } });
  return { postern, port, url: `https://origin.test:${port}/` };
});

function needs(context: TestContext, program: string): void {
  if (isInstalled(program)) return;
  console.warn(`${program} is not installed: this client is not tested`);
  context.skip();
}

/** A sandbox that has a proxy's address and a folder, and nothing else of ours. */
function sandbox(postern: Postern): { readonly folder: string; run(script: string): Promise<CommandResult> } {
  const folder = temporaryFolder();
  const env = { http_proxy: postern.proxyUrl, NODE: process.execPath };
  return { folder, run: (script) => runCommand('sh', ['-e', '-c', script], { cwd: folder, env }) };
}

/** What `docs/operations.md` has a sandbox run first. */
const BEGIN = `
for file in ca.pem bundle.pem; do curl -fsS -o $file http://postern.internal/$file; done
eval "$(curl -fsS "http://postern.internal/env?ca_at=$PWD")"
`;

describe('a sandbox that knows nothing but its proxy', () => {
  it('gets the CA, the bundle and the variables by curl, and then reaches what is intercepted', async (context) => {
    needs(context, 'curl');
    const { postern, url, port } = scene();
    const { folder, run } = sandbox(postern);
    const result = await run(`${BEGIN} curl -fsS ${url}`);
    expect(result).toEqual({ code: 0, stdout: `origin.test:${port} was asked\n`, stderr: '' });
    expect(readFileSync(join(folder, 'ca.pem'), 'utf8')).toBe(postern.ca);
    expect(readFileSync(join(folder, 'bundle.pem'), 'utf8')).toBe(
      readFileSync(join(postern.folder, 'certs/bundle.pem'), 'utf8'),
    );
  });

  it('has a key for SDKs: the placeholder, which becomes the credential on its way out', async (context) => {
    needs(context, 'curl');
    const { postern, port } = scene();
    const { run } = sandbox(postern);
    const call = `curl -fsS -H "Authorization: Bearer $OPENAI_API_KEY" https://api.openai.com:${port}/`;
    const result = await run(`${BEGIN} echo $OPENAI_API_KEY; ${call}`);
    expect(result.stdout).toBe(`PSTRN-OPENAI-0001\napi.openai.com:${port} was asked\n`);
  });

  it('has all that Python needs', async (context) => {
    needs(context, 'python3');
    const { postern, url, port } = scene();
    const { folder, run } = sandbox(postern);
    const result = await run(`
python3 - <<'END'
import json, os, urllib.request
ask = lambda page: urllib.request.urlopen('http://postern.internal' + page).read()
for name in ('ca.pem', 'bundle.pem'): open(name, 'wb').write(ask('/' + name))
os.environ.update(json.loads(ask('/env?format=json&ca_at=${folder}')))
# The first opener has read the variables before they were there.
print(urllib.request.build_opener().open('${url}').read().decode(), end='')
END
`);
    expect([result.stdout, result.stderr]).toEqual([`origin.test:${port} was asked\n`, '']);
  });

  it('has all that Node needs, whose fetch may ask for a tunnel', async (context) => {
    needs(context, 'curl');
    const { postern, url, port } = scene();
    const { run } = sandbox(postern);
    const result = await run(`${BEGIN}
"$NODE" --input-type=module -e "
  const policy = await (await fetch('http://postern.internal/policy', { headers: { accept: 'application/json' } })).json();
  console.log(policy.rules.map(({ name }) => name).join());
  console.log((await (await fetch('${url}')).text()).trim());
  const { get } = await import('node:http');
  get('http://postern.internal/policy', (answer) => answer.once('data', (bytes) => console.log(String(bytes).split('\\\\n')[0])));
"`);
    expect(result.stderr).toBe('');
    expect(result.stdout).toBe(
      `added,swapped\norigin.test:${port} was asked\nWhat sandbox "default" may reach through this proxy.\n`,
    );
  });
});

describe('a page', () => {
  const curl = (...args: readonly string[]): Promise<CommandResult> =>
    runCommand('curl', ['-sS', '-x', scene().postern.proxyUrl, ...args]);

  it('has the same head for HEAD, and no body', async (context) => {
    needs(context, 'curl');
    for (const path of ['/ca.pem', '/bundle.pem', '/env', '/policy']) {
      const get = await curl('-D', '-', '-o', '/dev/null', `http://postern.internal${path}`);
      const head = await curl('-I', `http://postern.internal${path}`);
      expect(head).toEqual({ code: 0, stdout: get.stdout, stderr: '' });
    }
  });

  it('comes over HTTP/1.0, over a kept connection, and through a tunnel', async (context) => {
    needs(context, 'curl');
    const { postern } = scene();
    const page = 'http://postern.internal/ca.pem';
    expect((await curl('--http1.0', page)).stdout).toBe(postern.ca);
    expect((await curl(page, page)).stdout).toBe(postern.ca + postern.ca);
    expect((await curl('--proxytunnel', page, page)).stdout).toBe(postern.ca + postern.ca);
  });

  it('says where the client reached the proxy, or what it says itself', async (context) => {
    needs(context, 'curl');
    const own = await curl('http://postern.internal/env?format=docker');
    expect(own.stdout).toContain(`\nHTTPS_PROXY=${scene().postern.proxyUrl}\n`);
    expect(own.stdout).toContain('\nSSL_CERT_FILE=/etc/postern/bundle.pem\n');
    const told = await curl('http://postern.internal/env?format=docker&proxy=http://gate:3128&ca_at=/ca');
    expect(told.stdout).toContain('\nHTTPS_PROXY=http://gate:3128\n');
    expect(told.stdout).toContain('\nSSL_CERT_FILE=/ca/bundle.pem\n');
  });

  it('is what "postern env" prints', async (context) => {
    needs(context, 'curl');
    const { postern } = scene();
    const program = new URL('../../dist/postern.js', import.meta.url).pathname;
    for (const format of ['sh', 'json', 'docker']) {
      const args = ['env', '--format', format, '--proxy', postern.proxyUrl, '--ca-at', '/ca'];
      const printed = await runCommand(process.execPath, [program, ...args], { cwd: postern.folder });
      const page = await curl(`http://postern.internal/env?format=${format}&ca_at=/ca`);
      expect(page.stdout).toBe(printed.stdout);
    }
  });

  it('follows a reload: the policy that is told is the one in force, and none once it says so', async (context) => {
    needs(context, 'curl');
    const policyOf = (text: string): string => `version: 1\n${text}\nrules: [{ name: live, hosts: [live.test] }]\n`;
    const postern = await startPostern({ policies: policyOf('introspect: true') });
    const ask = async (): Promise<string> =>
      (await runCommand('curl', ['-sS', '-x', postern.proxyUrl, 'http://postern.internal/policy'])).stdout;
    expect(await ask()).toContain('hosts        live.test\n');
    postern.write('policies/test.yaml', policyOf('introspect: true').replace('live.test', 'other.test'));
    await postern.logged(/"generation":2/);
    expect(await ask()).toContain('hosts        other.test\n');
    postern.write('policies/test.yaml', policyOf(''));
    await postern.logged(/"generation":3/);
    expect(await ask()).toContain('HOST_DENIED');
  });
});
