import { describe, expect, it } from 'vitest';
import type { MatchSpec, SandboxSpec, SecretSource } from '../../../src/policy/model.ts';
import { buildIdentity, type ClientEvidence, type IdentityIndex } from '../../../src/runtime/identity.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { match, sandbox, tokenFile } from '../../support/specs.ts';

const PROXY = '127.0.0.1:8080';

/** Tokens are the last part of their file's path; `/missing` could not be had. */
const tokenOf = (source: SecretSource): Secret | { readonly unavailable: string } => {
  const path = source.kind === 'file' ? source.path : source.variable;
  return path === '/missing' ? { unavailable: 'no such file' } : new Secret(path, path.slice(1));
};

const indexOf = (entriesByName: Readonly<Record<string, readonly Partial<MatchSpec>[] | null>>): IdentityIndex =>
  buildIdentity(
    Object.entries(entriesByName).map(
      ([name, entries]): SandboxSpec => sandbox({ name, match: entries === null ? null : entries.map(match) }),
    ),
    tokenOf,
  );

function ask(index: IdentityIndex, evidence: Partial<ClientEvidence>): string {
  const identity = index.identify({ address: '10.0.3.2', listener: PROXY, credentials: null, ...evidence });
  return identity.kind === 'sandbox' ? identity.name : identity.code;
}

const token = (username: string, password: string) => ({ credentials: { username, password } });

describe('the sandbox of files without "sandbox"', () => {
  it('is everyone, and credentials that nobody asked for do not matter', () => {
    const index = indexOf({ default: null });
    expect(index.usesTokens).toBe(false);
    expect(ask(index, {})).toBe('default');
    expect(ask(index, { address: null, listener: 'unix:/run/x.sock' })).toBe('default');
    expect(ask(index, token('whoever', 'whatever'))).toBe('default');
  });
});

describe('the address', () => {
  const index = indexOf({
    net: [{ source: '10.0.0.0/8' }],
    host: [{ source: '10.0.3.2/32' }],
    six: [{ source: 'fd00::/8' }],
    odd: [{ source: '192.0.2.128/25' }],
  });

  it('points to the sandbox with the longest block that holds it', () => {
    expect(ask(index, { address: '10.0.3.2' })).toBe('host');
    expect(ask(index, { address: '10.0.3.3' })).toBe('net');
    expect(ask(index, { address: 'fd12::1' })).toBe('six');
    expect(ask(index, { address: '192.0.2.128' })).toBe('odd');
    expect(ask(index, { address: '192.0.2.127' })).toBe('IDENTITY_CONFLICT');
  });

  it('is the same address in its v4-mapped form, as a dual-stack listener reports it', () => {
    expect(ask(index, { address: '::ffff:10.0.3.2' })).toBe('host');
  });

  it('that nothing holds is 403 where no file uses tokens', () => {
    expect(ask(index, { address: '11.0.0.1' })).toBe('IDENTITY_CONFLICT');
    expect(ask(index, { address: null })).toBe('IDENTITY_CONFLICT');
    expect(ask(index, { address: 'not an address' })).toBe('IDENTITY_CONFLICT');
  });
});

describe('the listener', () => {
  const index = indexOf({ vm: [{ listener: 'unix:/run/vm.sock' }], other: [{ listener: PROXY }] });

  it('points to its sandbox, exactly', () => {
    expect(ask(index, { address: null, listener: 'unix:/run/vm.sock' })).toBe('vm');
    expect(ask(index, { listener: PROXY })).toBe('other');
    expect(ask(index, { address: null, listener: 'unix:/run/vm.sock2' })).toBe('IDENTITY_CONFLICT');
  });
});

describe('a token', () => {
  const index = indexOf({
    'vm-1': [{ token: tokenFile('/t1') }, { token: tokenFile('/t1-next') }],
    'vm-2': [{ token: tokenFile('/t2') }],
    broken: [{ token: tokenFile('/missing') }],
    known: [{ source: '10.0.3.0/24' }],
  });
  const elsewhere = { address: '192.0.2.1' };

  it('points to the sandbox that the user names; entries are alternatives', () => {
    expect(ask(index, { ...elsewhere, ...token('vm-1', 't1') })).toBe('vm-1');
    expect(ask(index, { ...elsewhere, ...token('vm-1', 't1-next') })).toBe('vm-1');
    expect(ask(index, { ...elsewhere, ...token('vm-2', 't2') })).toBe('vm-2');
  });

  it.each([
    ['of another sandbox', token('vm-1', 't2')],
    ['that is empty', token('vm-1', '')],
    ['of a sandbox that does not exist', token('vm-9', 't1')],
    ['of a sandbox without tokens', token('known', 't1')],
    ['of a sandbox whose token could not be had', token('broken', '')],
  ])('%s is 407, also from an address that is known', (_what, credentials) => {
    expect(ask(index, { ...elsewhere, ...credentials })).toBe('TOKEN_REQUIRED');
    expect(ask(index, { address: '10.0.3.2', ...credentials })).toBe('TOKEN_REQUIRED');
  });

  it('that is absent is 407 where nothing else tells who the client is', () => {
    expect(index.usesTokens).toBe(true);
    expect(ask(index, elsewhere)).toBe('TOKEN_REQUIRED');
    expect(ask(index, { address: '10.0.3.2' })).toBe('known');
  });

  it('of one sandbox from the address of another is a conflict', () => {
    expect(ask(index, { address: '10.0.3.2', ...token('vm-1', 't1') })).toBe('IDENTITY_CONFLICT');
  });
});

