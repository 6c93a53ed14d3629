import type { Socket } from 'node:net';

/** Where a connection leads: the address, and `address:port` for the audit line. */
export function remoteAddressOf({ remoteAddress = '', remotePort = 0 }: Socket): {
  readonly ip: string;
  readonly address: string;
} {
  const host = remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress;
  return { ip: remoteAddress, address: `${host}:${remotePort}` };
}
