import { expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import { echoed, MIB } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';

const world = clientWorld({ origins: { h1: {}, both: { speaks: 'h2' }, plain: { speaks: 'plain' } } });

const curl = (args: readonly string[], input?: string) =>
  world().run('curl', ['-sS', '--fail-with-body', ...args], input === undefined ? {} : { input });

const SPEC = {
  name: 'curl',
  version: versionOf('curl', ['--version'], /^curl (\S+)/),
  install: 'apt-get install curl',
};

client(SPEC, (prove) => {
  prove({ protocol: 'h1', what: 'GET, twice on one connection' }, async () => {
    const url = world().url('h1');
    const { stdout, stderr } = await curl([`${url}/1`, `${url}/2`]);
    expect(stdout + stderr).toBe(echoed('GET') + echoed('GET'));
    expectSeen(world().origin('h1').taken(), 'h1', ['GET /1', 'GET /2']);
  });

  prove({ protocol: 'h1', what: 'plain HTTP' }, async () => {
    const { stdout, stderr } = await curl([`${world().url('plain')}/`]);
    expect(stdout + stderr).toBe(echoed('GET'));
    expectSeen(world().origin('plain').taken(), 'h1', ['GET /']);
  });

  prove({ protocol: 'h1', what: 'POST of 1 MiB with `Expect: 100-continue`' }, async () => {
    const args = ['-v', '--expect100-timeout', '15', '-H', 'Expect: 100-continue', '--data-binary', '@-'];
    const { stdout, stderr } = await curl([...args, `${world().url('h1')}/`], MIB);
    expect(stdout).toBe(echoed('POST', MIB));
    // It waited for the answer of the origin, and not for its own patience to end.
    expect(stderr).toMatch(/HTTP\/1\.1 100 Continue/);
    expectSeen(world().origin('h1').taken(), 'h1', ['POST /']);
  });

  prove({ protocol: 'h1', what: 'chunked upload from standard input' }, async () => {
    const { stdout, stderr } = await curl(['-T', '-', `${world().url('h1')}/`], MIB);
    expect(stdout + stderr).toBe(echoed('PUT', MIB));
    const seen = world().origin('h1').taken();
    expectSeen(seen, 'h1', ['PUT /']);
    expect(seen[0]?.headers['transfer-encoding']).toBe('chunked');
  });

  prove({ protocol: 'h1', what: '`--http1.1` where the origin speaks HTTP/2 too' }, async () => {
    const { stdout, stderr } = await curl(['--http1.1', `${world().url('both')}/`]);
    expect(stdout + stderr).toBe(echoed('GET'));
    expectSeen(world().origin('both').taken(), 'h1', ['GET /']);
  });

  prove({ protocol: 'h2', what: 'GET, and POST of 1 MiB' }, async () => {
    const url = world().url('both');
    const { stdout, stderr } = await curl(['--http2', `${url}/`, '--next', '--data-binary', '@-', `${url}/`], MIB);
    expect(stdout + stderr).toBe(echoed('GET') + echoed('POST', MIB));
    expectSeen(world().origin('both').taken(), 'h2', ['GET /', 'POST /']);
  });

  prove(
    { protocol: 'socks5', what: 'GET with names resolved by the proxy', needs: '`--proxy socks5h://…`' },
    async () => {
      const proxy = `socks5h://127.0.0.1:${world().postern.proxyPort}`;
      const { stdout, stderr } = await curl(['--proxy', proxy, `${world().url('h1')}/`, `${world().url('plain')}/`]);
      expect(stdout + stderr).toBe(echoed('GET') + echoed('GET'));
      expectSeen(world().origin('h1').taken(), 'h1', ['GET /']);
      expectSeen(world().origin('plain').taken(), 'h1', ['GET /']);
    },
  );
});
