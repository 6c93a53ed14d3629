import type { Http2, Peer } from '../peers/peer.ts';
import {
  cpuMicroseconds,
  cpuMillisecondsPerMegabyte,
  type Figure,
  type LoadMeasurements,
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

/** Columns of a figure of a load, and of its ratio to the limit's. */
const columnsOf = (loads: LoadMeasurements) => ({
  value: (head: string, load: LoadName, figure: Figure): Column => [
    head,
    (peer) => number(loads.figure(load, peer, figure)),
  ],
  against: (load: LoadName, figure: Figure): Column => [
    `x ${limit}`,
    (peer) => ratio(loads.ratio(load, peer, limit, figure)),
  ],
});

/** The tables that compare peers. */
export function peerTables(results: Results, present: readonly Peer[]): string {
  const { loads } = results;
  const peers = present.map(({ name }) => name);
  const { value, against } = columnsOf(loads);
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
  return [requests, bulkAndNew, http2Table(results, present), memoryTable(results, peers)].filter(Boolean).join('\n');
}

const spoken = { both: 'both sides', client: 'client, 1.1 behind', none: 'no HTTP/2' } satisfies Record<Http2, string>;

/** Peers without HTTP/2 are in it by name. */
function http2Table(results: Results, present: readonly Peer[]): string {
  const { loads, h2LoadedByPeer } = results;
  if (h2LoadedByPeer.size === 0) return '';
  const { value, against } = columnsOf(loads);
  const names = present.map(({ name }) => name);
  return render('HTTP/2: 8 connections of 20 streams, 1 of 50; bulk over 4', names, [
    ['HTTP/2', (name) => spoken[present.find((peer) => peer.name === name)?.http2 ?? 'none']],
    value('1 KiB req/s', 'h2Small', perSecond),
    value('CPU us/req', 'h2Small', cpuMicroseconds),
    against('h2Small', cpuMicroseconds),
    value('p99 us', 'h2Small', p99),
    value('1x50 req/s', 'h2One', perSecond),
    value('CPU us/req', 'h2One', cpuMicroseconds),
    against('h2One', cpuMicroseconds),
    value('64 KiB req/s', 'h2Medium', perSecond),
    value('CPU us/req', 'h2Medium', cpuMicroseconds),
    against('h2Medium', cpuMicroseconds),
    value('bulk MB/s', 'h2Bulk', megabytesPerSecond),
    value('CPU ms/MB', 'h2Bulk', cpuMillisecondsPerMegabyte),
    against('h2Bulk', cpuMillisecondsPerMegabyte),
    ['RSS loaded MiB', (name) => mebibytes(h2LoadedByPeer.get(name)?.rss)],
  ]);
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
