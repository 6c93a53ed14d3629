import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder, peersFolder } from '../harness/paths.ts';
import { environmentOf, versionOf } from './commands.ts';
import type { Peer } from './peer.ts';

/** The one in the peers' folder if it is there, else the system's. */
function program(): string {
  const installed = join(peersFolder, 'mitmproxy', 'bin', 'mitmdump');
  return existsSync(installed) ? installed : 'mitmdump';
}

export const mitmproxy: Peer = {
  name: 'mitmproxy',
  about: 'mitmdump with an addon of one header, streaming',
  mode: 'mitm',
  injects: true,
  mints: true,
  http2: 'both',
  install: 'npm run bench -- --install, or Debian: apt-get install mitmproxy',
  version: () => versionOf(program(), '--version'),
  prepare(context) {
    const { certificates, folder, port } = context;
    const authority = readFileSync(certificates.caKey, 'utf8') + readFileSync(certificates.caCert, 'utf8');
    writeFileSync(join(folder, 'mitmproxy-ca.pem'), authority);
    // Leaves come from the SNI alone and the upstream is dialled with the first request, which saves a look at the origin's certificate.
    const settings = [
      'connection_strategy=lazy',
      'upstream_cert=false',
      `http2=${context.http2}`,
      'onboarding=false',
      'flow_detail=0',
      `confdir=${folder}`,
      `ssl_verify_upstream_trusted_ca=${certificates.trust}`,
    ];
    const addon = join(benchFolder, 'peers', 'programs', 'mitmproxy_addon.py');
    const argv = [program(), '--quiet', '--listen-host', '127.0.0.1', '--listen-port', String(port), '-s', addon];
    return { argv: [...argv, ...settings.flatMap((each) => ['--set', each])], env: environmentOf(context) };
  },
};
