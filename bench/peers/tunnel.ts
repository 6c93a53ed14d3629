import { environmentOf, nodeProgram } from './commands.ts';
import type { Peer } from './peer.ts';

export const tunnel: Peer = {
  name: 'tunnel',
  about: 'raw TCP tunnel on Node: no interception, no injection',
  mode: 'mitm',
  injects: false,
  mints: false,
  http2: 'both',
  install: 'nothing to install',
  version: () => process.versions.node,
  prepare: (context) => ({ argv: nodeProgram('tunnel'), env: environmentOf(context) }),
};
