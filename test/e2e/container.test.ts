import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { execForm, type Instruction, readCopy, readDockerfile } from '../support/dockerfile.ts';
import { suiteFolder } from '../support/folder.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { Postern } from '../support/postern.ts';
import { connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const [buildStage = [], imageStage = []] = readDockerfile();
const IMAGE_UID = 65532;
const isRoot = process.getuid?.() === 0;

const all = (stage: readonly Instruction[], name: string): readonly Instruction[] =>
  stage.filter((instruction) => instruction.name === name);

function only(name: string): Instruction {
  const [instruction, ...more] = all(imageStage, name);
  if (instruction === undefined || more.length > 0) throw new Error(`the image has ${name} not exactly once`);
  return instruction;
}

/**
 * The steps of the Dockerfile, in empty folders: /build is `build`, the root of the image is `image`. What `npm ci` installs is linked from
 * this project's own node_modules, since a test downloads nothing; the script that it ends with runs as it does there.
 */
const folder = suiteFolder();
const build = join(folder, 'build');
const image = join(folder, 'image');
const work = only('WORKDIR').text;

beforeAll(() => {
  mkdirSync(build);
  for (const copy of all(buildStage, 'COPY').map(readCopy)) {
    for (const source of copy.sources)
      cpSync(join(ROOT, source), join(build, copy.target, copy.target === './' ? source : ''), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(build, 'node_modules'));
  for (const { text } of all(buildStage, 'RUN')) {
    const command = text.replace(/\bnpm ci\b/, 'npm run --silent prepare');
    execFileSync('/bin/sh', ['-ec', command], { cwd: build, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  mkdirSync(join(image, work), { recursive: true });
  for (const instruction of all(imageStage, 'COPY')) copyToImage(instruction);
  makeReadOnly(image);
}, 30_000);

function copyToImage(instruction: Instruction): void {
  const { from, owner, sources, target } = readCopy(instruction);
  expect(from).toBe('build');
  const found = sources.map((pattern) => [pattern, globSync(join(folder, pattern))] as const);
  expect(found.filter(([, paths]) => paths.length === 0)).toEqual([]);
  for (const source of found.flatMap(([, paths]) => paths)) {
    const path = join(image, work, target, target === './' ? basename(source) : '');
    cpSync(realpathSync(source), path, { recursive: true, mode: constants.COPYFILE_FICLONE });
    if (owner !== null && isRoot) chownSync(path, IMAGE_UID, IMAGE_UID);
  }
}

/** As `docker run --read-only`: nothing can be written but in the folders that are given to the user. */
function makeReadOnly(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory() && !volumes().includes(inner)) makeReadOnly(inner);
    else if (entry.isFile()) chmodSync(inner, statSync(inner).mode & 0o555);
  }
  chmodSync(path, 0o555);
}

const volumes = (): readonly string[] =>
  all(imageStage, 'COPY')
    .map(readCopy)
    .filter(({ owner }) => owner !== null)
    .map(({ target }) => join(image, work, target));

/** A command of the image, with its paths where the image lies, and ports that are free. */
const inImage = (words: readonly string[], ports: Readonly<Record<string, number>>): readonly string[] =>
  words.map((word) =>
    Object.entries(ports).reduce(
      (text, [port, other]) => text.replaceAll(`:${port}`, `:${other}`),
      word.startsWith(`${work}/`) ? join(image, word) : word,
    ),
  );

const asImageUser = isRoot ? { uid: IMAGE_UID, gid: IMAGE_UID } : {};

/** What ENTRYPOINT and CMD start; postern.yaml and policies are mounted over those of the image, as an operator does. */
async function startImage(originPort: number): Promise<Postern> {
  const mounted = mountedFiles(originPort);
  const command = [
    ...execForm(only('ENTRYPOINT')),
    ...execForm(only('CMD')),
    '--config',
    join(mounted, 'postern.yaml'),
  ];
  const [program = '', ...args] = inImage(command, { 8080: 0 });
  const child = spawn(program, args, {
    ...asImageUser,
    cwd: join(image, work),
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const postern = new Postern(join(image, work), child);
  closeAfterTest(postern, () => postern.close());
  const port = (pattern: RegExp): Promise<number> =>
    postern.until(() => {
      const found = pattern.exec(postern.stderr)?.[1];
      return found === undefined ? undefined : Number(found);
    });
  postern.proxyPort = await port(/"listener":"0\.0\.0\.0:(\d+)"[^\n]*"msg":"listening"/);
  postern.adminPort = await port(/"listener":"127\.0\.0\.1:(\d+)"[^\n]*"msg":"admin listening"/);
  return postern;
}

function mountedFiles(originPort: number): string {
  const mounted = join(folder, 'mounted');
  const { settings, files = {} } = loopback();
  const policy = `version: 1
secrets: { token: { file: secret.txt } }
rules: [{ hosts: [origin.test], ports: [${originPort}], inject: [{ bearer: "\${token}" }] }]
`;
  const config = {
    version: 1,
    admin: { listen: ['127.0.0.1:0'] },
    policies: 'policy.yaml',
    ca: { dir: join(image, work, 'certs') },
    log: { audit: join(image, work, 'audit/audit.jsonl') },
    ...settings,
  };
  mkdirSync(mounted, { recursive: true });
  const texts = { ...files, 'postern.yaml': JSON.stringify(config), 'policy.yaml': policy };
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(mounted, name), text, { mode: 0o600 });
    if (isRoot) chownSync(join(mounted, name), IMAGE_UID, IMAGE_UID);
  }
  return mounted;
}

function healthOf(adminPort: number): number | null {
  const [program = '', ...args] = inImage(execForm(only('HEALTHCHECK')), { 9464: adminPort });
  return spawnSync(program, args, { ...asImageUser, cwd: join(image, work), env: {}, timeout: 5_000 }).status;
}

describe('the image of the Dockerfile', () => {
  it('holds the node binary, the built program, the policies and two empty folders, and nothing else', () => {
    expect(readdirSync(join(image, work)).sort()).toEqual(['audit', 'certs', 'dist', 'node', 'policies']);
    expect(readdirSync(join(image, work, 'dist')).filter((name) => !name.endsWith('.js'))).toEqual([]);
    expect(readdirSync(join(image, work, 'certs'))).toEqual([]);
    expect(only('USER').text).toBe(`${IMAGE_UID}:${IMAGE_UID}`);
    expect(only('EXPOSE').text).toBe('8080');
  });

  it('has a node binary that links only what its base image has', () => {
    const linked = execFileSync('ldd', [join(image, work, 'node')], { encoding: 'utf8' });
    const names = [...linked.matchAll(/^\s*(?:\S*\/)?(\S+?)\.so/gm)].map(([, name]) => name);
    const base = [
      'ld-linux-x86-64',
      'ld-linux-aarch64',
      'libc',
      'libdl',
      'libgcc_s',
      'libm',
      'libpthread',
      'libstdc++',
    ];
    expect(names.filter((name) => name !== 'linux-vdso' && !base.includes(name ?? ''))).toEqual([]);
  });

  it('is built only from what .dockerignore lets through', () => {
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    expect(ignored).toContain('*');
    const sources = all(buildStage, 'COPY').flatMap((instruction) => readCopy(instruction).sources);
    expect(ignored.filter((line) => line.startsWith('!')).sort()).toEqual(sources.map((source) => `!${source}`).sort());
  });

  it('serves an injected request as its own user on a file system that it cannot write to, and is healthy while it does', async () => {
    const origin = await startOrigin({
      tls: certificateFor('origin.test'),
      onConnection: answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    });
    const postern = await startImage(origin.port);
    expect(healthOf(postern.adminPort)).toBe(0);
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`GET / HTTP/1.1\r\nHost: origin.test:${origin.port}\r\n\r\n`);
    await client.until(/ok$/);
    expect(origin.connections[0]?.received).toContain(`Authorization: Bearer ${SECRET}\r\n`);
    client.end();
    expect(await postern.stop()).toBe(0);
    expect(readFileSync(join(image, work, 'audit/audit.jsonl'), 'utf8')).toContain('"host":"origin.test"');
    expect(existsSync(join(image, work, 'certs/ca-key.pem'))).toBe(true);
    expect(healthOf(postern.adminPort)).toBe(1);
  });
});
