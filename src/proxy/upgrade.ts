import assert from 'node:assert';
import { createHash } from 'node:crypto';
import { ProxyError } from '../errors.ts';
import { firstValue, hasToken } from '../headers/field-list.ts';
import { responseHeadText } from '../http1/write.ts';
import { relayRaw } from '../wire/raw-relay.ts';
import type { Answer } from './dispatch.ts';
import type { Flight } from './flight.ts';
import type { Outgoing } from './inject-into.ts';
import { shownHead } from './mask-answer.ts';
import type { Services } from './services.ts';

/** RFC 6455 section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * An answer 101. Only a server that read the handshake as one can have made its Sec-WebSocket-Accept; with any other, what follows could
 * be requests that nobody judges. After it the bytes pass unread in both directions, half-closes included.
 */
export async function upgrade(answer: Answer, outgoing: Outgoing, services: Services, flight: Flight): Promise<void> {
  const { upstream, response } = answer;
  const { client, record } = flight;
  const { head } = response;
  // HTTP/2 has no such answer; its reader has refused it.
  assert(upstream.protocol === 'h1');
  const key = outgoing.received.websocketKey;
  if (key === null || !isAccepted(answer, key)) {
    const reason =
      key === null
        ? 'the host switched protocols without being asked'
        : 'the host did not accept the WebSocket handshake';
    throw new ProxyError('RESPONSE_INVALID', { stage: 'relay', side: 'upstream', reason });
  }
  const wire = client.takeOver();
  if (wire === null) throw new ProxyError('PROTOCOL_DENIED', { stage: 'relay', side: 'client' });
  record.protocol = 'ws';
  record.status = 101;
  flight.upgraded = true;
  // One write, so one TLS record: clients exist that cannot read a 101 in pieces.
  const framing = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  const { reason, fields } = shownHead(head, outgoing.needles, flight);
  wire.writeText(responseHeadText(101, reason, fields, framing));
  services.observer.tunnelOpened();
  // A client that does not read would hold what was written to it, and with it the connection.
  flight.whenCut(() => wire.destroy());
  const end = await relayRaw(wire, upstream.wire, {
    idleMs: services.runtime.current.settings.limits.tunnelIdleMs,
    onBytesOut: (count) => {
      if (!flight.spend(count, 'other')) return;
      record.bytesOut += count;
    },
    onBytesIn: (count) => {
      record.bytesIn += count;
    },
  });
  services.observer.tunnelClosed();
  flight.check();
  if (end === 'idle')
    throw new ProxyError('IDLE_TIMEOUT', {
      stage: 'relay',
      side: 'proxy',
      reason: 'the WebSocket was idle for too long',
    });
}

function isAccepted(answer: Answer, key: string): boolean {
  const { fields } = answer.response.head;
  const expected = createHash('sha1')
    .update(key + WEBSOCKET_GUID)
    .digest('base64');
  const accepts = fields.filter((each) => each.lower === 'sec-websocket-accept');
  return (
    accepts.length === 1 &&
    accepts[0]?.value === expected &&
    firstValue(fields, 'upgrade')?.toLowerCase() === 'websocket' &&
    hasToken(fields, 'connection', 'upgrade')
  );
}
