import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The states of TCP as /proc/net/tcp numbers them (include/net/tcp_states.h). */
const STATES = ['', 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT1', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE'];
const MORE_STATES = ['CLOSE_WAIT', 'LAST_ACK', 'LISTEN', 'CLOSING'];

/** The sockets of a process in words, for whoever must find out which one stayed open: proc_pid_net(5). */
export function socketsOf(pid: number): readonly string[] {
  const nameByInode = new Map<string, string>();
  for (const protocol of ['tcp', 'udp']) {
    for (const line of readFileSync(`/proc/${pid}/net/${protocol}`, 'utf8').split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      const [, local = '', remote = '', state = ''] = columns;
      const name = [...STATES, ...MORE_STATES][Number.parseInt(state, 16)] ?? state;
      nameByInode.set(columns[9] ?? '', `${protocol} ${ports(local)} → ${ports(remote)} ${name}`);
    }
  }
  return readdirSync(`/proc/${pid}/fd`).flatMap((number) => {
    const inode = inodeOf(`/proc/${pid}/fd/${number}`);
    return inode === undefined ? [] : [`${number}: ${nameByInode.get(inode) ?? 'neither TCP nor UDP over IPv4'}`];
  });
}

/** `0100007F:1F90` is port 8080; here all addresses are loopback. */
const ports = (text: string): number => Number.parseInt(text.split(':')[1] ?? '', 16);

function inodeOf(path: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1];
  } catch {
    return undefined; // closed while we looked
  }
}
