import { randomBytes, randomInt } from 'node:crypto';
import { type Needles, needlesOf } from '../src/scrub/needles.ts';
import { scrubText } from '../src/scrub/scrub-text.ts';
import { Scrubber } from '../src/scrub/scrubber.ts';

/**
 * How fast the search for echoed secrets reads, without a proxy around it: `node bench/scrub.ts`. Each text is pushed in pieces of 64 KiB
 * and of 100 bytes; the figure is the best of several rounds on one core.
 */

const CHUNK_BYTES = 64 * 1024;
const TEXT_BYTES = 8 * 1024 * 1024;
const ROUNDS = 7;

const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const token = (length: number): string => Array.from({ length }, () => ALNUM[randomInt(ALNUM.length)]).join('');

const SETS: Readonly<Record<string, readonly string[]>> = {
  '1 token': [`ghp_${token(36)}`],
  '5 tokens': [
    `ghp_${token(36)}`,
    `github_pat_${token(22)}_${token(59)}`,
    `sk-ant-api03-${token(95)}`,
    token(64),
    `AKIA${token(16).toUpperCase()}`,
  ],
  '8 bytes': ['hunter2!'],
  '5, one of 10 bytes': [`ghp_${token(36)}`, token(40), token(64), `xoxb-${token(50)}`, 'p@ss w/"0"'],
};

const filled = (make: () => string): Buffer => {
  const parts: string[] = [];
  for (let bytes = 0; bytes < TEXT_BYTES; bytes += parts.at(-1)?.length ?? 0) parts.push(make());
  return Buffer.from(parts.join(''), 'utf8').subarray(0, TEXT_BYTES);
};

let serial = 0;
const item = (): object => ({
  id: serial++,
  node_id: `MDEwOlJlcG9zaXRvcnkx${serial}`,
  full_name: `octocat/hello-world-${serial}`,
  private: false,
  html_url: `https://github.com/octocat/hello-world-${serial}`,
  description: 'This your first repo! It is "quoted" and has\nlines & ampersands <b>.',
  created_at: '2011-01-26T19:01:12Z',
  counts: [80, 9, 108, serial * 7919],
});

const texts = (secret: string): Readonly<Record<string, Buffer>> => ({
  random: randomBytes(TEXT_BYTES),
  json: filled(() => JSON.stringify(item())),
  'json in json': filled(() => JSON.stringify({ body: JSON.stringify(item()) })),
  'json, \\u003c': filled(() =>
    JSON.stringify(item()).replaceAll(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
  ),
  'json, \\u0441': filled(() =>
    JSON.stringify({
      text: [...'сегодня'].map((char) => `\\u0${char.charCodeAt(0).toString(16)}`).join('') + serial++,
    }).replaceAll('\\\\', '\\'),
  ),
  base64: Buffer.from(randomBytes((TEXT_BYTES * 3) / 4).toString('base64'), 'latin1'),
  hex: Buffer.from(randomBytes(TEXT_BYTES / 2).toString('hex'), 'latin1'),
  sse: filled(
    () =>
      `event: content_block_delta\ndata: {"delta":{"text":" ${token(5).toLowerCase()}"},"index":${serial++ % 9}}\n\n`,
  ),
  'form, escaped': filled(() => `${encodeURIComponent(JSON.stringify(item()))}&`),
  'near misses': filled(() => `${secret.slice(0, -1)}.`),
  'half misses': filled(() => `${secret.slice(0, secret.length / 2)}.`),
  'first eights': filled(() => secret.slice(0, 8)),
  'all \\u0000': filled(() => '\\u0000'),
  'one letter': Buffer.alloc(TEXT_BYTES, secret[0]),
  echoes: filled(() => `${secret} `),
});

function rate(
  text: Buffer,
  chunkBytes: number,
  needles: Needles,
): { readonly gbPerS: number; readonly nsPerPush: number } {
  const chunks: Buffer[] = [];
  for (let at = 0; at < text.length; at += chunkBytes) chunks.push(text.subarray(at, at + chunkBytes));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const scrubber = new Scrubber(needles);
    const start = process.hrtime.bigint();
    for (const chunk of chunks) scrubber.push(chunk);
    scrubber.end();
    best = Math.min(best, Number(process.hrtime.bigint() - start));
  }
  return { gbPerS: text.length / best, nsPerPush: best / chunks.length };
}

for (const [name, values] of Object.entries(SETS)) {
  const start = performance.now();
  const needles = needlesOf(values);
  if (needles === null) throw new Error('no needles');
  console.log(`\n${name}: built in ${(performance.now() - start).toFixed(1)} ms`);
  for (const [kind, text] of Object.entries(texts(values[0] ?? ''))) {
    const large = rate(text, CHUNK_BYTES, needles);
    const small = rate(text.subarray(0, TEXT_BYTES / 8), 100, needles);
    console.log(
      `  ${kind.padEnd(16)} ${large.gbPerS.toFixed(2).padStart(6)} GB/s in 64 KiB  ${small.nsPerPush.toFixed(0).padStart(6)} ns per 100 bytes`,
    );
  }
  const fields = [
    'application/json; charset=utf-8',
    'W/"a18c3bded88eb5dbb5c849a489412bf3"',
    'max-age=31536000; includeSubdomains; preload',
  ];
  const started = performance.now();
  for (let round = 0; round < 100_000; round++) for (const value of fields) scrubText(value, needles);
  console.log(`  field value      ${(((performance.now() - started) * 1e6) / 300_000).toFixed(0)} ns`);
}
