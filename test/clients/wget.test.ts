import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import { echoed, MIB } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';

const world = clientWorld({ origins: { h1: {}, plain: { speaks: 'plain' } } });

const SPEC = {
  name: 'wget',
  version: versionOf('wget', ['--version'], /^GNU Wget (\S+)/),
  install: 'apt-get install wget',
};

/** Built with GnuTLS, as Debian has it, wget reads no variable for its roots. */
const NEEDS = '`ca_certificate = …/bundle.pem` in `.wgetrc`';

function wget(...args: readonly string[]) {
  const { home, environment, run } = world();
  writeFileSync(join(home, '.wgetrc'), `ca_certificate = ${environment.SSL_CERT_FILE}\n`);
  return run('wget', ['-nv', '-O', '-', ...args]);
}

client(SPEC, (prove) => {
  prove({ protocol: 'h1', what: 'GET and POST of 1 MiB', needs: NEEDS }, async () => {
    writeFileSync(join(world().home, 'body'), MIB);
    const got = await wget(`${world().url('h1')}/`);
    expect(got.stdout).toBe(echoed('GET'));
    const posted = await wget('--post-file', 'body', `${world().url('h1')}/`);
    expect(posted.stdout).toBe(echoed('POST', MIB));
    expectSeen(world().origin('h1').taken(), 'h1', ['GET /', 'POST /']);
  });

  prove({ protocol: 'h1', what: 'plain HTTP' }, async () => {
    const { stdout } = await wget(`${world().url('plain')}/`);
    expect(stdout).toBe(echoed('GET'));
    expectSeen(world().origin('plain').taken(), 'h1', ['GET /']);
  });
});
