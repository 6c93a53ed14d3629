import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { INSIDE, type Plan } from './inside.ts';

/** Where sockets of services and files of others are; the command gets empty ones. */
const REPLACED = ['/run', '/tmp', '/var/tmp', '/dev/shm'];

/** Runs a program; null if it did its work, else what went wrong. */
export function run(program: string, args: readonly string[]): string | null {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return status === 0 ? null : `${program} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`;
}

type Step = () => string | null;

const bind = (from: string, to: string): string | null => run('mount', ['--bind', from, to]);

const emptyAt = (path: string, options: string): string | null =>
  run('mount', ['-t', 'tmpfs', '-o', `nosuid,nodev,${options}`, 'tmpfs', path]);

/**
 * Makes the file system that the command sees: the machine's, without the places in which programs leave sockets, and with a home and
 * temporary folders that go when it ends. Null if it stands, else what could not be done.
 */
export function makeMounts({ folder, cwd, sockets, uid, gid }: Plan): string | null {
  if (isBelow(cwd, '/run'))
    return 'the current folder is in /run, which an isolated command does not see; start it elsewhere';
  chownSync(folder.home, uid, gid);
  const isCovered = REPLACED.some((path) => isBelow(cwd, path));
  const steps: readonly Step[] = [
    () => emptyAt('/run', 'mode=0755,size=1m'),
    () => made(INSIDE.shown, INSIDE.home, INSIDE.link, INSIDE.work),
    () => bind(folder.shown, INSIDE.shown),
    () => bind(folder.home, INSIDE.home),
    () => bind(folder.link, INSIDE.link),
    () => (isCovered ? bind(cwd, INSIDE.work) : null),
    () => bind(folder.varTmp, '/var/tmp'),
    () => emptyAt('/dev/shm', 'mode=1777'),
    // Last, since the folder of this run is in there.
    () => bind(folder.tmp, '/tmp'),
    () => (isCovered ? (made(cwd) ?? bind(INSIDE.work, cwd) ?? run('umount', [INSIDE.work])) : null),
    ...sockets.map((path) => () => hideSocket(path)),
  ];
  return firstProblem(steps);
}

function firstProblem(steps: readonly Step[]): string | null {
  for (const step of steps) {
    const problem = step();
    if (problem !== null) return problem;
  }
  return null;
}

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

function made(...paths: readonly string[]): null {
  for (const path of paths) mkdirSync(path, { recursive: true, mode: 0o755 });
  return null;
}

/** A socket of a service that any user may connect to would be a way out. It may have gone with a folder that was replaced. */
function hideSocket(path: string): string | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isSocket() !== true || isBelow(path, INSIDE.link)) return null;
  const problem = bind('/dev/null', path);
  // Its service may have ended in between.
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? null : problem;
}

/** setpriv(1): the user, no group but its own, no capability, and no way to gain one by a set-user-ID program. */
export const withoutRights = ({ uid, gid }: Pick<Plan, 'uid' | 'gid'>): readonly string[] => [
  `--reuid=${uid}`,
  `--regid=${gid}`,
  '--clear-groups',
  '--no-new-privs',
  '--bounding-set=-all',
  '--inh-caps=-all',
];

/** The owner may give itself any right. A sticky folder, /tmp, lets nobody replace what is another's. */
const TEST = `
n=$1; shift
while [ "$n" -gt 0 ]; do if [ -r "$1" ] || [ -O "$1" ]; then echo "read $1"; fi; n=$((n-1)); shift; done
for f; do if [ -O "$f" ] || { [ -w "$f" ] && ! [ -k "$f" ]; }; then echo "change $f"; fi; done`;

/** Asks the system as that user, rather than reading modes: groups, access lists and mounts all count. Null if nothing is exposed. */
export function exposedFiles(plan: Plan): string | null {
  const changeable = new Set([...plan.unwritable, ...plan.unreadable].flatMap(waysTo));
  const files = [String(plan.unreadable.length), ...plan.unreadable, ...changeable];
  const asked = spawnSync('setpriv', [...withoutRights(plan), '--', 'sh', '-c', TEST, 'sh', ...files], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (asked.status !== 0) return `setpriv: ${asked.error?.message ?? asked.stderr.trim()}`;
  const [first] = asked.stdout.split('\n');
  return first === undefined || first === ''
    ? null
    : `the user of the command could ${first}; take that right away, or name another with --user`;
}

/** The way that a path names, and the one that its links lead. */
const waysTo = (path: string): readonly string[] => [
  ...withAncestors(path),
  ...(existsSync(path) ? withAncestors(realpathSync(path)) : []),
];

function withAncestors(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [path, ...withAncestors(parent)];
}
