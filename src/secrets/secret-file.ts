import { constants, type Stats } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
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
  // One byte more than allowed tells a file that grew since `stat`.
  const bytes = Buffer.alloc(BYTES_MAX + 1);
  try {
    // Without O_NONBLOCK, opening a FIFO waits for a writer, and the reload with it.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    const refusal = refusalOf(stats);
    if (refusal !== null) return { ok: false, why: refusal };
    const doubt = isReadableByOthers(stats) ? READABLE : (await isReplaceableByOthers(path)) ? REPLACEABLE : null;
    if (strict && doubt !== null) return { ok: false, why: `the file ${doubt.what}; ${doubt.fix}` };
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    if (bytesRead > BYTES_MAX) return { ok: false, why: tooLarge };
    return textOf(bytes.subarray(0, bytesRead), doubt === null ? null : `${path} ${doubt.what}`);
  } catch (error) {
    return { ok: false, why: REASON_BY_CODE.get(errorCode(error)) ?? `the file cannot be read (${errorCode(error)})` };
  } finally {
    // The collector frees memory as it is.
    bytes.fill(0);
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

const READABLE = { what: 'can be read by others', fix: 'run chmod o-r on it' };
const REPLACEABLE = {
  what: 'is in a folder that others can write to, who can so replace it',
  fix: 'run chmod o-w on the folder',
};

const isReadableByOthers = (stats: Stats): boolean => (stats.mode & 0o004) !== 0;

/** Whoever can write to a folder can put another file in the place of any in it; with the sticky bit, of none but their own (/tmp, Kubernetes). */
async function isReplaceableByOthers(path: string): Promise<boolean> {
  const { mode } = await stat(dirname(await realpath(path)));
  return (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
}

function refusalOf(stats: Stats): string | null {
  if (!stats.isFile()) return 'the file is not a regular file';
  if ((stats.mode & 0o002) !== 0) return 'the file can be written by others; run chmod o-w on it';
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
