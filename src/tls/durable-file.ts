import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../errors.ts';

/** Writes a file that must not exist yet, and waits until it is on the disk. */
export async function writeNew(file: string, text: string | Uint8Array, mode: number): Promise<void> {
  await using handle = await open(file, 'wx', mode);
  await handle.writeFile(text);
  await handle.sync();
}

/** Puts a whole file in place of what may be there: readers see the old or the new one, never a part. */
export async function replaceFile(file: string, text: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeNew(temporary, text, mode);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(path.dirname(file));
}

/**
 * Gives a whole file a second name, unless that name is taken.
 * @returns true if this call gave it; false if the name is taken, or another process took the file away
 */
export async function claimName(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch(async (error: unknown) => {
      if (isRefusal(error)) throw error;
      // Some file systems have no hard links. A copy is exclusive too; only a crash in the middle of it could leave a part.
      await copyFile(from, to, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

const isRefusal = (error: unknown): boolean => ['EEXIST', 'ENOENT'].includes(errorCode(error));

/** A name is durable once its folder is on the disk. */
export async function syncFolder(dir: string): Promise<void> {
  await using handle = await open(dir, 'r');
  await handle.sync();
}
