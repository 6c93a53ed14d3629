import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../errors.ts';
import { formatFinding } from '../policy/finding.ts';
import { defaultSettings, readSettings } from '../runtime/read-settings.ts';
import type { Settings } from '../runtime/settings.ts';
import type { CommandIo } from './command.ts';

/**
 * The settings that `serve` would start with: those of `--config`, else of postern.yaml if it is there, else the defaults. For commands
 * that need the listener or the folder of the CA, and no policy.
 * @returns null if the file does not load; what is wrong with it has been printed
 */
export async function settingsFor(io: CommandIo, config: string | undefined): Promise<Settings | null> {
  const file = path.resolve(io.cwd, config ?? 'postern.yaml');
  const shown = config ?? 'postern.yaml';
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && config === undefined) return defaultSettings(io.cwd);
    io.err(`${shown}  cannot be read (${errorCode(error)})\n`);
    return null;
  }
  const { settings, findings } = readSettings(text, file);
  if (settings === null) for (const finding of findings) io.err(`${formatFinding(finding, shown)}\n`);
  return settings;
}
