import { LIMIT_NAMES, type LimitName, limitText } from '../policy/limits-text.ts';
import type { LimitsSpec, RateSpec } from '../policy/model.ts';

/** What became of one limit of a rule. `other`: more at once but less over time, or the other way round. */
export interface LimitChange {
  readonly kind: 'looser' | 'tighter' | 'other';
  /** `limits.requests 600/min, was 60/min`. */
  readonly text: string;
}

/** How the limits of a rule changed; one that is not there is the loosest. */
export const limitChanges = (was: LimitsSpec | null, is: LimitsSpec | null): readonly LimitChange[] =>
  LIMIT_NAMES.flatMap((name) => {
    const kind = kindOf(was, is, name);
    if (kind === 'same') return [];
    return [{ kind, text: `limits.${name} ${limitText(is, name) ?? 'none'}, was ${limitText(was, name) ?? 'none'}` }];
  });

type Kind = LimitChange['kind'] | 'same';

function kindOf(was: LimitsSpec | null, is: LimitsSpec | null, name: LimitName): Kind {
  switch (name) {
    case 'requests':
      return rateKind(was?.requests, is?.requests);
    case 'bytes_out':
      return rateKind(was?.bytesOut, is?.bytesOut);
    case 'concurrency':
      return numberKind(was?.concurrency, is?.concurrency);
    case 'body':
      return numberKind(was?.bodyBytesMax, is?.bodyBytesMax);
  }
}

type Rate = RateSpec | null | undefined;

function rateKind(was: Rate, is: Rate): Kind {
  const atOnce = numberKind(was?.amount, is?.amount);
  const overTime = numberKind(perMs(was), perMs(is));
  if (atOnce === overTime || overTime === 'same') return atOnce;
  return atOnce === 'same' ? overTime : 'other';
}

const perMs = (rate: Rate): number | undefined => (rate ? rate.amount / rate.windowMs : undefined);

function numberKind(was: number | null | undefined, is: number | null | undefined): Kind {
  const before = was ?? Number.POSITIVE_INFINITY;
  const after = is ?? Number.POSITIVE_INFINITY;
  if (before === after) return 'same';
  return after > before ? 'looser' : 'tighter';
}
