import { cpuMicroseconds, cpuMillisecondsPerMegabyte, perSecond } from '../rounds/measurements.ts';
import { kibibytes, mebibytes, missing, number, ratio } from './format.ts';
import type { Results } from './results.ts';

/** One target: what was measured, and whether that reaches it. Undefined where a peer or a round was missing. */
export interface Verdict {
  readonly target: string;
  readonly measured: string | undefined;
  readonly reached: boolean;
}

const subject = 'postern';
const mebi = 2 ** 20;

/** Every target of the project against what this run measured, in the targets' order. */
export function verdicts(results: Results): readonly Verdict[] {
  return [...loadTargets(results), ...scaleTargets(results), ...memoryTargets(results)];
}

function atMost(target: string, value: number | undefined, most: number, format: (value: number) => string): Verdict {
  return {
    target,
    measured: value === undefined ? undefined : format(value),
    reached: value !== undefined && value <= most,
  };
}

function atLeast(target: string, value: number | undefined, least: number): Verdict {
  return {
    target,
    measured: value === undefined ? undefined : ratio(value),
    reached: value !== undefined && value >= least,
  };
}

function loadTargets({ loads }: Results): readonly Verdict[] {
  const cpu = (load: 'small' | 'medium' | 'connections', other: string) =>
    loads.ratio(load, subject, other, cpuMicroseconds);
  const rate = (load: 'connections' | 'hosts', other: string) => loads.ratio(load, subject, other, perSecond);
  const bulk = loads.ratio('bulk', subject, 'nginx', cpuMillisecondsPerMegabyte);
  return [
    atMost('CPU a request at most 1.6x nginx', cpu('small', 'nginx'), 1.6, ratio),
    atMost('CPU a request at most 0.6x Squid', cpu('small', 'squid'), 0.6, ratio),
    atMost('64 KiB: CPU a request at most 1.0x nginx', cpu('medium', 'nginx'), 1, ratio),
    atMost('bulk: CPU a megabyte at most 1.0x nginx', bulk, 1, ratio),
    atMost('a new connection: CPU at most 1.7x nginx', cpu('connections', 'nginx'), 1.7, ratio),
    atLeast('new connections: at least 5x the rate of Squid', rate('connections', 'squid'), 5),
    atLeast('new hosts: at least 4x the rate of Squid', rate('hosts', 'squid'), 4),
    atLeast('new hosts: ahead of goproxy', rate('hosts', 'goproxy'), 1),
    atLeast('new hosts: ahead of hudsucker', rate('hosts', 'hudsucker'), 1),
  ];
}

function scaleTargets({ rules, reloads }: Results): readonly Verdict[] {
  const many = rules.find((each) => each.rules === 100_000);
  const allReloads = reloads !== undefined && reloads.done >= 1000;
  return [
    atMost('100,000 rules: CPU a request within 5 % of 10', many?.ratio, 1.05, ratio),
    {
      target: '1,000 reloads of 1,000 rules under load: none of the requests fails',
      measured: reloads && `${reloads.failed} failed, ${reloads.done} reloads`,
      reached: allReloads && reloads.failed === 0,
    },
    {
      target: '1,000 reloads of 1,000 rules under load: p99 below 3x',
      measured: reloads && `${ratio(reloads.p99Ratio)}, ${reloads.done} reloads`,
      reached: allReloads && reloads.p99Ratio < 3,
    },
  ];
}

function memoryTargets({ startByPeer, memoryByPeer, instances, closed }: Results): readonly Verdict[] {
  const memory = memoryByPeer.get(subject);
  const mib = (bytes: number) => `${mebibytes(bytes)} MiB`;
  // "Where it was": within a tenth, which is what two readings of one idle process differ by.
  const grown = closed && closed.rssLate / closed.rssEarly;
  const enough = closed !== undefined && closed.late >= 100_000 && closed.failed === 0;
  return [
    atMost(
      'first injected 200 within 300 ms of exec',
      startByPeer.get(subject)?.startMs,
      300,
      (ms) => `${number(ms)} ms`,
    ),
    atMost('idle Pss_Anon below 30 MB', memory?.idle.pssAnon, 30 * mebi, mib),
    atMost('mean PSS of ten instances below 50 MB', instances?.meanPss, 50 * mebi, mib),
    atMost(
      'an idle intercepted connection below 64 KiB',
      memory?.perConnection,
      64 * 1024,
      (bytes) => `${kibibytes(bytes)} KiB`,
    ),
    {
      target: 'RSS after 100,000 closed connections where it was after 1,000',
      measured: closed && `${ratio(grown)}, after ${number(closed.late)}`,
      reached: enough && grown !== undefined && grown <= 1.1,
    },
  ];
}

/** One line a target: reached, missed, or not measured. */
export function targetLines(all: readonly Verdict[]): string {
  const word = ({ measured, reached }: Verdict) =>
    measured === undefined ? 'not measured' : reached ? 'reached' : 'MISSED';
  const lines = all.map(
    (verdict) => `- ${word(verdict).padEnd(12)}  ${verdict.target}: ${verdict.measured ?? missing}`,
  );
  return `### Targets\n\n${lines.join('\n')}\n`;
}
