import type { Template } from '../model.ts';

/** What a secret may be called, and so what may stand between `${` and `}`. */
export const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

export type TemplateReading =
  | { readonly ok: true; readonly template: Template; readonly secrets: readonly string[] }
  /** `why` is a predicate and never repeats the text, which may be a secret that was pasted in. */
  | { readonly ok: false; readonly why: string };

/** What the literal parts of a value may hold, by where the value goes. */
export type TemplateUse = 'field' | 'cookie' | 'query' | 'credentials' | 'placeholder';

const LITERAL_BY_USE: Readonly<Record<TemplateUse, { readonly taken: RegExp; readonly why: string }>> = {
  // RFC 9110 section 5.5; other bytes are read as latin1 by some and as UTF-8 by others.
  field: { taken: /^[\x20-\x7e]*$/, why: 'has characters that a field value cannot have; use printable ASCII' },
  // RFC 6265 section 4.1.1, cookie-octet.
  cookie: { taken: /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/, why: 'has characters that a cookie cannot have' },
  query: { taken: /^[^\x00-\x1f\x7f]*$/, why: 'has control characters' },
  credentials: { taken: /^[^\x00-\x1f\x7f]*$/, why: 'has control characters' },
  placeholder: { taken: /^[\x20-\x7e]*$/, why: 'has characters that not every place can have; use printable ASCII' },
};

/**
 * Reads a value with secrets in it (SEMANTICS.md 6): `${name}` is a secret, `$$` a dollar, everything else stands for itself.
 * A dollar alone is refused: it is more often a typing mistake than a dollar.
 */
export function parseTemplate(text: string, use: TemplateUse): TemplateReading {
  const pieces: (string | { readonly secret: string })[] = [];
  const secrets: string[] = [];
  let literal = '';
  let index = 0;
  while (index < text.length) {
    const dollar = text.indexOf('$', index);
    if (dollar === -1) break;
    literal += text.slice(index, dollar);
    if (text[dollar + 1] === '$') {
      literal += '$';
      index = dollar + 2;
      continue;
    }
    const reference = /^\$\{([^}]*)\}/.exec(text.slice(dollar, dollar + 128));
    if (reference === null) return { ok: false, why: whyBadDollar(text, dollar) };
    const name = reference[1] ?? '';
    if (!SECRET_NAME.test(name))
      return { ok: false, why: 'has a "${…}" that is not the name of a secret; write e.g. "${github}"' };
    if (literal !== '') pieces.push(literal);
    literal = '';
    pieces.push({ secret: name });
    secrets.push(name);
    index = dollar + reference[0].length;
  }
  literal += text.slice(index);
  if (literal !== '') pieces.push(literal);
  const allowed = LITERAL_BY_USE[use];
  for (const piece of pieces)
    if (typeof piece === 'string' && !allowed.taken.test(piece)) return { ok: false, why: allowed.why };
  return { ok: true, template: pieces, secrets };
}

function whyBadDollar(text: string, dollar: number): string {
  if (text[dollar + 1] === '{') return 'has a "${" without its "}"; write e.g. "${github}"';
  if (dollar === text.length - 1 && dollar === 0) {
    return 'is a lone "$"; inside braces a value with ${…} needs quotes, e.g. { name: x-api-key, value: "${key}" }';
  }
  return 'has a "$" that is neither "${name}" nor "$$"; write "$$" for a dollar';
}
