import { hostFromRequest } from '../address/hostname.ts';
import { ProxyError, toProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { decideTunnel } from '../policy/tunnel.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { readClientHello } from '../tls/client-hello.ts';
import { dial } from '../upstream/dial.ts';
import { judgedAddresses } from '../upstream/judge.ts';
import type { Pool } from '../upstream/pool.ts';
import { relayRaw } from '../wire/raw-relay.ts';
import { Wire } from '../wire/wire.ts';
import type { Allowance } from './allowance.ts';
import { denied } from './decide-request.ts';
import { firstBytes } from './first-bytes.ts';
import { protocolDenied } from './intercept.ts';
import { judgeAddress, policyAgain } from './judge-again.ts';
import {
  clientLeft,
  destinationOf,
  type OpaqueRun,
  type Opening,
  type TunnelClient,
  type TunnelConnection,
} from './opening.ts';
import type { Passage } from './passage.ts';
import { noteFailure } from './record.ts';
import { tunnelWithinLimits } from './within-limits.ts';

/**
 *   client ──CONNECT, SOCKS5──▶ dial, 200 ──ClientHello, SNI checked──▶ bytes ──▶ upstream
 * A tunnel whose bytes nobody reads: `passthrough` (only its ClientHello is looked at) or raw TCP that `subnets.allow` holds. No credential
 * ever enters it. Throws what refuses it before the 200; afterwards resolves `over`.
 */
export async function openOpaque(
  opening: Opening,
  client: TunnelClient,
  passage: Passage,
  connection: TunnelConnection,
  record: ExchangeRecord,
): Promise<'over'> {
  noteDecision(opening, record);
  const { decision, sandbox } = opening;
  const rule = decision.kind === 'opaque' ? decision.rule : null;
  const allowance = tunnelWithinLimits(rule, sandbox, connection.services, record);
  try {
    return await runOpaque({ opening, client, passage, connection, record, allowance });
  } finally {
    allowance?.giveBack();
  }
}

/** What a tunnel runs with, from its decision to its end. */
interface Running {
  readonly opening: Opening;
  readonly client: TunnelClient;
  readonly passage: Passage;
  readonly connection: TunnelConnection;
  readonly record: ExchangeRecord;
  readonly allowance: Allowance | null;
}

async function runOpaque({ opening, client, passage, connection, record, allowance }: Running): Promise<'over'> {
  const { services } = connection;
  const upstream = await connect(opening, client, services.pool, record);
  const run = new OpaqueTunnel(opening, passage, client, upstream);
  const refused = clientLeft(client.wire) ?? judgedSince(opening, run, services.runtime.current);
  if (refused !== null) {
    upstream.destroy();
    throw refused;
  }
  connection.runs(run);
  services.observer.tunnelOpened();
  try {
    if (!opening.opened) client.sendOpen();
    record.status = 200;
    if (opening.decision.kind === 'opaque') await checkHello(client.wire, opening);
    const end = await relayRaw(client.wire, upstream, {
      idleMs: opening.ground.settings.limits.tunnelIdleMs,
      onBytesOut: (count) => {
        const over = allowance?.spend(count, 'relay') ?? null;
        if (over !== null) return run.cut(over);
        record.bytesOut += count;
      },
      onBytesIn: (count) => {
        record.bytesIn += count;
      },
    });
    if (run.error !== null) throw run.error;
    if (end === 'idle')
      throw new ProxyError('IDLE_TIMEOUT', {
        stage: 'relay',
        side: 'proxy',
        reason: 'the tunnel was idle for too long',
      });
  } catch (thrown) {
    noteFailure(record, run.error ?? toProxyError(thrown, 'relay'));
    client.wire.destroy();
    upstream.destroy();
  }
  connection.runs(null);
  services.observer.tunnelClosed();
  services.observer.concluded(record);
  return 'over';
}

function noteDecision({ decision }: Opening, record: ExchangeRecord): void {
  if (decision.kind === 'opaque') {
    record.rule = decision.rule?.label ?? null;
    record.decision = decision.effect;
  } else {
    record.decision = 'allow';
  }
}

async function connect(opening: Opening, client: TunnelClient, pool: Pool, record: ExchangeRecord): Promise<Wire> {
  const { ground, host, port } = opening;
  const addresses = await judgedAddresses(destinationOf(opening), ground.resolver, ground.addresses);
  const { limits } = ground.settings;
  const abort = new AbortController();
  client.onAbort(() => abort.abort());
  const { signal } = abort;
  const options = { ...limits, context: ground.upstreamContext, session: null, onSession: () => {}, signal };
  const dialling = pool.counted(() => dial({ scheme: 'tcp', host, port, addresses }, options));
  const { socket } = await dialling.catch((error: unknown) => {
    throw clientLeft(client.wire) ?? error;
  });
  record.address = `${socket.remoteFamily === 'IPv6' ? `[${socket.remoteAddress}]` : socket.remoteAddress}:${port}`;
  return new Wire(socket);
}

/** A swap while the tunnel was decided and dialled found nothing open to judge. */
const judgedSince = ({ ground }: Opening, run: OpaqueRun, current: Snapshot): ProxyError | null =>
  ground.generation === current.generation ? null : run.judge(current);

/** A passthrough tunnel takes a ClientHello whose SNI is the authority and nothing else, so that a name of the list cannot front another. */
async function checkHello(wire: Wire, opening: Opening): Promise<void> {
  const reading = await firstBytes(wire, opening.ground.settings.limits.clientHeadMs, (bytes) => {
    const seen = readClientHello(bytes);
    return seen.kind === 'need-more' ? null : seen;
  });
  if (reading === null) throw protocolDenied('no ClientHello came');
  if (reading.kind === 'refused')
    throw protocolDenied(`the tunnel does not begin with a valid ClientHello (${reading.why})`);
  const named = reading.sni === null ? null : hostFromRequest(reading.sni);
  if (named === null || !named.ok || named.host !== opening.host)
    throw protocolDenied('the SNI is not the CONNECT authority');
}

/** An opaque tunnel that is open: it survives a reload only where the new generation would open it again, opaque. */
class OpaqueTunnel implements OpaqueRun {
  error: ProxyError | null = null;
  readonly #opening: Opening;
  readonly #passage: Passage;
  readonly #client: TunnelClient;
  readonly #upstream: Wire;

  constructor(opening: Opening, passage: Passage, client: TunnelClient, upstream: Wire) {
    this.#opening = opening;
    this.#passage = passage;
    this.#client = client;
    this.#upstream = upstream;
  }

  judge(next: Snapshot): ProxyError | null {
    const { host, port, sandbox, decision } = this.#opening;
    try {
      const policy = policyAgain(this.#passage, next, sandbox);
      const again = decideTunnel(policy, host, port, this.#client.kind);
      if (again.kind === 'deny') return denied(again);
      if (again.kind === 'named-inside' || again.kind !== decision.kind) {
        const reason = 'the policy would not leave this tunnel unread any more';
        return new ProxyError('RULE_DENIED', { stage: 'tunnel', side: 'client', reason });
      }
      return judgeAddress(this.#upstream.socket.remoteAddress ?? '', port, again.claim, policy, next);
    } catch (thrown) {
      return toProxyError(thrown, 'tunnel');
    }
  }

  /** Whether anything would be lost cannot be seen from outside. */
  drain(): void {}

  cut(error: ProxyError): void {
    this.error ??= error;
    this.#client.wire.destroy();
    this.#upstream.destroy();
  }
}
