import { describe, expect, it } from 'vitest';
import { type Ip, parseIp } from '../../../src/address/ip.ts';
import { HostResolver } from '../../../src/upstream/resolver.ts';
import { closeOpened } from '../../support/closing.ts';
import { startDns } from '../../support/dns.ts';

closeOpened();

const ip = (text: string): Ip => {
  const parsed = parseIp(text);
  if (parsed === null) throw new TypeError(text);
  return parsed;
};
const texts = (ips: readonly Ip[]): readonly string[] => ips.map(({ text }) => text);

describe('a resolver', () => {
  it('answers fixed hosts and localhost at once, without asking anybody', () => {
    const hosts = new Map([['api.test', [ip('10.0.0.1'), ip('10.0.0.2')]]]);
    const resolver = new HostResolver({ servers: ['127.0.0.1:9'], hosts, cacheMs: 1_000, timeoutMs: 100 });
    const answers = ['api.test', 'localhost', 'a.localhost'].map((host) => resolver.resolve(host));
    expect(answers.map((answer) => (answer instanceof Promise ? 'promise' : texts(answer)))).toEqual([
      ['10.0.0.1', '10.0.0.2'],
      ['127.0.0.1', '::1'],
      ['127.0.0.1', '::1'],
    ]);
  });

  it('asks once for equal questions at one time, and keeps the answer for cacheMs', async () => {
    const dns = await startDns({ 'a.test': ['192.0.2.1', '2001:db8::1'] });
    const resolver = new HostResolver({
      servers: [`127.0.0.1:${dns.port}`],
      hosts: new Map(),
      cacheMs: 60_000,
      timeoutMs: 1_000,
    });
    const [one, two] = await Promise.all([resolver.resolve('a.test'), resolver.resolve('a.test')]);
    expect([texts(one), two]).toEqual([['2001:db8::1', '192.0.2.1'], one]);
    expect(resolver.resolve('a.test')).toBe(one);
    expect([...dns.questions].sort()).toEqual(['A a.test', 'AAAA a.test']);
  });

  it('does not keep failures, which are DNS_FAILED', async () => {
    const dns = await startDns({});
    const resolver = new HostResolver({
      servers: [`127.0.0.1:${dns.port}`],
      hosts: new Map(),
      cacheMs: 60_000,
      timeoutMs: 1_000,
    });
    await expect(resolver.resolve('a.test')).rejects.toMatchObject({
      code: 'DNS_FAILED',
      message: 'a.test could not be resolved',
    });
    dns.zone['a.test'] = ['192.0.2.1'];
    expect(texts(await resolver.resolve('a.test'))).toEqual(['192.0.2.1']);
  });

  it('keeps no more of an answer, and of all answers, than a bound, however many addresses a server makes up', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => `192.0.${index >> 8}.${index & 0xff}`);
    const dns = await startDns(Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`${index}.test`, many])));
    const servers = [`127.0.0.1:${dns.port}`];
    const resolver = new HostResolver({ servers, hosts: new Map(), cacheMs: 60_000, timeoutMs: 1_000 });
    expect(texts(await resolver.resolve('0.test'))).toEqual(many.slice(0, 128));
    for (let index = 1; index < 300; index++) await resolver.resolve(`${index}.test`);
    // 256 of them fit.
    expect(resolver.known('43.test')).toBeNull();
    expect(resolver.known('44.test')).toHaveLength(128);
    expect(resolver.known('299.test')).toHaveLength(128);
  });
});
