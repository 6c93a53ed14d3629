import { hyphened } from '../../headers/field-list.ts';
import { below, quote, type Site } from '../finding.ts';
import type { InjectionSpec } from '../model.ts';
import { EntryReader, type Found, type SecretUse } from './injection-entry.ts';
import type { SurfaceUse, TokenUse } from './read-placeholders.ts';
import type { RawInjection } from './schema.ts';

export interface InjectionsReading {
  readonly inject: readonly InjectionSpec[];
  readonly secrets: readonly SecretUse[];
  readonly tokens: readonly TokenUse[];
  readonly placeholders: readonly SurfaceUse[];
}

const NOTHING: InjectionsReading = { inject: [], secrets: [], tokens: [], placeholders: [] };

/** Reads `inject` of a rule and reports what is wrong with it. */
export function readInjections(raw: readonly RawInjection[] | undefined, site: Site): InjectionsReading {
  if (raw === undefined) return NOTHING;
  const inject: InjectionSpec[] = [];
  const found: Found = { secrets: [], tokens: [], placeholders: [] };
  const filled = new Map<string, number>();
  for (const [index, entry] of raw.entries()) {
    const reader = new EntryReader(below(site, index), found);
    const injection = reader.read(entry);
    if (injection === null) continue;
    inject.push(injection);
    const target = targetOf(injection);
    const earlier = [target.key, ...target.alsoFilledBy].flatMap((key) => filled.get(key) ?? [])[0];
    if (earlier === undefined) {
      filled.set(target.key, index);
      // A cookie is part of one field, so it excludes the whole field and not the other cookies.
      if (injection.kind === 'cookie') filled.set('any cookie', index);
    } else {
      reader.refuse(
        injection.kind,
        `puts a second value into ${target.shown}, which inject[${earlier}] fills; keep one of them`,
      );
    }
  }
  return { inject, ...found };
}

interface Target {
  readonly key: string;
  readonly alsoFilledBy: readonly string[];
  readonly shown: string;
}

/** What an injection fills, so that no other of the rule may: a field (`_` read as `-`), a query parameter or a cookie. */
function targetOf(injection: InjectionSpec): Target {
  switch (injection.kind) {
    case 'bearer':
    case 'basic':
      return { key: 'field authorization', alsoFilledBy: [], shown: 'the field "authorization"' };
    case 'header': {
      const lower = injection.name.toLowerCase();
      const alsoFilledBy = lower === 'cookie' ? ['any cookie'] : [];
      return { key: `field ${hyphened(lower)}`, alsoFilledBy, shown: `the field ${quote(lower)}` };
    }
    case 'query':
      return { key: `query ${injection.name}`, alsoFilledBy: [], shown: `the parameter ${quote(injection.name)}` };
    case 'cookie':
      return {
        key: `cookie ${injection.name}`,
        alsoFilledBy: ['field cookie'],
        shown: `the cookie ${quote(injection.name)}`,
      };
    case 'placeholder':
      return { key: `token ${injection.token}`, alsoFilledBy: [], shown: 'the same token' };
  }
}
