import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { TestAuthority } from '../support/certificates.ts';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { startOriginAt } from '../support/origin.ts';

closeOpened();

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The shell commands of the README's first screen, as they are printed. */
function commands(): readonly (readonly string[])[] {
  const text = readFileSync(join(root, 'README.md'), 'utf8').split('\n## ')[0] ?? '';
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((block) =>
    (block[1] ?? '').split('\n').filter((line) => line.trim() !== ''),
  );
}

it('the first screen of the README works as printed', async (context) => {
  if (process.getuid?.() !== 0) {
    console.warn('SKIPPED: the README example needs port 443, and so root');
    return context.skip();
  }
  // The example's hosts are on loopback here; everything else is as a reader has it.
  const authority = new TestAuthority('README Root');
  const tls = authority.issue({ names: ['httpbin.org', 'example.com', 'example.org'] });
  await startOriginAt('127.0.0.2', 443, tls, (request) =>
    request.startsWith('GET /bearer ')
      ? {
          status: /\r\nAuthorization: Bearer demo-token-of-postern\r\n/.test(request) ? 200 : 401,
          body: '{"authenticated": true}',
        }
      : { status: 200, body: 'Example Domain' },
  );
  const folder = mkdtempSync(join(tmpdir(), 'postern-readme-'));
  closeAfterTest(folder, () => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['package.json', 'dist', 'policies'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'bin'));
  symlinkSync(join(folder, 'dist/postern.js'), join(folder, 'bin/postern'));
  writeFileSync(join(folder, 'origin-ca.pem'), authority.pem);
  const hosts = ['httpbin.org', 'example.com', 'example.org'].map((name) => `    ${name}: [127.0.0.2]`).join('\n');
  writeFileSync(
    join(folder, 'postern.yaml'),
    `version: 1\nupstream:\n  trust: [origin-ca.pem]\n  allow_addresses: [127.0.0.2/32]\n  hosts:\n${hosts}\n`,
  );

  const [[first = ''] = [], second = []] = commands();
  expect(first).toMatch(/^npm ci && npm start /);
  const start = first.replace('npm ci && ', '').replace(/#.*/, '');
  const server = spawn('bash', ['-c', `exec ${start}`], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  closeAfterTest(server, () => process.kill(-(server.pid ?? 0), 'SIGKILL'));
  let log = '';
  await new Promise<void>((resolve, reject) => {
    server.stderr.on('data', (bytes) => {
      log += bytes;
      if (log.includes('"msg":"admin listening"')) resolve();
    });
    server.once('exit', () => reject(new Error(log)));
  });

  const marked = second.flatMap((line, index) => [`echo "@${index}"`, line]);
  const run = promisify(execFile);
  const { stdout: output } = await run('bash', ['-c', marked.join('\n')], { cwd: folder });
  const shown = output.split(/@\d+\n/).slice(1);
  expect(shown[1]).toContain('"authenticated": true');
  expect(shown[2]).toBe('');
  expect(shown[3]).toMatch(/HTTP\/1\.1 403 HOST_DENIED: /);
  expect(shown[5]).toBe('Example Domain');
  expect(shown[6]).toMatch(
    /postern_requests_total\{sandbox="default",rule="demo",decision="allow",code="",protocol="h1"\} 1/,
  );
}, 60_000);
