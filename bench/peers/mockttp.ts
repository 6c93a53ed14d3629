import { environmentOf, nodeProgram, packageVersion } from './commands.ts';
import type { Peer } from './peer.ts';

export const mockttp: Peer = {
  name: 'mockttp',
  about: 'the npm package mockttp, passing through',
  mode: 'mitm',
  injects: true,
  mints: true,
  install: 'npm run bench -- --install',
  version: () => packageVersion('mockttp'),
  prepare: (context) => ({ argv: nodeProgram('mockttp'), env: environmentOf(context) }),
};
