import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { outcomeOf } from './child.ts';
import { forwardToProxy } from './forwarder.ts';
import { INSIDE, type Plan, readMessages, writeMessage } from './inside.ts';
import { exposedFiles, makeMounts, run, withoutRights } from './mounts.ts';
import type { Outcome } from './outcome.ts';

/**
 * The first process in the namespaces of an isolated command: makes the place, starts the command in it and carries its connections to
 * the proxy. With it everything in there ends (pid_namespaces(7)).
 */
const channel = new Socket({ fd: 3 });
// Whoever started us is gone, or wants us to be.
channel.on('close', () => process.exit(1));
channel.on('error', () => process.exit(1));
// They reach the command by themselves, or as messages. To us they must do nothing.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const) process.on(signal, () => {});

let kill: ((signal: NodeJS.Signals) => void) | null = null;
let waiting: NodeJS.Signals | null = null;

readMessages(channel, (message) => {
  // Both are written by the process that started us.
  const told = message as Plan | { readonly signal: NodeJS.Signals };
  if (!('signal' in told))
    void follow(told).then(end, () => end({ kind: 'refused', why: 'the namespaces are not usable' }));
  else if (kill !== null) kill(told.signal);
  else waiting = told.signal;
});

function end(outcome: Outcome): void {
  writeMessage(channel, outcome);
  channel.end(() => process.exit(0));
}

async function follow(plan: Plan): Promise<Outcome> {
  const problem = makeMounts(plan) ?? run('ip', ['link', 'set', 'lo', 'up']) ?? exposedFiles(plan);
  if (problem !== null) return { kind: 'refused', why: problem };
  await forwardToProxy(INSIDE.port, `${INSIDE.link}/proxy.sock`);
  process.chdir(plan.cwd);
  if (waiting !== null) return { kind: 'signal', signal: waiting };
  const { program, args } = plan.command;
  const child = spawn('setpriv', [...withoutRights(plan), '--', program, ...args], { stdio: 'inherit', env: plan.env });
  kill = (signal) => child.kill(signal);
  return await new Promise((resolve) => {
    child.once('error', () => resolve({ kind: 'refused', why: 'setpriv cannot be started' }));
    child.once('exit', (status, signal) => resolve(outcomeOf(status, signal)));
  });
}
