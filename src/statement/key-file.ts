import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../errors.ts';
import { claimName, writeNew } from '../tls/durable-file.ts';

/** The file of the key cannot be used; the text says which, why, and what to do. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

const FILE = 'statement-key.pem';
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const BYTES_MAX = 4_096;

/** The private key that statements are signed with, in the folder `state`: so that a receiver need not learn another one after a restart. */
export class KeyFile {
  readonly #folder: string;
  readonly #file: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, FILE);
  }

  /**
   * The PEM text of the file, or of what `make` makes, which is then written there: by one of several processes, and read by the others.
   * Rejects with a `KeyFileError`.
   */
  async readOrMake(make: () => Promise<string>): Promise<string> {
    try {
      const known = await this.#read();
      if (known !== null) return known;
      await mkdir(this.#folder, { recursive: true, mode: FOLDER_MODE });
      const pem = await make();
      const temporary = `${this.#file}.${randomUUID()}.tmp`;
      try {
        await writeNew(temporary, pem, FILE_MODE);
        await claimName(temporary, this.#file);
      } finally {
        await rm(temporary, { force: true });
      }
      return (await this.#read()) ?? pem;
    } catch (error) {
      throw error instanceof KeyFileError ? error : this.#problem(`cannot be used (${errorCode(error)})`);
    }
  }

  damaged(): KeyFileError {
    return this.#problem('holds no EC P-256 private key in PKCS#8');
  }

  #problem(why: string): KeyFileError {
    return new KeyFileError(`state: ${this.#file} ${why}; mend it, or remove it to have a new key made`);
  }

  /** What is checked is the file that is read, not a name that may change between. Without O_NONBLOCK, opening a FIFO waits for a writer. */
  async #read(): Promise<string | null> {
    try {
      await using handle = await open(this.#file, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#check(await handle.stat());
      return await handle.readFile('utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  #check(stats: Stats): void {
    if (!stats.isFile() || stats.size > BYTES_MAX) throw this.#problem('is not a PEM file');
    // A key that others can read is as good as theirs.
    if ((stats.mode & 0o077) !== 0) throw this.#problem('can be read or written by others');
  }
}
