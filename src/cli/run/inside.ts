import type { Duplex } from 'node:stream';
import type { Command, Environment } from './child.ts';
import type { PrivateFolder } from './private-folder.ts';

/** What an isolated command finds in its namespaces, the same in every run. */
export const INSIDE = {
  /** Below the range of ephemeral ports, so no connection has it by chance. */
  port: 31_280,
  /** /run is empty in there but for this. */
  base: '/run/postern',
  shown: '/run/postern/ca',
  home: '/run/postern/home',
  link: '/run/postern/link',
  work: '/run/postern/work',
} as const;

/** All that our process inside is told. No secret: the memory of that process is as near to the command as root's is. */
export interface Plan {
  readonly command: Command;
  readonly uid: number;
  readonly gid: number;
  readonly env: Environment;
  readonly cwd: string;
  readonly folder: PrivateFolder;
  /** Paths of sockets that somebody outside listens on. */
  readonly sockets: readonly string[];
  /** Files that the command's user must not be able to read. */
  readonly unreadable: readonly string[];
  /** Files and folders that it must not be able to change. */
  readonly unwritable: readonly string[];
}

/** One JSON text a line, either way. */
export function writeMessage(channel: Duplex, message: unknown): void {
  channel.write(`${JSON.stringify(message)}\n`);
}

export function readMessages(channel: Duplex, take: (message: unknown) => void): void {
  let rest = '';
  channel.setEncoding('utf8');
  channel.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(JSON.parse(line));
  });
}
