import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ClientSpec } from './client-matrix.ts';
import { versionOf } from './client-matrix.ts';

const folder = fileURLToPath(new URL('../clients/python/', import.meta.url));

/** The interpreter with the packages of `test/clients/python/requirements.txt`. */
export const PYTHON = `${folder}.venv/bin/python`;

/** A program that one of them brings. */
export const pythonProgram = (name: string): string => `${folder}.venv/bin/${name}`;

export const pythonFile = (name: string): string => folder + name;

/** What says whether a package is there. */
export function pythonPackage(name: string): Pick<ClientSpec, 'version' | 'install'> {
  const install = 'bash test/clients/install.sh python';
  if (!existsSync(PYTHON)) return { version: null, install };
  const script = `import importlib.metadata as m; print(m.version('${name}'))`;
  return { version: versionOf(PYTHON, ['-c', script], /^(\S+)/), install };
}
