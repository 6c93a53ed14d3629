import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { StatementSigner } from '../../../src/statement/signer.ts';
import { temporaryFolder } from '../../support/folder.ts';

const SUBJECT = {
  sandbox: 'vm-42',
  audience: 'https://audit.corp.example',
  id: 'id-1',
  method: 'GET',
  origin: 'https://api.example.com',
  path: '/v1/x',
  rule: 'forwarded',
};

const keySet = async (signer: StatementSigner) => createLocalJWKSet(JSON.parse(await signer.jwks()));
const kidOf = async (signer: StatementSigner): Promise<string> => JSON.parse(await signer.jwks()).keys[0].kid;

describe('a statement', () => {
  it('is verified with the published key, and lives for a minute', async () => {
    const signer = new StatementSigner(null);
    const { payload, protectedHeader } = await jwtVerify(await signer.sign(SUBJECT), await keySet(signer), {
      issuer: 'postern',
      audience: SUBJECT.audience,
      typ: 'postern-statement+jwt',
      algorithms: ['ES256'],
    });
    const { iat = 0 } = payload;
    expect(payload).toEqual({
      iss: 'postern',
      sub: 'vm-42',
      aud: SUBJECT.audience,
      jti: 'id-1',
      iat,
      exp: iat + 60,
      method: 'GET',
      origin: 'https://api.example.com',
      path: '/v1/x',
      rule: 'forwarded',
    });
    expect(Math.abs(iat - Date.now() / 1000)).toBeLessThan(5);
    expect(protectedHeader.kid).toBe(await kidOf(signer));
  });

  it('is not verified with the key of another process', async () => {
    const [one, other] = [new StatementSigner(null), new StatementSigner(null)];
    await expect(jwtVerify(await one.sign(SUBJECT), await keySet(other))).rejects.toThrow('no applicable key');
  });

  it('publishes nothing of the private key', async () => {
    const { keys } = JSON.parse(await new StatementSigner(null).jwks());
    expect(keys.map(Object.keys)).toEqual([['kty', 'crv', 'x', 'y', 'kid', 'alg', 'use']]);
  });
});

describe('the key in the folder "state"', () => {
  it('outlives the process, for nobody else to read', async () => {
    const folder = join(temporaryFolder(), 'state');
    const kid = await kidOf(new StatementSigner(folder));
    expect(await kidOf(new StatementSigner(folder))).toBe(kid);
    expect(readdirSync(folder)).toEqual(['statement-key.pem']);
    expect(statSync(join(folder, 'statement-key.pem')).mode & 0o777).toBe(0o600);
  });

  it('is one for processes that start at once', async () => {
    const folder = temporaryFolder();
    const kids = await Promise.all(Array.from({ length: 8 }, () => kidOf(new StatementSigner(folder))));
    expect(new Set(kids).size).toBe(1);
  });

  it.each([
    ['holds no key', 'nothing', 0o600, 'holds no EC P-256 private key in PKCS#8'],
    ['others can read', '', 0o640, 'can be read or written by others'],
    ['is too long', 'x'.repeat(5_000), 0o600, 'is not a PEM file'],
  ])('is refused where its file %s, until it is mended', async (_, text, mode, why) => {
    const folder = temporaryFolder();
    const file = join(folder, 'statement-key.pem');
    writeFileSync(file, text);
    chmodSync(file, mode);
    const signer = new StatementSigner(folder);
    await expect(signer.ready()).rejects.toThrow(`state: ${file} ${why}; mend it, or remove it to have a new key made`);
    const good = temporaryFolder();
    await new StatementSigner(good).ready();
    writeFileSync(file, readFileSync(join(good, 'statement-key.pem')));
    chmodSync(file, 0o600);
    await expect(signer.sign(SUBJECT)).resolves.toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  it('is refused where a folder stands in its place', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'statement-key.pem'));
    await expect(new StatementSigner(folder).ready()).rejects.toThrow('is not a PEM file');
  });
});
