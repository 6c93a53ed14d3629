import { parseArgs } from 'node:util';
import { AUDIT_SCHEMA } from '../observe/audit-schema.ts';
import type { CommandIo } from './command.ts';
import { schemaOf } from './json-schema.ts';

export const help = `postern schema [config|policy|audit]

Prints a JSON Schema: of a policy file (default), of postern.yaml (config), or of a line of the audit log.
For completion in an editor, write it to a file and begin each policy with a line that names it:

  postern schema policy > policy.schema.json
  # yaml-language-server: $schema=../policy.schema.json
`;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const kind = kindOf(args);
  if (kind === null) {
    io.err(`postern schema: say one of config, policy and audit\n\n${help}`);
    return 2;
  }
  const schema = kind === 'audit' ? AUDIT_SCHEMA : schemaOf(kind);
  io.out(`${JSON.stringify(schema, null, 2)}\n`);
  return 0;
}

function kindOf(args: readonly string[]): 'config' | 'policy' | 'audit' | null {
  try {
    const { positionals } = parseArgs({ args: [...args], options: {}, allowPositionals: true, strict: true });
    const [kind = 'policy', ...more] = positionals;
    return more.length === 0 && (kind === 'config' || kind === 'policy' || kind === 'audit') ? kind : null;
  } catch {
    return null;
  }
}
