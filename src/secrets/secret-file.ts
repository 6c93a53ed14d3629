import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { errorCode } from '../errors.ts';

const BYTES_MAX = 64 * 1024;

/** The text of a secret file, with what is doubtful about it, or why it cannot be had. Reasons never quote the file. */
export type FileReading =
  | { readonly ok: true; readonly text: string; readonly warning: string | null }
  | { readonly ok: false; readonly why: string };

/**
 * Reads a file that holds a secret (SEMANTICS.md 13): at most 64 KiB, never one that others can write; one that others can read is a
 * warning, or refused when `strict`. Symlinks are followed and what is checked is the file that is read, not a name that may
 * change between. Never throws.
 */
export async function readSecretFile(path: string, strict: boolean): Promise<FileReading> {
  try {
    // Without O_NONBLOCK, opening a FIFO waits for a writer, and the reload with it.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    const refusal = refusalOf(stats, strict);
    if (refusal !== null) return { ok: false, why: refusal };
    // One byte more than allowed tells a file that grew since `stat`.
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(BYTES_MAX + 1), 0, BYTES_MAX + 1, 0);
    if (bytesRead > BYTES_MAX) return { ok: false, why: tooLarge };
    return textOf(buffer.subarray(0, bytesRead), isReadableByOthers(stats) ? `${path} can be read by others` : null);
  } catch (error) {
    return { ok: false, why: REASON_BY_CODE.get(errorCode(error)) ?? `the file cannot be read (${errorCode(error)})` };
  }
}

const tooLarge = 'the file is larger than 64 KiB';

const REASON_BY_CODE: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'the file does not exist'],
  ['EACCES', 'the file may not be read by this process'],
  ['ELOOP', 'the file is a loop of symbolic links'],
  ['ENXIO', 'the file is not a regular file'],
  ['EISDIR', 'the file is not a regular file'],
]);

const isReadableByOthers = (stats: Stats): boolean => (stats.mode & 0o004) !== 0;

function refusalOf(stats: Stats, strict: boolean): string | null {
  if (!stats.isFile()) return 'the file is not a regular file';
  if ((stats.mode & 0o002) !== 0) return 'the file can be written by others; run chmod o-w on it';
  if (strict && isReadableByOthers(stats)) return 'the file can be read by others; run chmod o-r on it';
  return stats.size > BYTES_MAX ? tooLarge : null;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array, warning: string | null): FileReading {
  try {
    return { ok: true, text: UTF8.decode(bytes), warning };
  } catch {
    return { ok: false, why: 'the file is not UTF-8 text' };
  }
}
