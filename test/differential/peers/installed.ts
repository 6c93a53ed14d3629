import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ChildPeer } from './child.ts';
import { llhttp } from './llhttp.ts';
import { startNginx } from './nginx.ts';
import type { Peer, PeerName } from './peer.ts';

const run = promisify(execFile);
const H11 = 'h11==0.16.0';
const INSTALL_MS = 60_000;

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** What the tests install for themselves; git does not see it. */
const store = here('../../.peers');

/** A peer, or why it is not there. */
export type PeerOrNot =
  | { readonly name: PeerName; readonly peer: Peer }
  | { readonly name: PeerName; readonly missing: string };

/**
 * Starts all peers that this machine can have, installing what is missing. One that cannot be had is skipped, loudly: a test run that compared
 * nothing must not look like one that found nothing.
 */
export async function startPeers(): Promise<readonly PeerOrNot[]> {
  const found = await Promise.all([
    { name: 'llhttp' as const, peer: llhttp },
    orMissing('h11', startH11),
    orMissing('net/http', startGo),
    orMissing('nginx', startNginx),
  ]);
  for (const each of found) {
    if ('missing' in each) console.warn(`NOT COMPARED with ${each.name}: ${each.missing}`);
  }
  return found;
}

async function orMissing(name: PeerName, start: () => Promise<Peer>): Promise<PeerOrNot> {
  try {
    return { name, peer: await start() };
  } catch (error) {
    const [missing = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { name, missing };
  }
}

async function startH11(): Promise<Peer> {
  const folder = join(store, 'h11-0.16.0');
  await makeOnce(folder, (target) =>
    run(
      'python3',
      ['-m', 'pip', 'install', '-q', '--no-input', '--disable-pip-version-check', '--target', target, H11],
      {
        timeout: INSTALL_MS,
      },
    ),
  );
  return ChildPeer.start('h11', ['python3', here('h11/peer.py')], { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' });
}

async function startGo(): Promise<Peer> {
  const { stdout } = await run('go', ['env', 'GOVERSION']);
  const source = createHash('sha256')
    .update(readFileSync(here('go/main.go')))
    .digest('hex')
    .slice(0, 8);
  const folder = join(store, `net-http-${stdout.trim()}-${source}`);
  await makeOnce(folder, (target) =>
    run('go', ['build', '-o', join(target, 'peer'), '.'], { cwd: here('go'), timeout: INSTALL_MS }),
  );
  return ChildPeer.start('net/http', [join(folder, 'peer')], {});
}

/** Fills a folder unless it is there. Two runs may do so at once: the folder appears whole, and who comes second uses the first one's. */
async function makeOnce(folder: string, fill: (target: string) => Promise<unknown>): Promise<void> {
  if (existsSync(folder)) return;
  mkdirSync(store, { recursive: true });
  const target = mkdtempSync(join(store, 'new-'));
  try {
    await fill(target);
    renameSync(target, folder);
  } catch (error) {
    rmSync(target, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}
