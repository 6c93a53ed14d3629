import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { versionOf } from './commands.ts';
import type { Peer, PeerContext } from './peer.ts';

// A reverse proxy with one worker, no access log, no limit on requests a connection, buffers that hold 64 KiB without a temporary file
// and an upstream pool larger than any round: the least that TLS to TLS costs in C. Its clients come without CONNECT.
function configuration({ folder, port, originPort, certificates, bearer, http2 }: PeerContext): string {
  return `
worker_processes 1;
daemon off;
pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'error.log')} crit;
worker_rlimit_nofile 20000;
events { worker_connections 16384; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_body_temp_path ${join(folder, 'body')};
  proxy_temp_path ${join(folder, 'proxy')};
  fastcgi_temp_path ${join(folder, 'fastcgi')};
  uwsgi_temp_path ${join(folder, 'uwsgi')};
  scgi_temp_path ${join(folder, 'scgi')};
  upstream origin {
    server 127.0.0.1:${originPort};
    keepalive 4096;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }
  server {
    listen 127.0.0.1:${port} ssl${http2 ? ' http2' : ''} backlog=4096;
    server_name origin.test;
    ssl_certificate ${certificates.leafCert};
    ssl_certificate_key ${certificates.leafKey};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass https://origin;
      proxy_http_version 1.1;
      proxy_set_header Host origin.test:${originPort};
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer ${bearer}";
      proxy_buffer_size 16k;
      proxy_buffers 16 16k;
      proxy_max_temp_file_size 0;
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
      proxy_ssl_server_name on;
      proxy_ssl_name origin.test;
      proxy_ssl_verify on;
      proxy_ssl_verify_depth 2;
      proxy_ssl_trusted_certificate ${certificates.trust};
      proxy_ssl_session_reuse on;
    }
  }
}
`;
}

export const nginx: Peer = {
  name: 'nginx',
  about: 'nginx as a reverse proxy, TLS to TLS, without CONNECT: the limit',
  mode: 'direct',
  injects: true,
  mints: false,
  http2: 'client',
  install: 'Debian: apt-get install nginx-light',
  version: () => versionOf('nginx', '-v'),
  prepare(context) {
    const file = join(context.folder, 'nginx.conf');
    writeFileSync(file, configuration(context));
    return { argv: ['nginx', '-p', context.folder, '-e', join(context.folder, 'error.log'), '-c', file] };
  },
};
