import { environmentOf, nodeProgram, packageVersion } from './commands.ts';
import type { Peer } from './peer.ts';

export const httpProxy: Peer = {
  name: 'http-proxy',
  about: 'the npm package http-proxy behind a CONNECT server with one fixed leaf',
  mode: 'mitm',
  injects: true,
  mints: false,
  http2: 'none',
  install: 'npm ci',
  version: () => packageVersion('http-proxy'),
  prepare: (context) => ({ argv: nodeProgram('http-proxy'), env: environmentOf(context) }),
};
