import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { benchFolder, ensureFolder, peersFolder, projectFolder } from '../harness/paths.ts';
import type { PeerContext } from './peer.ts';

/** The first x.y of what a program prints about itself, or undefined where it cannot be run. */
export function versionOf(program: string, ...argv: readonly string[]): string | undefined {
  const result = spawnSync(program, argv, { encoding: 'utf8' });
  if (result.error !== undefined || result.status !== 0) return undefined;
  return /\d+\.\d+[\w.]*/.exec(result.stdout + result.stderr)?.[0];
}

/** The version in a folder's package.json, or undefined where there is none. */
export function manifestVersion(folder: string): string | undefined {
  const file = join(folder, 'package.json');
  return existsSync(file) ? /"version": *"([^"]+)"/.exec(readFileSync(file, 'utf8'))?.[1] : undefined;
}

/** The version of an npm package under the project's or the peers' node_modules. */
export function packageVersion(name: string): string | undefined {
  const folders = [projectFolder, peersFolder].map((folder) => join(folder, 'node_modules', name));
  return folders.map(manifestVersion).find((version) => version !== undefined);
}

/**
 * A peer written as one TypeScript file in peers/programs, as a command. Its types are stripped beforehand, so that its time to start
 * is its own; it lies in the peers' folder, where both its packages and the project's are found.
 */
export function nodeProgram(name: string): readonly string[] {
  const source = readFileSync(join(benchFolder, 'peers', 'programs', `${name}.ts`), 'utf8');
  const output = join(ensureFolder(peersFolder), `${name}.mjs`);
  writeFileSync(output, stripTypeScriptTypes(source));
  return [process.execPath, output];
}

/** The settings that our own small peers read. */
export function environmentOf(context: PeerContext): Record<string, string> {
  const { certificates } = context;
  return {
    BENCH_LISTEN: `127.0.0.1:${context.port}`,
    BENCH_ORIGIN_PORT: String(context.originPort),
    BENCH_BEARER: context.bearer,
    BENCH_TRUST: certificates.trust,
    BENCH_CA_CERT: certificates.caCert,
    BENCH_CA_KEY: certificates.caKey,
    BENCH_LEAF_CERT: certificates.leafCert,
    BENCH_LEAF_KEY: certificates.leafKey,
    BENCH_FOLDER: context.folder,
    BENCH_HTTP2: context.http2 ? '1' : '',
  };
}
