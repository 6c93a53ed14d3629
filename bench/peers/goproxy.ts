import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder, peersFolder } from '../harness/paths.ts';
import { environmentOf } from './commands.ts';
import type { Peer } from './peer.ts';

const program = join(peersFolder, 'goproxy', 'bench-goproxy');

export const goproxy: Peer = {
  name: 'goproxy',
  about: 'the Go library goproxy in a program of a hundred lines',
  mode: 'mitm',
  injects: true,
  mints: true,
  http2: 'both',
  install: 'npm run bench -- --install (needs Go)',
  version() {
    if (!existsSync(program)) return undefined;
    const module = readFileSync(join(benchFolder, 'peers', 'goproxy', 'go.mod'), 'utf8');
    return /goproxy v(\S+)/.exec(module)?.[1];
  },
  // One core is all it gets, and the scheduler does better when it knows.
  prepare: (context) => ({ argv: [program], env: { ...environmentOf(context), GOMAXPROCS: '1' } }),
};
