import {
  cpuMicroseconds,
  cpuMillisecondsPerMegabyte,
  type Figure,
  type LoadName,
  megabytesPerSecond,
  p50,
  p99,
  perSecond,
} from '../rounds/measurements.ts';
import { kibibytes, mebibytes, missing, number, ratio, table } from './format.ts';
import type { Results } from './results.ts';

/** Whom ratios are taken against. */
const limit = 'nginx';

/** One column of a table: what it says of a peer. */
type Column = readonly [head: string, cell: (peer: string) => string];

/** Columns that say something of nobody are left out, and with the last of them the table. */
function render(title: string, peers: readonly string[], columns: readonly Column[]): string {
  const measured = columns.filter(([, cell]) => peers.some((peer) => cell(peer) !== missing));
  if (measured.length === 0) return '';
  const rows = peers.map((peer) => [peer, ...measured.map(([, cell]) => cell(peer))]);
  return table(title, ['peer', ...measured.map(([head]) => head)], rows);
}

/** The tables that compare peers. */
export function peerTables(results: Results, peers: readonly string[]): string {
  const { loads } = results;
  const value = (head: string, load: LoadName, figure: Figure): Column => [
    head,
    (peer) => number(loads.figure(load, peer, figure)),
  ];
  const against = (load: LoadName, figure: Figure): Column => [
    `x ${limit}`,
    (peer) => ratio(loads.ratio(load, peer, limit, figure)),
  ];
  const requests = render('Requests: 1 KiB and 64 KiB, 32 connections kept open', peers, [
    value('req/s', 'small', perSecond),
    value('CPU us/req', 'small', cpuMicroseconds),
    against('small', cpuMicroseconds),
    value('p50 us', 'small', p50),
    value('p99 us', 'small', p99),
    value('64 KiB req/s', 'medium', perSecond),
    value('CPU us/req', 'medium', cpuMicroseconds),
    against('medium', cpuMicroseconds),
    value('p99 us', 'medium', p99),
  ]);
  const bulkAndNew = render('Bulk, new connections, new hosts', peers, [
    value('bulk MB/s', 'bulk', megabytesPerSecond),
    value('CPU ms/MB', 'bulk', cpuMillisecondsPerMegabyte),
    against('bulk', cpuMillisecondsPerMegabyte),
    value('new conn/s', 'connections', perSecond),
    value('CPU us/conn', 'connections', cpuMicroseconds),
    against('connections', cpuMicroseconds),
    value('p99 us', 'connections', p99),
    value('new hosts/s', 'hosts', perSecond),
    value('CPU us/host', 'hosts', cpuMicroseconds),
    ['rate x squid', (peer) => ratio(loads.ratio('hosts', peer, 'squid', perSecond))],
  ]);
  return [requests, bulkAndNew, memoryTable(results, peers)].filter(Boolean).join('\n');
}

function memoryTable(results: Results, peers: readonly string[]): string {
  const idle = (peer: string) => results.memoryByPeer.get(peer);
  const verifies = (peer: string) => {
    const measured = results.startByPeer.get(peer)?.verifies;
    return measured === undefined ? missing : measured ? 'yes' : 'NO';
  };
  return render('Memory in MiB, start', peers, [
    ['RSS idle', (peer) => mebibytes(idle(peer)?.idle.rss)],
    ['PSS idle', (peer) => mebibytes(idle(peer)?.idle.pss)],
    ['Pss_Anon idle', (peer) => mebibytes(idle(peer)?.idle.pssAnon)],
    ['RSS loaded', (peer) => mebibytes(results.loadedByPeer.get(peer)?.rss)],
    ['PSS loaded', (peer) => mebibytes(results.loadedByPeer.get(peer)?.pss)],
    ['KiB/idle conn', (peer) => kibibytes(idle(peer)?.perConnection)],
    ['first 200 ms', (peer) => number(results.startByPeer.get(peer)?.startMs)],
    ['verifies origin', verifies],
  ]);
}

/** The rounds that only Postern runs, in sentences. */
export function posternLines(results: Results): string {
  const lines: string[] = [];
  for (const { rules, startMs, rss, cpuUs, ratio: against } of results.rules)
    lines.push(
      `${number(rules)} rules: first injected 200 after ${number(startMs)} ms, RSS ${mebibytes(rss)} MiB, ` +
        `CPU ${number(cpuUs)} us a request, ${ratio(against)} that of ten rules`,
    );
  const { reloads, closed, instances } = results;
  if (reloads !== undefined)
    lines.push(
      `${reloads.done} of ${reloads.wanted} reloads of 1,000 rules under load, ${number(reloads.reloadMs)} ms each: ` +
        `${reloads.failed} of ${reloads.requests} requests failed${reloads.why ? ` (${reloads.why})` : ''}, ` +
        `p99 ${number(reloads.p99Us)} us, ${ratio(reloads.p99Ratio)} that without`,
    );
  if (closed !== undefined)
    lines.push(
      `RSS ${mebibytes(closed.rssEarly)} MiB after ${number(closed.early)} closed connections, ` +
        `${mebibytes(closed.rssLate)} MiB after ${number(closed.late)}; ${closed.failed} failed`,
    );
  if (instances !== undefined) lines.push(`${instances.count} instances: mean PSS ${mebibytes(instances.meanPss)} MiB`);
  return lines.length === 0 ? '' : `### Postern alone\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`;
}
