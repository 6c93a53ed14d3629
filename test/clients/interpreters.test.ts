import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { ALL_EVENTS, eventServer, timesText } from '../support/client-events.ts';
import { client, type Prove, versionOf } from '../support/client-matrix.ts';
import { echoed, MIB } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';

const events = eventServer();
const world = clientWorld({
  origins: { h1: { answer: events.answer }, both: { speaks: 'h2', answer: events.answer } },
});

const file = (name: string): string => fileURLToPath(new URL(`interpreters/${name}`, import.meta.url));

async function runs(command: readonly string[]): Promise<string> {
  const [program = '', ...args] = command;
  const { code, stdout, stderr } = await world().run(program, args);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout;
}

/** The script asks an origin that speaks HTTP/1.1 alone, or one that speaks both. */
async function fetches(command: readonly string[], origin: 'h1' | 'both' = 'h1'): Promise<void> {
  expect(await runs([...command, `${world().url(origin)}/`])).toBe(echoed('GET') + echoed('POST', MIB));
  expectSeen(world().origin(origin).taken(), origin === 'h1' ? 'h1' : 'h2', ['GET /', 'POST /']);
}

const fetchesAndStreams = (prove: Prove, command: readonly string[]): void => {
  prove({ protocol: 'h1', what: 'GET, and POST of 1 MiB' }, () => fetches(command));
  prove({ protocol: 'sse', what: 'a stream of events' }, async (tell) => {
    expect(await runs([...command, `${world().url('h1')}/`, 'events'])).toBe(ALL_EVENTS);
    expectSeen(world().origin('h1').taken(), 'h1');
    tell(timesText(events.timesMs));
  });
};

const RUBY = {
  name: 'Ruby Net::HTTP',
  version: versionOf('ruby', ['--version'], /^ruby (\S+)/),
  install: 'apt-get install ruby',
};
client(RUBY, (prove) => fetchesAndStreams(prove, ['ruby', file('fetch.rb')]));

const LWP = {
  name: 'Perl LWP',
  version: versionOf(
    'perl',
    ['-MLWP::UserAgent', '-MLWP::Protocol::https', '-e', 'print $LWP::UserAgent::VERSION'],
    /^(\S+)/,
  ),
  install: 'apt-get install libwww-perl liblwp-protocol-https-perl',
};
client(LWP, (prove) => fetchesAndStreams(prove, ['perl', file('fetch.pl'), 'LWP']));

const TINY = {
  name: 'Perl HTTP::Tiny',
  version: versionOf('perl', ['-MIO::Socket::SSL', '-MHTTP::Tiny', '-e', 'print $HTTP::Tiny::VERSION'], /^(\S+)/),
  install: 'apt-get install libio-socket-ssl-perl',
};
client(TINY, (prove) => fetchesAndStreams(prove, ['perl', file('fetch.pl'), 'HTTP::Tiny']));

const CURL = {
  name: 'PHP curl',
  version: versionOf('php', ['-r', 'curl_version(); echo PHP_VERSION;'], /^(\S+)/),
  install: 'apt-get install php-cli php-curl',
  needs: '`curl.cainfo = ${SSL_CERT_FILE}` in `php.ini`: libcurl has no variable for its roots',
};
client(CURL, (prove) => {
  const command = ['php', '-d', 'curl.cainfo=${SSL_CERT_FILE}', file('fetch.php'), 'curl'];
  fetchesAndStreams(prove, command);
  prove({ protocol: 'h2', what: 'GET, and POST of 1 MiB' }, () => fetches(command, 'both'));
});

const STREAMS = {
  name: 'PHP streams',
  version: versionOf('php', ['--version'], /^PHP (\S+)/),
  install: 'apt-get install php-cli',
  needs: '`proxy` in the stream context',
};
client(STREAMS, (prove) =>
  prove({ protocol: 'h1', what: 'GET, and POST of 1 MiB' }, () => fetches(['php', file('fetch.php'), 'streams'])),
);
