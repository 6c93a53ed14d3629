import { createSocket } from 'node:dgram';
import { answerTo, readQuestion } from '../../test/support/dns-message.ts';

/** The resolver of the run: every name under `origin.test` is on loopback, but those that are meant to fail. */
export async function startNames(): Promise<{ readonly port: number; close(): void }> {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  socket.on('message', (query, peer) => {
    const { name, type, end } = readQuestion(query);
    socket.send(answerTo(query.subarray(0, end), addressesOf(name), type), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port, close: () => void socket.close() };
}

function addressesOf(name: string): readonly string[] | undefined {
  if (name.startsWith('unknown') || !`.${name}`.endsWith('.origin.test')) return undefined;
  return name.startsWith('private') ? ['10.20.30.40'] : ['127.0.0.1'];
}
