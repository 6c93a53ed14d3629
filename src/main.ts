import type { Command, CommandIo } from './cli/command.ts';
import { VERSION } from './version.ts';

/** Each command is loaded when it is asked for, so that `serve` pays for none of the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: () => import('./cli/serve.ts'),
  run: () => import('./cli/run.ts'),
  check: () => import('./cli/check.ts'),
  explain: () => import('./cli/explain.ts'),
  env: () => import('./cli/env.ts'),
  ca: () => import('./cli/ca.ts'),
  doctor: () => import('./cli/doctor.ts'),
  init: () => import('./cli/init.ts'),
  schema: () => import('./cli/schema.ts'),
};

const HELP = `postern ${VERSION}: an egress proxy for code nobody trusts

  postern serve     run the proxy
  postern run       run one command behind a proxy of its own
  postern check     validate postern.yaml and policies
  postern explain   what would be decided for a request, and why
  postern env       the variables a sandbox needs
  postern ca        make, show or export the certificate authority
  postern doctor    inside a sandbox: is the proxy reachable, its CA trusted, every way around it closed
  postern init      write a starter postern.yaml and policies/
  postern schema    JSON Schema of the files, for editors

postern COMMAND --help tells more. Exit status: 0 fine, 1 refused or invalid, 2 usage; \`run\` has the command's own.
`;

async function main([name, ...args]: readonly string[], io: CommandIo): Promise<number> {
  if (name === '--version') {
    io.out(`postern ${VERSION}\n`);
    return 0;
  }
  if (name === undefined || name === '--help' || name === 'help') {
    (name === undefined ? io.err : io.out)(HELP);
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    io.err(`postern: there is no command "${name}"\n\n${HELP}`);
    return 2;
  }
  const command = await load();
  // What stands behind `--` is for the command that `run` starts.
  if (args.slice(0, args.includes('--') ? args.indexOf('--') : args.length).includes('--help')) {
    io.out(command.help);
    return 0;
  }
  return await command.run(args, io);
}

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  cwd: process.cwd(),
  env: process.env,
});
