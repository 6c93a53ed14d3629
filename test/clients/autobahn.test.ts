import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { client, type Tell } from '../support/client-matrix.ts';
import { PYTHON, pythonFile, pythonPackage } from '../support/client-python.ts';
import { echoServer } from '../support/client-websocket.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { runCommand } from '../support/command.ts';
import { listening } from '../support/listening.ts';
import { bridgeTo, handingTo } from '../support/websocket-bridges.ts';

closeOpened();

const echo = echoServer();
let fuzzingPort = 0;
const world = clientWorld({
  origins: { echo: { onUpgrade: echo.onUpgrade }, fuzzing: { onUpgrade: handingTo(() => fuzzingPort) } },
});

const FILE = pythonFile('autobahn.py');
/** Which passed, by the name of the case. */
type Results = Readonly<Record<string, boolean>>;

/** Plays these cases, or all, to what is tried. */
type Play = (only?: readonly string[]) => Promise<Results>;

/** What does not pass is no matter of ours if it is the same without us. */
async function expectSame(playDirect: Play, playThrough: Play, tell: Tell): Promise<void> {
  const direct = await playDirect();
  const cases = Object.keys(direct).length;
  expect(cases).toBeGreaterThan(300);
  const first = await playThrough();
  // A case ends itself after half a second, which on a busy machine may be too soon: what differs gets another chance.
  const differing = Object.keys(direct).filter((name) => first[name] !== direct[name]);
  const through = differing.length === 0 ? first : { ...first, ...(await playThrough(differing)) };
  expect(through).toEqual(direct);
  const passedOf = (results: Results): number => Object.values(results).filter(Boolean).length;
  tell(`${passedOf(direct)} of ${cases} cases direct, ${passedOf(through)} through the proxy`);
}

async function playTo(port: number, only: readonly string[] = []): Promise<Results> {
  const { stdout, stderr } = await runCommand(PYTHON, [FILE, 'client', `ws://127.0.0.1:${port}`, ...only], {
    timeoutMs: 80_000,
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Results;
}

/** Starts the server that plays, has `play` bring the client, and answers with what the server thinks of it. */
async function played(play: (port: number) => Promise<unknown>, only: readonly string[] = []): Promise<Results> {
  const child = closeAfterTest(
    spawn(PYTHON, [FILE, 'server', ...only], { stdio: ['ignore', 'pipe', 'inherit'] }),
    (running) => running.kill('SIGKILL'),
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await play(Number((await lines.next()).value));
  return JSON.parse(String((await lines.next()).value)) as Results;
}

client(
  {
    name: 'Autobahn WebSocket cases',
    ...pythonPackage('kosoku'),
    needs: 'a CONNECT of the test, where the cases are played to a server: they speak to no proxy',
  },
  (prove) => {
    const timeoutMs = 200_000;
    prove({ protocol: 'ws', what: 'played to a server (`ws`) by kosoku', timeoutMs }, async (tell) => {
      const bare = await listening(createServer().on('upgrade', echo.onUpgrade));
      const bridge = await bridgeTo(world().postern, new URL(world().url('echo')).host);
      await expectSame(
        (only) => playTo(bare, only),
        (only) => playTo(bridge, only),
        tell,
      );
      expectSeen(world().origin('echo').taken(), 'ws');
    });

    prove({ protocol: 'ws', what: 'played by kosoku to a client (Python websockets)', timeoutMs }, async (tell) => {
      const { run, url, origin } = world();
      const playDirect: Play = (only) =>
        played((port) => run(PYTHON, [FILE, 'tested', `ws://127.0.0.1:${port}`], { timeoutMs: 80_000 }), only);
      const playThrough: Play = (only) =>
        played(async (port) => {
          fuzzingPort = port;
          const target = url('fuzzing').replace('https', 'wss');
          const { stderr } = await run(PYTHON, [FILE, 'tested', target], { timeoutMs: 80_000 });
          expect(stderr).toBe('');
        }, only);
      await expectSame(playDirect, playThrough, tell);
      expectSeen(origin('fuzzing').taken(), 'ws');
    });
  },
);
