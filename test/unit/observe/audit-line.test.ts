import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditLine, timestamp } from '../../../src/observe/audit-line.ts';
import { AUDIT_SCHEMA } from '../../../src/observe/audit-schema.ts';
import type { ExchangeRecord } from '../../../src/observe/record.ts';
import { exchangeRecord } from '../../support/record.ts';

const parsed = (record: ExchangeRecord, durationMs = 1.5): Record<string, unknown> =>
  JSON.parse(auditLine(record, durationMs, Date.UTC(2026, 9, 1, 12, 30, 45, 19)));

const anyText = fc.string({ unit: 'binary' });
/** Every UTF-16 unit, halves of surrogate pairs among them. */
const anyUnits = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));
const hostile = fc.oneof(anyText, anyUnits, fc.constantFrom('"', '\\', '\u0000', '\u007f', '\u2028', '\ud800', '\r\n'));

describe('an audit line', () => {
  it('says what the record says, in the fields of the contract', () => {
    const record = exchangeRecord({ injected: ['github', 'openai'], code: 'PATH_DENIED', decision: 'would-deny' });
    expect(parsed(record, 12.3456)).toEqual({
      level: 30,
      time: '2026-10-01T12:30:45.019Z',
      id: record.id,
      generation: 1,
      sandbox: 'default',
      client: '127.0.0.1:44312',
      listener: '127.0.0.1:8080',
      ingress: 'proxy',
      protocol: 'h1',
      method: 'GET',
      scheme: 'https',
      host: 'api.example.com',
      port: 443,
      path: '/repos/acme/widgets',
      rule: 'github-read',
      decision: 'would-deny',
      code: 'PATH_DENIED',
      reason: null,
      injected: ['github', 'openai'],
      scrubbed: 0,
      address: '93.184.216.34:443',
      status: 200,
      bytes_in: 1024,
      bytes_out: 0,
      duration_ms: 12.346,
      tls: 'TLSv1.3',
    });
  });

  it('has exactly the fields of its schema, in that order, also where nothing is known', () => {
    const nothing = {
      sandbox: null,
      method: null,
      scheme: null,
      host: null,
      port: null,
      path: null,
      rule: null,
    } as const;
    const line = parsed(exchangeRecord({ ...nothing, address: null, status: null, tls: null }));
    expect(Object.keys(line)).toEqual(AUDIT_SCHEMA.required);
    expect(Object.keys(line)).toEqual(Object.keys(AUDIT_SCHEMA.properties));
  });

  it('is one line of JSON with the same texts, whatever a client sends', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, fc.array(hostile), (host, path, reason, injected) => {
        const line = auditLine(exchangeRecord({ host, path: path.slice(0, 300), reason, injected }), 1, Date.now());
        expect(line.endsWith('}\n')).toBe(true);
        expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
        const { host: h, path: p, reason: r, injected: i } = JSON.parse(line);
        expect([h, p, r, i]).toEqual([host, path.slice(0, 300), reason, injected]);
        // What is written as UTF-8 must be what was meant: half a surrogate pair would become U+FFFD.
        expect(Buffer.from(line).toString()).toBe(line);
      }),
    );
  });

  it('cuts a path at 1,024 bytes of UTF-8 and never inside a character', () => {
    const long = `/${'a'.repeat(2_000)}`;
    expect(parsed(exchangeRecord({ path: long })).path).toBe(long.slice(0, 1_024));
    const wide = `/${'é'.repeat(1_000)}`;
    const cut = String(parsed(exchangeRecord({ path: wide })).path);
    expect(Buffer.byteLength(cut)).toBe(1_023);
    expect(wide.startsWith(cut)).toBe(true);
    const whole = `/${'é'.repeat(511)}`;
    expect(parsed(exchangeRecord({ path: whole })).path).toBe(whole);
  });

  it('writes times as toISOString does, in any order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), fc.integer({ min: 0, max: 1_999 }), (at, later) => {
        expect(timestamp(at)).toBe(new Date(at).toISOString());
        expect(timestamp(at + later + 0.7)).toBe(new Date(at + later).toISOString());
      }),
    );
  });
});
