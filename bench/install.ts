import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { benchFolder, ensureFolder, peersFolder } from './harness/paths.ts';

interface Step {
  readonly what: string;
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const pythons = ['python3.13', 'python3.12', 'python3'];

function python(): string {
  return pythons.find((name) => spawnSync(name, ['--version']).status === 0) ?? 'python3';
}

function steps(): readonly Step[] {
  const venv = join(peersFolder, 'mitmproxy');
  const npm = ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', peersFolder];
  const cargo = { CARGO_TARGET_DIR: join(peersFolder, 'hudsucker') };
  return [
    { what: 'http-mitm-proxy and mockttp', argv: [...npm, 'http-mitm-proxy@1.1.0', 'mockttp@4.6.5'] },
    { what: 'a Python environment', argv: [python(), '-m', 'venv', venv] },
    { what: 'mitmproxy', argv: [join(venv, 'bin', 'pip'), 'install', '--quiet', 'mitmproxy'] },
    {
      what: 'goproxy',
      argv: ['go', 'build', '-o', join(peersFolder, 'goproxy', 'bench-goproxy'), '.'],
      cwd: join(benchFolder, 'peers', 'goproxy'),
    },
    {
      what: 'hudsucker (some minutes)',
      argv: ['cargo', 'build', '--release', '--quiet'],
      cwd: join(benchFolder, 'peers', 'hudsucker'),
      env: cargo,
    },
  ];
}

/** Installs every peer that needs no system package. One that fails is named and stays skipped; the others go on. */
export function installPeers(): void {
  ensureFolder(peersFolder);
  for (const { what, argv, cwd, env } of steps()) {
    process.stderr.write(`installing ${what}\n`);
    const [program = '', ...rest] = argv;
    const result = spawnSync(program, rest, {
      cwd: cwd ?? peersFolder,
      env: { ...process.env, ...env },
      stdio: 'inherit',
    });
    if (result.status !== 0) process.stderr.write(`  failed: ${result.error?.message ?? `status ${result.status}`}\n`);
  }
}
