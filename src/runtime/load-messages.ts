import type { RuleSpec } from '../policy/model.ts';
import type { FilesReading, ReadRequest } from './read-files.ts';

/**
 * What the main thread and the loading thread say to each other: one question, one answer. A reading comes without the rules of large
 * files; they follow in slices, each asked for, so that taking over 100,000 rules never holds the main thread for long.
 */
export type LoadQuestion = { readonly kind: 'read'; readonly request: ReadRequest } | { readonly kind: 'more-rules' };

export type LoadAnswer =
  /** `slices` is how often the rest of the rules must be asked for. */
  | { readonly kind: 'reading'; readonly reading: FilesReading; readonly slices: number }
  | { readonly kind: 'rules'; readonly file: string; readonly rules: readonly RuleSpec[] }
  | { readonly kind: 'failed'; readonly code: string };
