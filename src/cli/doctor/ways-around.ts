import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { errorCode } from '../../errors.ts';
import { NETWORK_MS, ok, problem, type Result, within } from './check.ts';

/** Addresses that answer from nearly everywhere, so that silence means a closed way. */
const PUBLIC = { ipv4: '1.1.1.1', ipv6: '2606:4700:4700::1111', dns: '8.8.8.8' } as const;
/** Where clouds give credentials to whoever asks from the machine. */
const METADATA = ['169.254.169.254', 'fd00:ec2::254'] as const;

const CLOSE = 'have the network around the sandbox drop everything but the proxy (docs/deploy/)';

interface Way {
  readonly name: string;
  /** Whether somebody at the other end answered. */
  isOpen(signal: AbortSignal): Promise<boolean>;
  readonly open: string;
  readonly todo: string;
}

const WAYS: readonly Way[] = [
  {
    name: 'direct TCP',
    isOpen: (signal) => answersTcp(PUBLIC.ipv4, 443, signal),
    open: `${PUBLIC.ipv4}:443 can be reached without the proxy`,
    todo: CLOSE,
  },
  {
    name: 'IPv6',
    isOpen: (signal) => answersTcp(PUBLIC.ipv6, 443, signal),
    open: `[${PUBLIC.ipv6}]:443 can be reached without the proxy`,
    todo: `${CLOSE}, for IPv6 too`,
  },
  {
    name: 'UDP 443',
    isOpen: (signal) => answersQuic(PUBLIC.ipv4, signal),
    open: `${PUBLIC.ipv4} answers QUIC, which no proxy of TCP sees`,
    todo: `${CLOSE}, UDP included`,
  },
  {
    name: 'external DNS',
    isOpen: (signal) => resolves([PUBLIC.dns], signal),
    open: `${PUBLIC.dns} answers: names carry data out to whoever owns their zone`,
    todo: 'drop port 53, UDP and TCP, to everywhere',
  },
  {
    name: 'DNS of the system',
    isOpen: (signal) => resolves(null, signal),
    open: 'public names resolve: they carry data out to whoever owns their zone',
    todo: 'give the sandbox no resolver; the proxy resolves for it',
  },
  {
    name: 'metadata address',
    isOpen: async (signal) => (await Promise.all(METADATA.map((host) => answersTcp(host, 80, signal)))).includes(true),
    open: `${METADATA[0]} can be reached, which gives credentials of the machine`,
    todo: 'drop what goes to 169.254.0.0/16 and fd00:ec2::254',
  },
];

/** Tries each way that does not lead through the proxy; silence for two seconds counts as closed. */
export const waysAround = (): readonly Promise<Result>[] =>
  WAYS.map(async ({ name, isOpen, open, todo }) =>
    (await within(NETWORK_MS, isOpen)) === true ? problem(name, open, todo) : ok(name, 'closed'),
  );

function answersTcp(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // A refusal came from the other end too, but from a way that leads to nothing.
    socket.on('error', () => resolve(false));
  });
}

/** A server of QUIC answers a version that it does not know with those that it knows, if the packet has 1,200 bytes (RFC 9000, 6.1 and 14.1). */
function answersQuic(host: string, signal: AbortSignal): Promise<boolean> {
  const packet = Buffer.alloc(1_200);
  // Long header; a version that is reserved for this (15); two connection identifiers of 8 bytes.
  packet.set([0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, ...randomBytes(8), 8, ...randomBytes(8)]);
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4', signal });
    socket.on('message', () => resolve(true));
    socket.on('error', () => resolve(false));
    // With a callback its failure would go there, in the place of nothing.
    socket.on('connect', () => socket.send(packet));
    socket.connect(443, host);
  });
}

/** Any answer about a name that nobody has came from outside, also that there is no such name. */
async function resolves(servers: readonly string[] | null, signal: AbortSignal): Promise<boolean> {
  const resolver = new Resolver({ timeout: NETWORK_MS, tries: 1 });
  if (servers !== null) resolver.setServers(servers);
  signal.addEventListener('abort', () => resolver.cancel());
  try {
    await resolver.resolve4(`${randomBytes(8).toString('hex')}.example.com`);
    return true;
  } catch (error) {
    return ['ENOTFOUND', 'ENODATA'].includes(errorCode(error));
  }
}
