import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { browserWorld } from '../support/browser-page.ts';
import { client, versionOf } from '../support/client-matrix.ts';
import { isInstalled } from '../support/command.ts';

const { world, trustCa, visit, proveThat } = browserWorld();

/** It asks hosts of its maker's at every start otherwise. */
const QUIET = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.enabled", false);
`;

async function opens(origin: 'h1' | 'both'): Promise<void> {
  const profile = join(world().home, `firefox-${origin}`);
  await trustCa(profile);
  writeFileSync(join(profile, 'user.js'), QUIET);
  await visit(origin, {
    command: (url) => ['firefox-esr', '--headless', '--no-remote', '--profile', profile, url],
    rawTarget: '/raw|[p]?q=[a]|^{b}`c',
  });
}

client(
  {
    name: 'Firefox',
    version: isInstalled('certutil') ? versionOf('firefox-esr', ['--version'], /Firefox (\S+)/) : null,
    install: 'apt-get install firefox-esr libnss3-tools',
    needs: '`certutil -d sql:PROFILE -A -t C,, -n postern -i ca.pem`',
  },
  (prove) => proveThat(prove, opens),
);
