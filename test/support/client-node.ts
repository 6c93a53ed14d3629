import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ClientSpec, NODE_PACKAGES } from './client-matrix.ts';

const folder = fileURLToPath(new URL('../clients/node/', import.meta.url));

export const nodeFile = (name: string): string => folder + name;

/** What says whether a package of `test/clients/node/package.json` is there. */
export function nodePackage(name: string): Pick<ClientSpec, 'version' | 'install'> {
  const file = join(NODE_PACKAGES, name, 'package.json');
  const version = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version
    : null;
  return { version, install: 'bash test/clients/install.sh node' };
}
