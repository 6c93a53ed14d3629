import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder, peersFolder } from '../harness/paths.ts';
import { environmentOf } from './commands.ts';
import type { Peer } from './peer.ts';

const program = join(peersFolder, 'hudsucker', 'release', 'bench-hudsucker');

export const hudsucker: Peer = {
  name: 'hudsucker',
  about: 'the Rust crate hudsucker in a program of a hundred lines, one thread',
  mode: 'mitm',
  injects: true,
  mints: true,
  http2: 'both',
  install: 'npm run bench -- --install (needs Rust)',
  version() {
    if (!existsSync(program)) return undefined;
    const manifest = readFileSync(join(benchFolder, 'peers', 'hudsucker', 'Cargo.toml'), 'utf8');
    return /hudsucker = .*"=([\d.]+)"/.exec(manifest)?.[1];
  },
  prepare: (context) => ({ argv: [program], env: environmentOf(context) }),
};
