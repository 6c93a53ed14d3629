import { join } from 'node:path';
import { environmentOf, nodeProgram, packageVersion } from './commands.ts';
import type { Peer } from './peer.ts';

export const httpMitmProxy: Peer = {
  name: 'http-mitm-proxy',
  about: 'the npm package http-mitm-proxy',
  mode: 'mitm',
  injects: true,
  mints: true,
  http2: 'none',
  install: 'npm run bench -- --install',
  version: () => packageVersion('http-mitm-proxy'),
  prepare: (context) => ({
    argv: nodeProgram('http-mitm-proxy'),
    env: environmentOf(context),
    clientTrust: join(context.folder, 'ca', 'certs', 'ca.pem'),
  }),
};
