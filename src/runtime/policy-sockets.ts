import { type ListenAddress, parseListenAddress } from '../address/listen-address.ts';
import type { GovernedByName } from './in-force.ts';
import type { Settings } from './settings.ts';

/**
 * The Unix sockets that the policies in force name in `match` and `listen` does not have: they come and go with their policies
 * (SEMANTICS.md 10). A policy that went away keeps its claim on its clients, to deny them, but not its socket.
 */
export function policyListeners(governed: GovernedByName, { listen }: Settings): readonly ListenAddress[] {
  const fixed = new Set([...listen.proxy, ...listen.transparent.map(({ address }) => address)].map(({ text }) => text));
  const wanted = new Map<string, ListenAddress>();
  for (const { spec, state } of governed.values()) {
    if (state === 'gone') continue;
    for (const { listener } of spec.match ?? []) {
      const reading = listener === null ? null : parseListenAddress(listener);
      if (reading?.ok !== true || reading.address.kind !== 'unix' || fixed.has(reading.address.text)) continue;
      wanted.set(reading.address.text, reading.address);
    }
  }
  return [...wanted.values()];
}
