import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { errorCode } from '../errors.ts';
import type { RuleSpec } from '../policy/model.ts';
import type { LoadAnswer, LoadQuestion } from './load-messages.ts';
import { type FilesReading, type PolicyReading, readFiles } from './read-files.ts';

/** Rules that go over at once: about 2 ms of the main thread. */
const SLICE_RULES = 500;

/**
 * Nice value of the thread (setpriority(2) takes a thread's id on Linux). Where it shares one saturated core with requests, 1,000 rules are in
 * force after 265 ms and p99 is 11 ms; as an equal 222 ms and 14 ms, with 10 it is 963 ms and 7 ms (`npm run bench -- --quick --rounds reloads`).
 */
const NICE = 2;

function giveWayToRequests(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);
  } catch {
    // Elsewhere, or without /proc, it runs as an equal.
  }
}

/** The thread that reads, parses and validates. It answers questions of `FileLoader`, one at a time, and holds nothing in between. */
function main(): void {
  const port = parentPort;
  if (port === null) return;
  giveWayToRequests();
  let slices: Slice[] = [];

  const answer = (question: LoadQuestion): LoadAnswer => {
    if (question.kind === 'read') {
      const reading = readFiles(question.request);
      slices = reading.policies.flatMap(slicesOf);
      return { kind: 'reading', reading: withoutSliced(reading), slices: slices.length };
    }
    const slice = slices.shift();
    return slice === undefined ? { kind: 'failed', code: 'NO_MORE_RULES' } : { kind: 'rules', ...slice };
  };

  port.on('message', (question: LoadQuestion) => {
    try {
      port.postMessage(answer(question));
    } catch (error) {
      port.postMessage({ kind: 'failed', code: errorCode(error) } satisfies LoadAnswer);
    }
  });
}

interface Slice {
  readonly file: string;
  readonly rules: readonly RuleSpec[];
}

const isSliced = (policy: PolicyReading): boolean =>
  policy.kind === 'parsed' && policy.spec !== null && policy.spec.rules.length > SLICE_RULES;

function slicesOf(policy: PolicyReading): Slice[] {
  if (!isSliced(policy) || policy.kind === 'known') return [];
  const rules = policy.spec?.rules ?? [];
  const count = Math.ceil(rules.length / SLICE_RULES);
  return Array.from({ length: count }, (_, at) => ({
    file: policy.file,
    rules: rules.slice(at * SLICE_RULES, (at + 1) * SLICE_RULES),
  }));
}

function withoutSliced(reading: FilesReading): FilesReading {
  const bare = (policy: PolicyReading): PolicyReading => {
    if (policy.kind === 'known' || policy.spec === null || !isSliced(policy)) return policy;
    return { ...policy, spec: { ...policy.spec, rules: [] } };
  };
  return { ...reading, policies: reading.policies.map(bare) };
}

main();
