import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ClientSpec, versionOf } from './client-matrix.ts';

const packages = fileURLToPath(new URL('../clients/runtimes/node_modules/', import.meta.url));

/** Programs that come as packages of npm, a package for each machine (`test/clients/runtimes/package.json`). */
const FILES = {
  deno: ['@deno/linux-x64-glibc/deno', '@deno/linux-arm64-glibc/deno'],
  bun: ['@oven/bun-linux-x64/bin/bun', '@oven/bun-linux-aarch64/bin/bun'],
  pnpm: ['@pnpm/exe.linux-x64/pnpm', '@pnpm/exe.linux-arm64/pnpm'],
} as const;

export type Runtime = keyof typeof FILES;

/** Its path; where no package has it for this machine, whatever `PATH` has. */
export const runtime = (name: Runtime): string =>
  FILES[name].map((file) => packages + file).find((path) => existsSync(path)) ?? name;

/** What says whether it is there, and runs on this machine. */
export const runtimeVersion = (name: Runtime): Pick<ClientSpec, 'version' | 'install'> => ({
  version: versionOf(runtime(name), ['--version'], /(\d+\.\d\S*)/),
  install: 'bash test/clients/install.sh runtimes',
});
