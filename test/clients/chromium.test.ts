import { join } from 'node:path';
import { browserWorld } from '../support/browser-page.ts';
import { client, versionOf } from '../support/client-matrix.ts';
import { isInstalled } from '../support/command.ts';

const { world, trustCa, visit, proveThat } = browserWorld();

/** It asks hosts of its maker's at every start otherwise. As root it has no sandbox of its own. */
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

async function opens(origin: 'h1' | 'both'): Promise<void> {
  const { home } = world();
  await trustCa(join(home, '.pki/nssdb'));
  const profile = `--user-data-dir=${join(home, `profile-${origin}`)}`;
  await visit(origin, {
    command: (url) => ['chromium', ...FLAGS, profile, url],
    // Of the path it escapes the bar alone, and of the query none.
    rawTarget: '/raw%7C[p]?q=[a]|^{b}`c',
  });
}

client(
  {
    name: 'Chromium',
    version: isInstalled('certutil') ? versionOf('chromium', ['--version'], /Chromium (\S+)/) : null,
    install: 'apt-get install chromium libnss3-tools',
    needs: '`certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n postern -i ca.pem`',
  },
  (prove) => proveThat(prove, opens),
);
