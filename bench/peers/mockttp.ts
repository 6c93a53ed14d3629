import { environmentOf, nodeProgram, packageVersion } from './commands.ts';
import type { Peer } from './peer.ts';

export const mockttp: Peer = {
  name: 'mockttp',
  about: 'the npm package mockttp, passing through',
  mode: 'mitm',
  injects: true,
  mints: true,
  http2: 'both',
  install: 'npm run bench -- --install',
  version: () => packageVersion('mockttp'),
  // Its own option for more authorities makes the pool compare a quarter of a megabyte of PEM for every request; this does not.
  prepare: (context) => ({
    argv: nodeProgram('mockttp'),
    env: { ...environmentOf(context), NODE_EXTRA_CA_CERTS: context.certificates.trust },
  }),
};
