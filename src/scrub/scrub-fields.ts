import type { Field, FieldList } from '../headers/field-list.ts';
import type { Needles } from './needles.ts';
import { scrubText } from './scrub-text.ts';

export interface ScrubbedFields {
  readonly fields: FieldList;
  readonly count: number;
}

/** Masks the secrets in names and values of fields. The same list if there is none. */
export function scrubFields(fields: FieldList, needles: Needles): ScrubbedFields {
  // All in one text: a dozen short ones would each cost what this one does.
  if (scrubText(joined(fields), needles).count === 0) return { fields, count: 0 };
  let count = 0;
  const scrubbed = fields.map((each): Field => {
    const name = scrubText(each.name, needles);
    const value = scrubText(each.value, needles);
    count += name.count + value.count;
    if (name.count + value.count === 0) return each;
    return { name: name.text, lower: name.text.toLowerCase(), value: value.text };
  });
  return { fields: count === 0 ? fields : scrubbed, count };
}

/** No form of a secret has a line break in it. */
function joined(fields: FieldList): string {
  let text = '';
  for (const { name, value } of fields) text += `${name}\n${value}\n`;
  return text;
}
