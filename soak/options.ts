import { parseArgs } from 'node:util';
import { kinds as allKinds } from './kinds/all.ts';
import type { Kind } from './kinds/kind.ts';

export interface Options {
  readonly minutes: number;
  readonly cycleSeconds: number;
  readonly seed: number;
  readonly kinds: readonly Kind[];
  readonly calm: boolean;
}

export const usage = `npm run soak -- [options]
  --minutes N         how long (3)
  --cycle-seconds S   traffic between two quiet states (a sixth of the time, 5 to 60)
  --seed N            the mix of traffic; printed at the start, so that a run can be repeated
  --kinds a,b         only these: ${allKinds.map(({ name }) => name).join(' ')}
  --calm              no reloads, rotations or scrapes beside the traffic
`;

/** Reads the command line. Throws with a message for the user where it cannot. */
export function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: 'string', default: '3' },
      'cycle-seconds': { type: 'string' },
      seed: { type: 'string' },
      kinds: { type: 'string' },
      calm: { type: 'boolean', default: false },
    },
  });
  const minutes = positive(values.minutes);
  const cycleSeconds = Math.min(60, Math.max(5, minutes * 10));
  return {
    minutes,
    cycleSeconds: values['cycle-seconds'] === undefined ? cycleSeconds : positive(values['cycle-seconds']),
    seed: values.seed === undefined ? Date.now() % 1_000_000 : Math.floor(positive(values.seed)),
    kinds: chosen(values.kinds),
    calm: values.calm,
  };
}

function chosen(list: string | undefined): readonly Kind[] {
  if (list === undefined) return allKinds;
  return list.split(',').map((name) => {
    const kind = allKinds.find((one) => one.name === name);
    if (kind === undefined) throw new Error(`no kind is called ${name}`);
    return kind;
  });
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${text} is not a positive number`);
  return value;
}