describe('entries with several keys', () => {
  const index = indexOf({
    vm: [{ source: '10.0.3.2/32', token: tokenFile('/t') }],
    net: [{ source: '10.1.0.0/16', listener: PROXY }],
    narrow: [{ source: '10.1.2.0/24', listener: PROXY }],
    plain: [{ source: '10.1.2.3/32' }],
  });

  it('hold only where all of them do', () => {
    expect(ask(index, { address: '10.0.3.2', ...token('vm', 't') })).toBe('vm');
    expect(ask(index, { address: '10.0.3.2' })).toBe('TOKEN_REQUIRED');
    expect(ask(index, { address: '10.0.3.3', ...token('vm', 't') })).toBe('TOKEN_REQUIRED');
    expect(ask(index, { address: '10.1.9.9', listener: '127.0.0.1:9999' })).toBe('TOKEN_REQUIRED');
  });

  it('compare by the longest block when the rest is the same', () => {
    expect(ask(index, { address: '10.1.2.4' })).toBe('narrow');
    expect(ask(index, { address: '10.1.9.4' })).toBe('net');
  });

  it('are a conflict when a smaller block says less: the listener points elsewhere', () => {
    expect(ask(index, { address: '10.1.2.3' })).toBe('IDENTITY_CONFLICT');
  });
});

describe('a named fallback', () => {
  const index = indexOf({
    rest: [{ any: true }],
    vm: [{ source: '10.0.3.2/32' }],
    tokened: [{ source: '10.9.0.0/16', token: tokenFile('/t') }],
  });

  it('takes whom nothing else identifies', () => {
    expect(ask(index, { address: '192.0.2.1' })).toBe('rest');
    expect(ask(index, { address: '10.0.3.2' })).toBe('vm');
  });

  it('does not take a client that shows the token of a sandbox it is not', () => {
    expect(ask(index, { address: '192.0.2.1', ...token('tokened', 't') })).toBe('IDENTITY_CONFLICT');
    expect(ask(index, { address: '192.0.2.1', ...token('tokened', 'wrong') })).toBe('TOKEN_REQUIRED');
  });

  it('and a second one are a conflict', () => {
    expect(ask(indexOf({ one: [{ any: true }], two: [{ any: true }] }), {})).toBe('IDENTITY_CONFLICT');
  });
});

describe('ten thousand sandboxes', () => {
  it('are told apart by address, listener and token, with one look-up for each shape of entry', () => {
    const entries: Record<string, readonly Partial<MatchSpec>[]> = {};
    for (let index = 0; index < 10_000; index++) {
      const third = index >> 8;
      const fourth = index & 255;
      entries[`vm-${index}`] = [
        { source: `10.7.${third}.${fourth}/32` },
        { listener: `unix:/run/${index}.sock` },
        { token: tokenFile(`/token-${index}`) },
      ];
    }
    const index = indexOf(entries);
    expect(ask(index, { address: '10.7.39.15' })).toBe('vm-9999');
    expect(ask(index, { address: null, listener: 'unix:/run/1234.sock' })).toBe('vm-1234');
    expect(ask(index, { address: null, ...token('vm-77', 'token-77') })).toBe('vm-77');
    expect(ask(index, { address: null, ...token('vm-77', 'token-78') })).toBe('TOKEN_REQUIRED');
    expect(ask(index, { address: '10.7.0.1', listener: 'unix:/run/2.sock' })).toBe('IDENTITY_CONFLICT');
  });
});

it('a refusal says nothing of tokens', () => {
  const index = indexOf({ vm: [{ token: tokenFile('/hunter2-token') }] });
  const refused = index.identify({ address: null, listener: PROXY, ...token('vm', 'guessed-token') });
  expect(JSON.stringify(refused)).not.toMatch(/hunter2|guessed/);
});
