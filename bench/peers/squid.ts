import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { versionOf } from './commands.ts';
import type { Peer, PeerContext } from './peer.ts';

const generators = ['/usr/lib/squid/security_file_certgen', '/usr/libexec/squid/security_file_certgen'];

// ssl-bump after the ClientHello (`bump` in step 2): leaves come from the SNI, so nothing waits for a look at the origin's certificate.
// No cache, no logs, no pinger; generated certificates are kept in memory and on disk.
function configuration(context: PeerContext, generator: string): string {
  const { folder, port, certificates, bearer } = context;
  return `
http_port 127.0.0.1:${port} ssl-bump tls-cert=${certificates.caCert} tls-key=${certificates.caKey} generate-host-certificates=on dynamic_cert_mem_cache_size=128MB
sslcrtd_program ${generator} -s ${join(folder, 'leaves')} -M 128MB
sslcrtd_children 4 startup=1 idle=1
acl step1 at_step SslBump1
ssl_bump peek step1
ssl_bump bump all
tls_outgoing_options cafile=${certificates.trust}
acl origin dst 127.0.0.0/8
http_access allow origin
http_access deny all
request_header_access Authorization deny all
request_header_add Authorization "Bearer ${bearer}" all
hosts_file ${join(folder, 'hosts')}
dns_nameservers 127.0.0.1
cache deny all
cache_mem 8 MB
memory_pools on
access_log none
cache_log ${join(folder, 'cache.log')}
cache_store_log none
pid_filename ${join(folder, 'squid.pid')}
coredump_dir ${folder}
max_filedescriptors 20000
pinger_enable off
icp_port 0
via off
forwarded_for delete
client_persistent_connections on
server_persistent_connections on
client_idle_pconn_timeout 10 minutes
server_idle_pconn_timeout 10 minutes
shutdown_lifetime 0 seconds
visible_hostname bench
`;
}

export const squid: Peer = {
  name: 'squid',
  about: 'Squid with ssl-bump, cache off',
  mode: 'mitm',
  injects: true,
  mints: true,
  http2: 'none',
  install: 'Debian: apt-get install squid-openssl',
  version: () => (generators.some((file) => existsSync(file)) ? versionOf('squid', '-v') : undefined),
  prepare(context) {
    const { folder, hosts, certificates } = context;
    const generator = generators.find((file) => existsSync(file)) ?? '';
    const leaves = join(folder, 'leaves');
    rmSync(leaves, { recursive: true, force: true });
    const made = spawnSync(generator, ['-c', '-s', leaves, '-M', '128MB'], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`squid's certificate store was not made: ${made.stderr}`);
    const names = Array.from({ length: hosts }, (_, index) => `127.0.0.1 h${index + 1}.origin.test\n`);
    writeFileSync(join(folder, 'hosts'), `127.0.0.1 origin.test\n${names.join('')}`);
    writeFileSync(join(folder, 'squid.conf'), configuration(context, generator));
    // Started by root it gives root up, and must still read the key and write here.
    spawnSync('chmod', ['-R', 'a+rwX', folder]);
    chmodSync(certificates.caKey, 0o644);
    return { argv: ['squid', '-N', '-f', join(folder, 'squid.conf')] };
  },
};
