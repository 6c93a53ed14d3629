import type { CryptoKey } from 'jose';
import { KeyFile } from './key-file.ts';

/** What is known of the request that a statement is about. */
export interface StatementSubject {
  readonly sandbox: string;
  /** The origin of the URL that it is forwarded to: `https://audit.corp.example`, with a port that is not 443. */
  readonly audience: string;
  /** The request's id: the one of its audit line. */
  readonly id: string;
  readonly method: string;
  /** Scheme, host and port as the client asked for them, canonical: `https://api.example.com`. */
  readonly origin: string;
  /** As it came, without the query. */
  readonly path: string;
  /** The name of the rule, or its place. */
  readonly rule: string;
}

/** Every JWT library has it, Ed25519 many do not (RFC 7518 section 3.4). */
const ALGORITHM = 'ES256';
/** RFC 8725 section 3.11: no JWT of another kind is taken for one. */
const TYPE = 'postern-statement+jwt';
const ISSUER = 'postern';
const LIFETIME_S = 60;

interface Key {
  readonly privateKey: CryptoKey;
  readonly kid: string;
  readonly jwks: string;
}

/** No key was made, so nobody can have been told anything by it. */
export const NO_KEYS = '{"keys":[]}\n';

/**
 * Signs who asked for what (RFC 7515, RFC 7519): for a receiver of forwarded requests, which sees only us. The key is made or read when it is first
 * needed, and stays for the life of the process. `jose` does all of it, and is loaded no sooner.
 */
export class StatementSigner {
  readonly #file: KeyFile | null;
  #key: Promise<Key> | null = null;

  /** @param folder `state` of postern.yaml, where the key outlives the process; null: it does not */
  constructor(folder: string | null) {
    this.#file = folder === null ? null : new KeyFile(folder);
  }

  /** Makes or reads the key. Rejects with a `KeyFileError`. */
  async ready(): Promise<void> {
    await this.#ready();
  }

  /** A compact JWS. Rejects with a `KeyFileError`. */
  async sign({ sandbox, audience, id, method, origin, path, rule }: StatementSubject): Promise<string> {
    const [{ SignJWT }, { privateKey, kid }] = await Promise.all([import('jose'), this.#ready()]);
    const issuedS = Math.floor(Date.now() / 1000);
    return await new SignJWT({ method, origin, path, rule })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
      .setIssuer(ISSUER)
      .setSubject(sandbox)
      .setAudience(audience)
      .setJti(id)
      .setIssuedAt(issuedS)
      .setExpirationTime(issuedS + LIFETIME_S)
      .sign(privateKey);
  }

  /** The public key as a JWK Set (RFC 7517 section 5), JSON. Rejects with a `KeyFileError`. */
  async jwks(): Promise<string> {
    return (await this.#ready()).jwks;
  }

  #ready(): Promise<Key> {
    this.#key ??= this.#open().catch((error: unknown) => {
      // Whoever mends the file need not restart.
      this.#key = null;
      throw error;
    });
    return this.#key;
  }

  async #open(): Promise<Key> {
    const jose = await import('jose');
    const make = async (): Promise<string> =>
      await jose.exportPKCS8((await jose.generateKeyPair(ALGORITHM, { extractable: true })).privateKey);
    const pem = this.#file === null ? await make() : await this.#file.readOrMake(make);
    const readable = await jose.importPKCS8(pem, ALGORITHM, { extractable: true }).catch(() => null);
    if (readable === null) throw this.#file?.damaged() ?? new TypeError('a key that was just made cannot be read');
    const { kty, crv, x, y } = await jose.exportJWK(readable);
    const point = { kty, crv, x, y } as Parameters<typeof jose.calculateJwkThumbprint>[0];
    // RFC 7638: the same key has the same name, whoever publishes it.
    const kid = await jose.calculateJwkThumbprint(point);
    const jwks = `${JSON.stringify({ keys: [{ ...point, kid, alg: ALGORITHM, use: 'sig' }] })}\n`;
    return { privateKey: await jose.importPKCS8(pem, ALGORITHM), kid, jwks };
  }
}
