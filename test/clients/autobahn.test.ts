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

/** What does not pass is no matter of ours if it is the same without us. */
function expectSame(direct: Results, through: Results, tell: Tell): void {
  const cases = Object.keys(direct).length;
  expect(cases).toBeGreaterThan(300);
  const passedOf = (results: Results): number => Object.values(results).filter(Boolean).length;
  expect(through).toEqual(direct);
  tell(`${passedOf(direct)} of ${cases} cases direct, ${passedOf(through)} through the proxy`);
}

async function playTo(port: number): Promise<Results> {
  const { stdout, stderr } = await runCommand(PYTHON, [FILE, 'client', `ws://127.0.0.1:${port}`], {
    timeoutMs: 80_000,
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Results;
}

/** Starts the server that plays, has `play` bring the client, and answers with what the server thinks of it. */
async function played(play: (port: number) => Promise<unknown>): Promise<Results> {
  const child = closeAfterTest(spawn(PYTHON, [FILE, 'server'], { stdio: ['ignore', 'pipe', 'inherit'] }), (running) =>
    running.kill('SIGKILL'),
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
      const bare = createServer().on('upgrade', echo.onUpgrade);
      const direct = await playTo(await listening(bare));
      const { host } = new URL(world().url('echo'));
      const through = await playTo(await bridgeTo(world().postern, host));
      expectSeen(world().origin('echo').taken(), 'ws');
      expectSame(direct, through, tell);
    });

    prove({ protocol: 'ws', what: 'played by kosoku to a client (Python websockets)', timeoutMs }, async (tell) => {
      const { run, url, origin } = world();
      const direct = await played((port) =>
        run(PYTHON, [FILE, 'tested', `ws://127.0.0.1:${port}`], { timeoutMs: 80_000 }),
      );
      const through = await played(async (port) => {
        fuzzingPort = port;
        const target = url('fuzzing').replace('https', 'wss');
        const { stderr } = await run(PYTHON, [FILE, 'tested', target], { timeoutMs: 80_000 });
        expect(stderr).toBe('');
      });
      expectSeen(origin('fuzzing').taken(), 'ws');
      expectSame(direct, through, tell);
    });
  },
);
