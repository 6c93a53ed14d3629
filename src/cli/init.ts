import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { errorCode } from '../errors.ts';
import type { CommandIo } from './command.ts';
import { RefusedError, reportFailure, UsageError } from './failure.ts';
import { STARTER_CONFIG, STARTER_POLICY } from './starter.ts';

export const help = `postern init [FOLDER]

Writes a starter postern.yaml and policies/default.yaml into FOLDER (default: the current one).
What is there already is left as it is.
`;

const FILES: readonly (readonly [string, string])[] = [
  ['postern.yaml', STARTER_CONFIG],
  ['policies/default.yaml', STARTER_POLICY],
];

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const folder = folderOf(args);
    for (const [name, text] of FILES) {
      const shown = folder === '' ? name : join(folder, name);
      const written = await writeNew(resolve(io.cwd, shown), text, shown);
      io.out(written ? `wrote ${shown}\n` : `${shown} is there already, and was left as it is\n`);
    }
    return 0;
  } catch (error) {
    return reportFailure(error, 'postern init', help, io);
  }
}

function folderOf(args: readonly string[]): string {
  try {
    const { positionals } = parseArgs({ args: [...args], options: {}, allowPositionals: true, strict: true });
    const [folder = '', ...more] = positionals;
    if (more.length === 0) return folder;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read');
  }
  throw new UsageError('name one folder');
}

/** Writes a file that is not there yet; false if it is. The flag decides, not a look beforehand: a file that appears meanwhile stays. */
async function writeNew(path: string, text: string, shown: string): Promise<boolean> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw new RefusedError(`${shown}  cannot be written (${errorCode(error)}); name a folder that can`);
  }
}
