import { environmentOf, nodeProgram } from './commands.ts';
import type { Peer } from './peer.ts';

export const floor: Peer = {
  name: 'floor',
  about: 'the least an injecting proxy costs on Node: one fixed leaf, no policy, no audit, no safety',
  mode: 'mitm',
  injects: true,
  mints: false,
  http2: 'none',
  install: 'nothing to install',
  version: () => process.versions.node,
  prepare: (context) => ({ argv: nodeProgram('floor'), env: environmentOf(context) }),
};
