import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { ALL_EVENTS, eventServer, timesText } from '../support/client-events.ts';
import { client, type Tell, versionOf } from '../support/client-matrix.ts';
import { type Answer, echoed, MIB } from '../support/client-origin.ts';
import { echoServer } from '../support/client-websocket.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { zipOf } from '../support/client-zip.ts';

const events = eventServer();
const chat = echoServer();

const POM = (artifact: string, packaging: string): string =>
  `<project><modelVersion>4.0.0</modelVersion><groupId>test.probe</groupId><artifactId>${artifact}</artifactId><version>1.0</version><packaging>${packaging}</packaging></project>`;
const hashed = (path: string, bytes: string | Buffer) => [
  [path, bytes],
  [`${path}.sha1`, createHash('sha1').update(bytes).digest('hex')],
];
const EMPTY_JAR = zipOf({ 'META-INF/MANIFEST.MF': 'Manifest-Version: 1.0\n' });
/** A Maven repository with a parent project and an extension of the build. */
const REPOSITORY: Readonly<Record<string, string | Buffer>> = Object.fromEntries([
  ...hashed('/test/probe/parent/1.0/parent-1.0.pom', POM('parent', 'pom')),
  ...hashed('/test/probe/extension/1.0/extension-1.0.pom', POM('extension', 'jar')),
  ...hashed('/test/probe/extension/1.0/extension-1.0.jar', EMPTY_JAR),
]);
/** Maven adds this one to each extension, whatever it asks for. */
const PLEXUS = Object.fromEntries(hashed('/org/codehaus/plexus/plexus-utils/1.1/plexus-utils-1.1.jar', EMPTY_JAR));
const repository: Answer = (_request, response, path) => {
  const file = REPOSITORY[path] ?? PLEXUS[path];
  response.writeHead(file === undefined ? 404 : 200).end(file);
};

const world = clientWorld({
  java: true,
  origins: {
    h1: { answer: events.answer, onUpgrade: chat.onUpgrade },
    both: { speaks: 'h2', answer: events.answer },
    repository: { answer: repository },
  },
});

const program = fileURLToPath(new URL('java/Fetch.java', import.meta.url));
/** What the JVM says of the variable that it was started with. */
const PICKED_UP = /^(Picked up JAVA_TOOL_OPTIONS: [^\n]*\n)+$/;

type Version = 'HTTP_1_1' | 'HTTP_2';

async function java(version: Version, url: string, ...mode: readonly string[]): Promise<string> {
  const { stdout, stderr } = await world().run('java', [program, version, url, ...mode], { timeoutMs: 45_000 });
  expect(stderr).toMatch(PICKED_UP);
  return stdout;
}

async function fetches(version: Version, origin: string, protocol: 'h1' | 'h2'): Promise<void> {
  expect(await java(version, `${world().url(origin)}/`)).toBe(echoed('GET') + echoed('POST', MIB));
  expectSeen(world().origin(origin).taken(), protocol, ['GET /', 'POST /']);
}

async function streams(version: Version, origin: string, protocol: 'h1' | 'h2', tell: Tell): Promise<void> {
  expect(await java(version, `${world().url(origin)}/`, 'events')).toBe(ALL_EVENTS);
  expectSeen(world().origin(origin).taken(), protocol);
  tell(timesText(events.timesMs));
}

const NEEDS = '`postern ca export --format p12` before `postern env`';
const timeoutMs = 60_000;

client(
  {
    name: 'Java HttpClient',
    version: versionOf('java', ['-version'], /version "([^"]+)"/),
    install: 'apt-get install default-jdk-headless',
    needs: NEEDS,
  },
  (prove) => {
    prove({ protocol: 'h1', what: 'GET, and POST of 1 MiB', timeoutMs }, () => fetches('HTTP_2', 'h1', 'h1'));
    prove({ protocol: 'h1', what: 'the same by HTTP/1.1 alone where the origin speaks both', timeoutMs }, () =>
      fetches('HTTP_1_1', 'both', 'h1'),
    );
    prove({ protocol: 'h2', what: 'GET, and POST of 1 MiB', timeoutMs }, () => fetches('HTTP_2', 'both', 'h2'));
    prove({ protocol: 'sse', what: 'a stream of events', timeoutMs }, (tell) => streams('HTTP_2', 'h1', 'h1', tell));
    prove({ protocol: 'h2', what: 'a stream of events', timeoutMs }, (tell) => streams('HTTP_2', 'both', 'h2', tell));
    prove({ protocol: 'ws', what: 'a text', timeoutMs }, async () => {
      const url = `${world().url('h1').replace('https', 'wss')}/chat`;
      expect(await java('HTTP_2', url, 'chat')).toBe('hello\n');
      expectSeen(world().origin('h1').taken(), 'ws', ['GET /chat']);
    });
  },
);

client(
  {
    name: 'Maven',
    version: versionOf('mvn', ['--version'], /Apache Maven (\S+?)(?:\x1b|\s)/),
    install: 'apt-get install maven',
    needs: `${NEEDS}; a repository in the project or \`settings.xml\`, where it is not the public one`,
  },
  (prove) => {
    prove({ protocol: 'h1', what: 'a parent project and an extension of a repository', timeoutMs }, async () => {
      const { home, url, run, origin } = world();
      const cwd = join(home, 'maven');
      mkdirSync(cwd);
      const where = `<id>own</id><url>${url('repository')}</url>`;
      const project = `<project><modelVersion>4.0.0</modelVersion>
<parent><groupId>test.probe</groupId><artifactId>parent</artifactId><version>1.0</version><relativePath/></parent>
<artifactId>user</artifactId><packaging>pom</packaging>
<repositories><repository>${where}</repository></repositories>
<pluginRepositories><pluginRepository>${where}</pluginRepository></pluginRepositories>
<build><extensions><extension><groupId>test.probe</groupId><artifactId>extension</artifactId><version>1.0</version></extension></extensions></build>
</project>`;
      writeFileSync(join(cwd, 'pom.xml'), project);
      // The JVM asks the system, and not HOME, for the home of its user.
      const own = ['-B', `-Duser.home=${cwd}`, `-Dmaven.repo.local=${join(cwd, 'repository')}`];
      const { code, stdout } = await run('mvn', [...own, 'validate'], { cwd, timeoutMs: 45_000 });
      expect(stdout).toContain('BUILD SUCCESS');
      expect(code).toBe(0);
      expect(readFileSync(join(cwd, 'repository/test/probe/extension/1.0/extension-1.0.jar')).length).toBeGreaterThan(
        0,
      );
      const seen = origin('repository').taken();
      expectSeen(seen, 'h1');
      expect(seen.map(({ path }) => path)).toEqual(expect.arrayContaining(Object.keys(REPOSITORY)));
    });
  },
);
