import { parseArgs } from 'node:util';
import { parseAuthority } from '../address/authority.ts';
import { type Field, field } from '../headers/field-list.ts';
import { requestWithoutHopByHop } from '../headers/hop-by-hop.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { RequestFacts } from '../policy/decision.ts';
import { explain } from '../policy/explain.ts';
import { explainText } from '../policy/explain-text.ts';
import { DEFAULT_PORTS } from '../policy/match.ts';
import type { SandboxSpec } from '../policy/model.ts';
import type { CommandIo } from './command.ts';
import { RefusedError, reportFailure, UsageError } from './failure.ts';
import { namedOrOnly, namesOf, sandboxesFor } from './policies-for.ts';

export const help = `postern explain [--policy PATH] [--sandbox NAME] [--header 'NAME: VALUE']… [--json] METHOD URL

What would be decided for a request, by which rule and why, and what would be added to it (names, never values).
Exit status: 0 the policy allows it, 1 it does not (also where it only observes), 2 usage.

  METHOD URL      e.g. GET https://api.github.com/repos/acme/web; ws:// and wss:// are WebSocket upgrades. The path is taken
                  as it is written: clients such as curl resolve "/../" before they send it, others do not
  --policy PATH   a policy file, or a folder whose *.yaml are read (default: where postern.yaml says, else policies/)
  --sandbox NAME  for whom, where the policies have more than one sandbox
  --header LINE   a field of the request; may be given more than once
  --config FILE   postern.yaml
  --json          the same as JSON
`;

const OPTIONS = {
  policy: { type: 'string' },
  sandbox: { type: 'string' },
  header: { type: 'string', multiple: true },
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const { values, method, url } = argumentsOf(args);
    const facts = factsOf(method, url, values.header ?? []);
    const policy = compilePolicy(chosen(sandboxesFor(values, io), values.sandbox));
    const explanation = explain(policy, facts);
    io.out(values.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : explainText(explanation));
    return explanation.decision === 'allow' ? 0 : 1;
  } catch (error) {
    return reportFailure(error, 'postern explain', help, io);
  }
}

function argumentsOf(args: readonly string[]): { values: Values; method: string; url: string } {
  const { values, positionals } = parsed(args);
  const [method, url, ...more] = positionals;
  if (method === undefined || url === undefined || more.length > 0) throw new UsageError('give one method and one URL');
  if (!TOKEN.test(method)) throw new UsageError(`"${method}" is not a method`);
  return { values, method, url };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read');
  }
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const URL_PARTS = /^(https?|wss?):\/\/([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?$/s;

/** The URL as a request would carry it. Not read by `new URL`, which would resolve what the policy has to see. */
function factsOf(method: string, url: string, headers: readonly string[]): RequestFacts {
  const [, given, authority = '', path = '', query] = URL_PARTS.exec(url) ?? [];
  if (given === undefined) throw new UsageError(`"${url}" is not an http, https, ws or wss URL`);
  const scheme = given === 'https' || given === 'wss' ? 'https' : 'http';
  const reading = parseAuthority(authority, DEFAULT_PORTS[scheme]);
  if (!reading.ok) throw new UsageError(`"${authority}" ${reading.why}`);
  return {
    method,
    scheme,
    host: reading.host,
    port: reading.port,
    path: path === '' ? '/' : path,
    query: query ?? null,
    fields: requestWithoutHopByHop(headers.map(fieldOf)),
    websocket: given.startsWith('ws'),
  };
}

function fieldOf(text: string): Field {
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(0, colon));
  if (!TOKEN.test(name)) throw new UsageError(`"${text}" is not a field; write "NAME: VALUE"`);
  return field(name, text.slice(colon + 1).trim());
}

function chosen(sandboxes: readonly SandboxSpec[], name: string | undefined): SandboxSpec {
  if (sandboxes.length === 0)
    throw new RefusedError('there is no policy, so everything is denied; "postern init" writes one');
  const found = namedOrOnly(sandboxes, name);
  if (found === null) throw new UsageError(`name a sandbox with --sandbox: ${namesOf(sandboxes)}`);
  return found;
}
