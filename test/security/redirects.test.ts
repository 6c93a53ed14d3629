import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, getInside, refusalOf } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { type OriginConnection, startOrigin } from '../support/origin.ts';
import { SECRET, seenBy, startScene } from '../support/scene.ts';

closeOpened();

let answer = '';

const scene = shared(
  async () => {
    const trap = await startOrigin();
    const onConnection = (connection: OriginConnection): void => {
      connection.socket.on('data', () => connection.socket.write(answer, 'latin1'));
    };
    return { trap, ...(await startScene({ origin: { onConnection } })) };
  },
  ({ postern }) => expectUnharmed(postern),
);

/** `TRAP` is an address of the attacker's that listens. */
const REDIRECTS: readonly (readonly [attack: string, status: string, fields: string])[] = [
  ['301 to another host', '301 Moved', 'Location: http://TRAP/'],
  ['302 to another host', '302 Found', 'Location: http://TRAP/'],
  ['303 to another host', '303 See Other', 'Location: http://TRAP/'],
  ['307, which repeats the method and the body', '307 Temporary', 'Location: http://TRAP/'],
  ['308, which repeats the method and the body', '308 Permanent', 'Location: http://TRAP/'],
  ['300 with a choice', '300 Multiple Choices', 'Location: http://TRAP/'],
  ['305 to a proxy', '305 Use Proxy', 'Location: http://TRAP/'],
  ['a redirect to metadata', '302 Found', 'Location: http://169.254.169.254/latest/meta-data/'],
  ['a redirect to a socket', '302 Found', 'Location: unix:/var/run/docker.sock'],
  ['a redirect to a file', '302 Found', 'Location: file:///proc/self/environ'],
  ['a redirect without a scheme', '302 Found', 'Location: //TRAP/'],
  ['a refresh', '200 OK', 'Refresh: 0; url=http://TRAP/'],
  ['a link to preload', '200 OK', 'Link: <http://TRAP/>; rel=preload'],
  ['a content location', '200 OK', 'Content-Location: http://TRAP/'],
];

describe('an origin that answers', () => {
  it.each(REDIRECTS)('%s has it relayed, not followed: no credential goes there', async (_attack, status, fields) => {
    const { trap, authority, tunnel } = scene();
    answer = `HTTP/1.1 ${status}\r\n${fields.replace('TRAP', `127.0.0.1:${trap.port}`)}\r\nContent-Length: 0\r\n\r\n`;
    const client = await tunnel();
    client.send(getInside(authority));
    expect(await client.take(/\r\n\r\n$/)).toBe(answer);
    expect(trap.connections).toHaveLength(0);
  });

  it('a redirect that its client follows is judged as any other request', async () => {
    const { trap, postern } = scene();
    for (const authority of [`127.0.0.1:${trap.port}`, `evil.test:${trap.port}`, 'origin.test:80', '169.254.169.254']) {
      const fields = `Authorization: Bearer ${SECRET}\r\n`;
      expect(await refusalOf(postern, getFrom(authority, '/', fields))).toMatch(/^403 (ADDRESS|HOST)_DENIED$/);
    }
    expect(await refusalOf(postern, connectTo(`127.0.0.1:${trap.port}`))).toBe('403 ADDRESS_DENIED');
    expect(seenBy(trap)).toBe('');
  });
});
