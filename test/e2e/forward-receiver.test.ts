import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PYTHON, pythonPackage } from '../support/client-python.ts';
import { closeOpened } from '../support/closing.ts';
import { temporaryFolder } from '../support/folder.ts';
import { headsOf, startForward, valuesOf } from '../support/forward.ts';
import type { Postern } from '../support/postern.ts';

closeOpened();

const OPERATIONS = readFileSync(fileURLToPath(new URL('../../docs/operations.md', import.meta.url)), 'utf8');
const AUDIENCE = 'https://audit.corp.example';

/** The example of the document in this language, for this proxy and receiver. */
function example(language: 'python' | 'js', postern: Postern, audience: string): string {
  const section = OPERATIONS.slice(OPERATIONS.indexOf('### A receiver'));
  const [, text = ''] = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(section) ?? [];
  expect(text).toContain(AUDIENCE);
  return text.replace('http://10.0.3.1:9464', postern.adminUrl).replace(AUDIENCE, audience);
}

/** A forwarded request: its method, the path that the receiver got, and the statement. */
async function forwardedOnce() {
  const { postern, receiver, authority, tunnel } = await startForward();
  const client = await tunnel();
  client.send(`GET /v1/x?y=z HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  await client.take(/received$/);
  const [head = ''] = headsOf(receiver);
  const [statement = ''] = valuesOf(head, 'X-Postern-Statement');
  return { postern, audience: `https://audit.test:${receiver.port}`, statement };
}

/** With another sandbox in it, which the signature does not hold for. */
function forged(statement: string): string {
  const [header, payload = '', signature] = statement.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return [header, Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url'), signature].join('.');
}

describe('the receiver that the documents give', () => {
  it('in JavaScript takes what we sign for it, and nothing else', async () => {
    const { postern, audience, statement } = await forwardedOnce();
    const text = example('js', postern, audience).replace("'jose'", JSON.stringify(import.meta.resolve('jose')));
    const file = join(temporaryFolder(), 'receiver.mjs');
    writeFileSync(file, text);
    const { whoAsks } = await import(/* @vite-ignore */ pathToFileURL(file).href);
    expect(await whoAsks('GET', '/in/v1/x', statement)).toMatchObject({ sub: 'default', rule: 'forwarded' });
    await expect(whoAsks('PUT', '/in/v1/x', statement)).rejects.toThrow('another request');
    await expect(whoAsks('GET', '/in/v1/y', statement)).rejects.toThrow('another request');
    await expect(whoAsks('GET', '/in/v1/x', forged(statement))).rejects.toThrow('signature verification failed');
    await expect(whoAsks('GET', '/in/v1/x', '')).rejects.toThrow();
    writeFileSync(file.replace('receiver', 'other'), text.replace(audience, 'https://other.test'));
    const other = await import(/* @vite-ignore */ pathToFileURL(file.replace('receiver', 'other')).href);
    await expect(other.whoAsks('GET', '/in/v1/x', statement)).rejects.toThrow('"aud"');
  });

  const pyJwt = pythonPackage('PyJWT');
  const hasPyJwt = pyJwt.version !== null;
  if (!hasPyJwt) console.warn(`SKIPPED: PyJWT is not installed, for the receiver in Python; ${pyJwt.install}`);

  it.skipIf(!hasPyJwt)('in Python takes what we sign for it, and nothing else', async () => {
    const { postern, audience, statement } = await forwardedOnce();
    const asking = `
import json, sys
for method, path, statement in json.load(sys.stdin):
    try:
        print(json.dumps(who_asks(method, path, statement)["sub"]))
    except jwt.PyJWTError as error:
        print(json.dumps(type(error).__name__))
`;
    const calls = [
      ['GET', '/in/v1/x', statement],
      ['PUT', '/in/v1/x', statement],
      ['GET', '/in/v1/y', statement],
      ['GET', '/in/v1/x', forged(statement)],
      ['GET', '/in/v1/x', ''],
    ];
    const run = (text: string): readonly unknown[] =>
      execFileSync(PYTHON, ['-c', text], { input: JSON.stringify(calls), encoding: 'utf8' })
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    expect(run(example('python', postern, audience) + asking)).toEqual([
      'default',
      'InvalidTokenError',
      'InvalidTokenError',
      'InvalidSignatureError',
      'DecodeError',
    ]);
    expect(run(example('python', postern, 'https://other.test') + asking)[0]).toBe('InvalidAudienceError');
  });
});
