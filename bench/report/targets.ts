import { cpuMicroseconds, cpuMillisecondsPerMegabyte, megabytesPerSecond, perSecond } from '../rounds/measurements.ts';
import { kibibytes, missing, number, ratio } from './format.ts';
import type { Results } from './results.ts';

/** `in part`: the figure is right, but smaller sizes were run than the target names. */
type State = 'reached' | 'MISSED' | 'in part' | 'not measured';

/** One target, what was measured, and what that makes of it. */
export interface Verdict {
  readonly target: string;
  readonly measured: string | undefined;
  readonly state: State;
}

const subject = 'postern';
/** The targets say MB, and 64 KiB elsewhere, so a megabyte is meant. */
const mega = 1e6;

/** Every target of the project against what this run measured, in the targets' order. */
export function verdicts(results: Results): readonly Verdict[] {
  return [...loadTargets(results), ...scaleTargets(results), ...memoryTargets(results)];
}

/** `whole` is false where the sizes were smaller than the target's. */
function judge(target: string, measured: string | undefined, good: boolean, whole = true): Verdict {
  const state = measured === undefined ? 'not measured' : !good ? 'MISSED' : whole ? 'reached' : 'in part';
  return { target, measured, state };
}

function atMost(target: string, value: number | undefined, most: number, format: (value: number) => string): Verdict {
  return judge(target, value === undefined ? undefined : format(value), value !== undefined && value <= most);
}

function atLeast(target: string, value: number | undefined, least: number): Verdict {
  return judge(target, value === undefined ? undefined : ratio(value), value !== undefined && value >= least);
}

function loadTargets({ loads }: Results): readonly Verdict[] {
  const cpu = (load: 'small' | 'medium' | 'connections', other: string) =>
    loads.ratio(load, subject, other, cpuMicroseconds);
  const rate = (load: 'connections' | 'hosts', other: string) => loads.ratio(load, subject, other, perSecond);
  const h2 = (load: 'h2Small' | 'h2Medium') => loads.ratio(load, subject, 'goproxy', cpuMicroseconds);
  const bulk = loads.ratio('bulk', subject, 'nginx', cpuMillisecondsPerMegabyte);
  const scrubbed = loads.ratio('bulk', subject, 'postern-unscrubbed', megabytesPerSecond);
  return [
    atMost('CPU a request at most 1.6x nginx', cpu('small', 'nginx'), 1.6, ratio),
    atMost('CPU a request at most 0.6x Squid', cpu('small', 'squid'), 0.6, ratio),
    atMost('64 KiB: CPU a request at most 1.0x nginx', cpu('medium', 'nginx'), 1, ratio),
    atMost('bulk: CPU a megabyte at most 1.0x nginx', bulk, 1, ratio),
    atLeast('bulk with echoes masked: at least 0.85x the throughput without', scrubbed, 0.85),
    atMost('a new connection: CPU at most 1.7x nginx', cpu('connections', 'nginx'), 1.7, ratio),
    atLeast('new connections: at least 5x the rate of Squid', rate('connections', 'squid'), 5),
    atLeast('new hosts: at least 4x the rate of Squid', rate('hosts', 'squid'), 4),
    atLeast('new hosts: ahead of goproxy', rate('hosts', 'goproxy'), 1),
    atLeast('new hosts: ahead of hudsucker', rate('hosts', 'hudsucker'), 1),
    atMost('HTTP/2: CPU a request at most 1.0x goproxy', h2('h2Small'), 1, ratio),
    atMost('HTTP/2, 64 KiB: CPU a request at most 1.0x goproxy', h2('h2Medium'), 1, ratio),
  ];
}

function scaleTargets({ rules, reloads }: Results): readonly Verdict[] {
  const many = rules.find((each) => each.rules === 100_000);
  const under = '1,000 reloads of 1,000 rules under load';
  const all = reloads !== undefined && reloads.done >= 1000;
  const failed = reloads && `${reloads.failed} failed, ${reloads.done} reloads`;
  const p99 = reloads && `${ratio(reloads.p99Ratio)}, ${reloads.done} reloads`;
  return [
    atMost('100,000 rules: CPU a request within 5 % of 10', many?.ratio, 1.05, ratio),
    judge(`${under}: no request fails`, failed, reloads?.failed === 0, all),
    judge(`${under}: p99 below 3x`, p99, reloads !== undefined && reloads.p99Ratio < 3, all),
  ];
}

function memoryTargets({ startByPeer, memoryByPeer, instances, closed }: Results): readonly Verdict[] {
  const memory = memoryByPeer.get(subject);
  const megabytes = (bytes: number) => `${number(bytes / mega)} MB`;
  // "Where it was": within a tenth, which is what two readings of one idle process differ by.
  const grown = closed && closed.rssLate / closed.rssEarly;
  const flat = grown !== undefined && grown <= 1.1 && closed?.failed === 0;
  const closings = closed && `${ratio(grown)}, after ${number(closed.late)}`;
  const all = closed !== undefined && closed.late >= 100_000;
  return [
    atMost(
      'first injected 200 within 300 ms of exec',
      startByPeer.get(subject)?.startMs,
      300,
      (ms) => `${number(ms)} ms`,
    ),
    atMost('idle Pss_Anon below 30 MB', memory?.idle.pssAnon, 30 * mega, megabytes),
    atMost('mean PSS of ten instances below 50 MB', instances?.meanPss, 50 * mega, megabytes),
    atMost(
      'an idle intercepted connection below 64 KiB',
      memory?.perConnection,
      64 * 1024,
      (bytes) => `${kibibytes(bytes)} KiB`,
    ),
    judge('RSS after 100,000 closed connections where it was after 1,000', closings, flat, all),
  ];
}

/** One line a target. */
export function targetLines(all: readonly Verdict[]): string {
  const lines = all.map(({ target, measured, state }) => `- ${state.padEnd(12)}  ${target}: ${measured ?? missing}`);
  return `### Targets\n\n${lines.join('\n')}\n`;
}
