import { join } from 'node:path';
import { keyVariables } from '../../environment/keys.ts';
import { sandboxVariables } from '../../environment/variables.ts';
import { compilePolicy } from '../../policy/compile.ts';
import type { SandboxSpec, SecretSource } from '../../policy/model.ts';
import type { Settings } from '../../runtime/settings.ts';

import type { Environment } from './child.ts';
import { BUNDLE_FILE, CA_FILE, TRUST_STORE_FILE } from './private-folder.ts';

/** Every variable that a secret or a token of these files is read from (SEMANTICS.md 13, "run"), of whatever sandbox. */
export function secretVariables(sandboxes: readonly SandboxSpec[], { admin }: Settings): ReadonlySet<string> {
  return new Set(
    secretSources(sandboxes, admin.token).flatMap((source) => (source.kind === 'env' ? [source.variable] : [])),
  );
}

export function secretSources(
  sandboxes: readonly SandboxSpec[],
  adminToken: SecretSource | null,
): readonly SecretSource[] {
  const ofSandboxes = sandboxes.flatMap(({ secrets, match }) => [
    ...secrets.map(({ source }) => source),
    ...(match ?? []).flatMap(({ token }) => token ?? []),
  ]);
  return adminToken === null ? ofSandboxes : [...ofSandboxes, adminToken];
}

export interface Surroundings {
  readonly proxyUrl: string;
  /** The folder of the CA's public files, as the command sees it. */
  readonly shown: string;
  /** Whose policy it is. */
  readonly sandbox: SandboxSpec;
}

/** The environment of the command: ours without secrets, and what `postern env` prints. */
export function commandEnvironment(
  ours: Environment,
  hidden: ReadonlySet<string>,
  { proxyUrl, shown, sandbox }: Surroundings,
): Environment {
  const variables = sandboxVariables({
    proxyUrl,
    caFile: join(shown, CA_FILE),
    bundleFile: join(shown, BUNDLE_FILE),
    trustStoreFile: join(shown, TRUST_STORE_FILE),
  });
  const kept = Object.entries(ours).filter(([name]) => !hidden.has(name));
  return Object.fromEntries([...kept, ...variables, ...keyVariables(compilePolicy(sandbox))]);
}
