import type { LoadResult } from '../harness/load.ts';
import { median } from '../harness/statistics.ts';

/** The loads that every peer meets, one that only those who mint leaves do, and those for peers that speak HTTP/2. */
export type LoadName = H1LoadName | H2LoadName;
type H1LoadName = 'small' | 'medium' | 'bulk' | 'connections' | 'hosts';
/** By HTTP/2. `h2One` has all its streams on one connection. */
type H2LoadName = 'h2Small' | 'h2One' | 'h2Medium' | 'h2Bulk';

/** One load on one peer. Figures of one repeat were measured one after the other and are compared with each other only. */
export interface LoadMeasurement {
  readonly load: LoadName;
  readonly peer: string;
  readonly repeat: number;
  readonly result: LoadResult;
}

/** What is read off a load's result. */
export type Figure = (result: LoadResult) => number;

export const perSecond: Figure = ({ ok, seconds }) => ok / seconds;
export const cpuMicroseconds: Figure = ({ cpuSeconds, ok }) => (cpuSeconds * 1e6) / ok;
export const cpuMillisecondsPerMegabyte: Figure = ({ cpuSeconds, megabytes }) => (cpuSeconds * 1e3) / megabytes;
export const megabytesPerSecond: Figure = ({ megabytes, seconds }) => megabytes / seconds;
export const p50: Figure = ({ p50Us }) => p50Us;
export const p99: Figure = ({ p99Us }) => p99Us;

/** All loads of a run, and questions to them; each answer is undefined where it was not measured. */
export class LoadMeasurements {
  readonly all: LoadMeasurement[] = [];

  #of(load: LoadName, peer: string): readonly LoadMeasurement[] {
    return this.all.filter((each) => each.load === load && each.peer === peer);
  }

  /** The median over the repeats. */
  figure(load: LoadName, peer: string, figure: Figure): number | undefined {
    return defined(median(this.#of(load, peer).map(({ result }) => figure(result))));
  }

  /** The median over the repeats of peer ÷ other within the same repeat. */
  ratio(load: LoadName, peer: string, other: string, figure: Figure): number | undefined {
    const others = this.#of(load, other);
    const ratios = this.#of(load, peer).flatMap(({ repeat, result }) => {
      const beside = others.find((each) => each.repeat === repeat);
      return beside === undefined ? [] : [figure(result) / figure(beside.result)];
    });
    return defined(median(ratios));
  }

  /** Loads that had failures in them, in words. */
  failures(): readonly string[] {
    return this.all.flatMap(({ load, peer, result }) => {
      const failed = result.errors + result.otherStatus;
      if (failed === 0) return [];
      const why = result.lastFailure || `status ${result.lastStatus}`;
      return [`${peer} ${load}: ${failed} of ${result.ok + failed} failed (${why})`];
    });
  }
}

function defined(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}
