import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formsIn, formsOf } from '../support/canary.ts';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/origin.ts';
import { SECRET, startScene } from '../support/scene.ts';

closeOpened();

const VALUES = ['plain-value-01', 'cAnAry/+"\\one=42&x~Zz?1', 'süß und geheim 🔑', '%41%42%2541 and more'];

describe('the search for canaries', () => {
  it.each(VALUES)('finds every form of a value within other text: %s', (value) => {
    const bytes = Buffer.from(value);
    const forms = formsOf(bytes);
    expect(forms).toHaveLength(18);
    for (const { name, text } of forms) expect(formsIn(`before${text}after`, [bytes])).toContain(name);
  });

  it.each(VALUES)('finds what encoders make of a text with the value in it: %s', (value) => {
    for (let before = 0; before < 6; before++) {
      const text = `${'ü%"'.repeat(before)}${'x'.repeat(before)}${value} and what follows`;
      const bytes = Buffer.from(text);
      for (const coded of [
        bytes.toString('base64'),
        bytes.toString('base64url'),
        bytes.toString('hex'),
        Buffer.from(JSON.stringify({ text })).toString('latin1'),
        Buffer.from(JSON.stringify(JSON.stringify({ text }))).toString('latin1'),
        encodeURIComponent(text),
        new URLSearchParams({ text }).toString(),
        // Only some characters escaped, as encoders differ.
        bytes.toString('latin1').replace(/[a-m%]/g, (char) => `%${char.charCodeAt(0).toString(16)}`),
      ])
        expect(formsIn(coded, [Buffer.from(value)]), coded).not.toEqual([]);
    }
  });

  it.each(VALUES)('finds nothing in a text without it: %s', (value) => {
    const other = Buffer.from(`${value.slice(0, -3)} ${value.slice(3)}`);
    for (const coding of ['latin1', 'base64', 'base64url', 'hex'] as const)
      expect(formsIn(other.toString(coding), [Buffer.from(value)])).toEqual([]);
  });
});

describe('the sweep at the end of a run', () => {
  it('fails the test if a secret is in a log, an audit line, an answer, the command line or a file, and does not repeat it', async () => {
    const { postern, tunnel, authority } = await startScene({
      origin: { onConnection: answering(`HTTP/1.1 200 OK\r\nContent-Length: ${SECRET.length}\r\n\r\n${SECRET}`) },
      rule: 'scrub: false',
      nodeOptions: [`--title=${encodeURIComponent(SECRET)}`],
    });
    const client = await tunnel();
    client.send(`GET /${SECRET} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/\r\n\r\n./);
    await postern.audited({ status: 200 });
    // What is wrong with a file is said by quoting its keys: in the log, and in /v1/status.
    postern.write('policies/broken.yaml', `version: 1\n${SECRET}: 1\n`);
    await postern.logged(/broken\.yaml/);
    writeFileSync(join(postern.folder, 'certs/left-behind'), Buffer.from(`xx${SECRET}`).toString('base64'));
    const failure: unknown = await postern.close().then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(Error);
    const text = String(failure);
    for (const place of [
      /audit \(stdout\) \(plain/,
      /log \(stderr\) \(plain/,
      /answers of the admin listener \(plain/,
      /command line \(plain/,
      /file certs\/left-behind \(base64 at offset 2/,
      /what clients got \(plain/,
    ])
      expect(text).toMatch(place);
    expect(formsIn(text, [Buffer.from(SECRET)])).toEqual([]);
  });

  it('fails the test if the program has a child process', async () => {
    const code = 'import { spawn } from "node:child_process"; spawn("sleep", ["3"]).unref();';
    const { postern } = await startScene({
      nodeOptions: [`--import=data:text/javascript,${encodeURIComponent(code)}`],
    });
    await expect(postern.close()).rejects.toThrow('postern has child processes');
    expect(postern.child.killed).toBe(true);
  });

  it('leaves alone what a run may hold: the secret files, and the environment that the test gave it', async () => {
    const { postern } = await startScene({ env: { TOKEN_VARIABLE: SECRET } });
    await expect(postern.close()).resolves.toBeUndefined();
  });
});
