import { readFile } from 'node:fs/promises';
import { errorCode } from '../errors.ts';
import { replaceFile } from './durable-file.ts';
import { readSystemRoots } from './system-roots.ts';

/** For clients whose setting replaces their roots: ca.pem, and the roots of this machine for what is passed through. */
export interface Bundle {
  readonly pem: string;
  /** Where the roots come from; see `SystemRoots`. */
  readonly rootsFrom: string;
}

/** Takes 0.3 ms, most of it reading the roots. */
export function bundleOf(caPem: string): Bundle {
  const roots = readSystemRoots();
  return { pem: caPem + roots.pem, rootsFrom: roots.source };
}

export type BundleOutcome =
  | { readonly kind: 'current' | 'written'; readonly rootsFrom: string }
  | { readonly kind: 'failed'; readonly code: string };

/** Brings bundle.pem up to date with ca.pem and the system's roots. Costs about 2 ms; call it once the listeners are up. */
export async function refreshBundle(file: string, caPem: string): Promise<BundleOutcome> {
  const bundle = bundleOf(caPem);
  const present = await readFile(file, 'utf8').catch(() => null);
  if (present === bundle.pem) return { kind: 'current', rootsFrom: bundle.rootsFrom };
  try {
    await replaceFile(file, bundle.pem, 0o644);
    return { kind: 'written', rootsFrom: bundle.rootsFrom };
  } catch (error) {
    return { kind: 'failed', code: errorCode(error) };
  }
}
