import type { Postern } from './postern.ts';
import { type PosternOptions, startPostern } from './postern.ts';
import { connectRaw, type RawClient } from './raw-client.ts';
import { loopback } from './scene.ts';

/** The ports of listeners that the log tells of as such. */
export const portsOf = (postern: Postern, kind: 'transparent' | 'dns'): readonly number[] =>
  [...postern.stderr.matchAll(new RegExp(`"listener":"[^"]*:(\\d+)"[^\\n]*"msg":"${kind} listening"`, 'g'))].map(
    ([, port]) => Number(port),
  );

export interface TransparentScene {
  readonly postern: Postern;
  /** A client that was redirected, on its way to that port. */
  redirected(meantPort: number): Promise<RawClient>;
}

/** A Postern with one transparent listener for each port that clients mean. */
export async function startTransparent(
  meantPorts: readonly number[],
  options: PosternOptions,
  limits: Readonly<Record<string, unknown>> = {},
): Promise<TransparentScene> {
  const base = loopback(limits);
  const transparent = meantPorts.map((port) => ({ listen: '127.0.0.1:0', port }));
  const postern = await startPostern({
    ...base,
    ...options,
    settings: { ...base.settings, listen: { proxy: ['127.0.0.1:0'], transparent }, ...options.settings },
    files: { ...base.files, ...options.files },
  });
  const ports = await postern.until(() => {
    const found = portsOf(postern, 'transparent');
    return found.length === meantPorts.length ? found : undefined;
  });
  const portByMeant = new Map(meantPorts.map((meant, index) => [meant, ports[index] ?? 0]));
  return { postern, redirected: (meantPort) => connectRaw(portByMeant.get(meantPort) ?? 0) };
}
