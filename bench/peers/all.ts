import { floor } from './floor.ts';
import { goproxy } from './goproxy.ts';
import { httpMitmProxy } from './http-mitm-proxy.ts';
import { httpProxy } from './http-proxy.ts';
import { hudsucker } from './hudsucker.ts';
import { mitmproxy } from './mitmproxy.ts';
import { mockttp } from './mockttp.ts';
import { nginx } from './nginx.ts';
import type { Peer } from './peer.ts';
import { postern, unscrubbed } from './postern.ts';
import { squid } from './squid.ts';
import { tunnel } from './tunnel.ts';

/** Every peer, in the order of the tables. */
export const peers: readonly Peer[] = [
  postern,
  unscrubbed,
  nginx,
  tunnel,
  floor,
  hudsucker,
  goproxy,
  squid,
  httpProxy,
  httpMitmProxy,
  mockttp,
  mitmproxy,
];
