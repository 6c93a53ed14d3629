import { parentPort, workerData } from 'node:worker_threads';
import { Campaign, type Progress } from './campaign.ts';
import { readCorpus, writeCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import type { Failure } from './failure.ts';
import { Note } from './note.ts';
import { loadTarget } from './targets.ts';

/** What one thread is told. */
export interface Order {
  /** The file of the target. */
  readonly url: string;
  readonly corpusFolder: string;
  /** Write the shortest corpus back when the run is over. */
  readonly keep: boolean;
  readonly seed: number;
  readonly inputsMax: number;
  readonly timeMs: number;
  /** Where the input that is being tried stands, for whoever watches. */
  readonly note: SharedArrayBuffer;
}

/** What it tells. */
export type Report =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'failure'; readonly failure: Failure; readonly inputs: number }
  | { readonly kind: 'done'; readonly progress: Progress; readonly elapsedMs: number };

const SOURCES = new URL('../src/', import.meta.url).href;
const PROGRESS_MS = 500;
/** Readers that throw what they refuse spend most of their time on stacks, of which only the top tells findings apart. */
const STACK_FRAMES = 4;

/** Runs one target in this thread to the end of its time. It never yields: what it says is read by the thread that started it. */
async function work(order: Order, tell: (report: Report) => void): Promise<void> {
  Error.stackTraceLimit = STACK_FRAMES;
  const target = await loadTarget(order.url);
  const note = new Note(order.note);
  const coverage = new Coverage((url) => url.startsWith(SOURCES) || url === order.url);
  const startedMs = performance.now();
  let toldMs = 0;
  const campaign = new Campaign({
    target,
    corpus: readCorpus(order.corpusFolder),
    coverage,
    seed: order.seed,
    inputsMax: order.inputsMax,
    untilMs: startedMs + order.timeMs,
    onInput: (input) => note.write(input),
    onFailure: (failure, inputs) => tell({ kind: 'failure', failure, inputs }),
    onProgress: (progress) => {
      if (performance.now() - toldMs < PROGRESS_MS) return;
      toldMs = performance.now();
      tell({ kind: 'progress', progress });
    },
  });
  campaign.run();
  const { progress } = campaign;
  const elapsedMs = performance.now() - startedMs;
  if (order.keep) writeCorpus(order.corpusFolder, campaign.minimalCorpus());
  coverage.close();
  tell({ kind: 'done', progress, elapsedMs });
}

const port = parentPort;
// `workerData` is whatever the starting thread gave: an `Order`, by `runTarget`.
if (port !== null) {
  await work(workerData as Order, (report) => port.postMessage(report));
}
