import { hostFromRequest } from '../address/hostname.ts';
import { ProxyError, toProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { decideTunnel } from '../policy/tunnel.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { readClientHello } from '../tls/client-hello.ts';
import { dial } from '../upstream/dial.ts';
import { remoteAddressOf } from '../upstream/remote-address.ts';
import { wayTo } from '../upstream/way.ts';
import { relayRaw } from '../wire/raw-relay.ts';
import { Wire } from '../wire/wire.ts';
import type { Allowance } from './allowance.ts';
import { denied } from './decide-request.ts';
import { firstBytes } from './first-bytes.ts';
import { protocolDenied } from './intercept.ts';
import { judgeHeld, policyAgain } from './judge-again.ts';
import {
  clientLeft,
  credentialsFor,
  destinationOf,
  type OpaqueRun,
  type Opening,
  type TunnelClient,
  type TunnelConnection,
} from './opening.ts';
import type { Passage } from './passage.ts';
import { noteFailure } from './record.ts';
import type { Services } from './services.ts';
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
  const connected = await connect(opening, client, services, record);
  const { upstream } = connected;
  const run = new OpaqueTunnel(opening, passage, client, connected);
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
    await client.greet?.(upstream, opening.ground.settings.limits.tlsMs);
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

interface Connection {
  readonly upstream: Wire;
  /** The parent that it goes through; null: none. */
  readonly parentKey: string | null;
}

async function connect(
  opening: Opening,
  client: TunnelClient,
  { pool, runtime }: Services,
  record: ExchangeRecord,
): Promise<Connection> {
  const { ground, host, port, decision } = opening;
  const way = await wayTo(destinationOf(opening), ground);
  const { limits } = ground.settings;
  const signal = goneSignal(client);
  const parentCredentials = credentialsFor(way, runtime.current);
  const options = { ...limits, ...NO_SESSION, context: ground.upstreamContext, parentCredentials, signal };
  const target = {
    scheme: 'tcp',
    host,
    port,
    shown: host,
    way,
    alpn: [],
    hostMaySpeakFirst: decision.kind === 'raw',
  } as const;
  const { socket, raw } = await pool
    .counted(() => dial(target, options))
    .catch((error: unknown) => {
      throw clientLeft(client.wire) ?? error;
    });
  record.address = remoteAddressOf(socket).address;
  return { upstream: new Wire(socket, raw), parentKey: way.kind === 'parent' ? way.parent.key : null };
}

/** A function of its own: the client keeps what it can see as long as the tunnel, and the parent's credentials shall not be in it. */
function goneSignal(client: TunnelClient): AbortSignal {
  const abort = new AbortController();
  client.onAbort(() => abort.abort());
  return abort.signal;
}

/** Nothing of a host's TLS is ours in an opaque tunnel. */
const NO_SESSION = { session: null, onSession: () => {} };

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
  readonly #parentKey: string | null;

  constructor(opening: Opening, passage: Passage, client: TunnelClient, { upstream, parentKey }: Connection) {
    this.#opening = opening;
    this.#passage = passage;
    this.#client = client;
    this.#upstream = upstream;
    this.#parentKey = parentKey;
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
      const ip = this.#upstream.socket.remoteAddress ?? '';
      return judgeHeld({ ip, parentKey: this.#parentKey }, { host, port, claim: again.claim, policy }, next);
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
