import { describe, expect, it } from 'vitest';
import { orMissing } from '../support/built-once.ts';
import type { Pair } from '../support/certificates.ts';
import { closeOpened } from '../support/closing.ts';
import { startConnectRelay } from '../support/connect-relay.ts';
import { startNodeOrigin } from '../support/h2-origins.ts';
import { type Conformance, conformanceIn, h2specProgram, runH2Spec } from '../support/h2spec.ts';
import { startPostern } from '../support/postern.ts';
import { certificateFor, loopback } from '../support/scene.ts';

closeOpened();

const SUITE_MS = 300_000;
/** The relay is at this address and the origin at another, so that both have one port: h2spec says in `:authority` where it connects to. */
const ORIGIN_HOST = '127.0.0.3';
const h2spec = await orMissing('h2spec', h2specProgram);

async function startServer(tls: Pair): Promise<number> {
  const { port } = await startNodeOrigin({
    tls,
    host: ORIGIN_HOST,
    onRequest: ({ stream }) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' });
      stream.end('an answer of more than a few bytes\n');
    },
  });
  return port;
}

describe.runIf('there' in h2spec)('h2spec', () => {
  it(
    'finds nothing wrong through the proxy that it does not find with a bare server of Node',
    async () => {
      if (!('there' in h2spec)) return;
      const program = h2spec.there;
      const port = await startServer(certificateFor('localhost'));
      const base = loopback();
      const postern = await startPostern({
        ...base,
        policies: `version: 1\nrules: [{ name: all, hosts: [localhost], ports: [${port}] }]\n`,
        settings: {
          upstream: {
            trust: ['origin-ca.pem'],
            hosts: { localhost: [ORIGIN_HOST] },
            allow_addresses: ['127.0.0.0/8'],
          },
        },
      });
      await startConnectRelay({ proxyPort: postern.proxyPort, authority: `localhost:${port}`, port });

      const bare = await runH2Spec({ program, host: ORIGIN_HOST, port, strict: true });
      const proxied = await runH2Spec({ program, host: 'localhost', port, strict: true });
      tell('a bare server of Node', bare);
      tell('the proxy', proxied);
      // Cases that race with the answer go either way: what the bare server has failed once it may fail.
      const again = proxied.failed.some((name) => !bare.failed.includes(name))
        ? await runH2Spec({ program, host: ORIGIN_HOST, port, strict: true })
        : bare;
      const known = new Set([...bare.failed, ...again.failed]);
      expect(proxied.failed.filter((name) => !known.has(name))).toEqual([]);
      expect(proxied.passed).toBeGreaterThan(100);
      expect(postern.exitCode).toBeNull();
    },
    SUITE_MS,
  );
});

function tell(whom: string, { passed, failed, skipped }: Conformance): void {
  console.log(`h2spec, ${whom}: ${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
  for (const name of failed) console.log(`  ${name}`);
}

describe('the reader of its report', () => {
  it('counts what passed, and names what did not', () => {
    const report = `<testsuites><testsuite name="6.7. PING" package="http2/6.7" tests="3" skipped="1" failures="1" errors="0">
      <testcase package="http2/6.7" classname="Sends a PING frame" time="0.1"></testcase>
      <testcase package="http2/6.7" classname="Sends &#34;PING&#34;" time="0.1"><failure>x</failure></testcase>
      <testcase package="http2/6.7" classname="Sends none" time="0.1"><skipped></skipped></testcase>
    </testsuite></testsuites>`;
    expect(conformanceIn(report)).toEqual({
      passed: 1,
      failed: ['http2/6.7 Sends "PING"'],
      skipped: ['http2/6.7 Sends none'],
    });
  });

  it('does not take half a report for a whole one', () => {
    const half = '<testsuite tests="2"><testcase package="a" classname="b" time="0"></testcase>';
    expect(() => conformanceIn(half)).toThrow('2 cases were announced, 1 are there');
    expect(() => conformanceIn('')).toThrow('no cases');
  });
});
