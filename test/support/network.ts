import { spawn, spawnSync } from 'node:child_process';
import { closeAfterTest } from './closing.ts';

let made = 0;

/** Runs a command as root to its end; throws with what it said. */
export function must(command: string): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}${stdout}`);
  return stdout;
}

/** Whether network namespaces with nft rules can be made here. */
export function canMakeNetworks(): boolean {
  if (process.getuid?.() !== 0) return false;
  return spawnSync('unshare', ['--net', '--mount', 'nft', 'list', 'ruleset']).status === 0;
}

/** A network namespace with a loopback, until the test is over: a machine of its own, as far as the network goes. */
export function makeNetwork(kind: string): string {
  const name = `postern-${kind}-${process.pid}-${made++}`;
  must(`ip netns add ${name}`);
  closeAfterTest(name, () => void spawnSync('ip', ['netns', 'del', name]));
  must(`ip -n ${name} link set lo up`);
  return name;
}

/** A cable between two of them. */
export function connectNetworks(
  one: { readonly network: string; readonly device: string; readonly address: string },
  other: { readonly network: string; readonly device: string; readonly address: string },
): void {
  must(`ip -n ${one.network} link add ${one.device} type veth peer name ${other.device} netns ${other.network}`);
  for (const { network, device, address } of [one, other]) {
    must(`ip netns exec ${network} sysctl -qw net.ipv6.conf.${device}.disable_ipv6=1`);
    must(`ip -n ${network} addr add ${address} dev ${device} && ip -n ${network} link set ${device} up`);
  }
}

/** Starts a server in a network until the test is over; resolves when it has printed that. */
export async function startIn(network: string, command: readonly string[], ready: RegExp): Promise<void> {
  const child = spawn('ip', ['netns', 'exec', network, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let isOver = false;
  closeAfterTest(child, async () => {
    child.kill('SIGTERM');
    const killing = setTimeout(() => child.kill('SIGKILL'), 3_000);
    if (!isOver) await new Promise((resolve) => child.once('close', resolve));
    clearTimeout(killing);
  });
  await new Promise<void>((resolve, reject) => {
    const look = (bytes: Buffer): void => {
      said += bytes.toString('latin1');
      if (ready.test(said)) resolve();
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('error', reject);
    child.once('close', () => {
      isOver = true;
      reject(new Error(`${command[0]} ended: ${said}`));
    });
  });
}
