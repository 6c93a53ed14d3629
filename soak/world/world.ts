import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeCertificates } from '../../bench/harness/certificates.ts';
import { type Origins, type Ports, startOrigins } from '../origin/servers.ts';
import { Admin } from './admin.ts';
import { policyTexts, settingsText } from './configuration.ts';
import { Credentials } from './credentials.ts';
import { type Program, startProgram } from './program.ts';

/** What every kind and disturbance works on. */
export interface World {
  readonly folder: string;
  readonly ports: Ports;
  readonly proxyPort: number;
  /** PEM of Postern's authority, and of the origin's. */
  readonly proxyCa: string;
  readonly originCa: string;
  /** The path of the origin's authority, which Postern trusts. */
  readonly trust: string;
  readonly credentials: Credentials;
  readonly admin: Admin;
  readonly program: Program;
  readonly origins: Origins;
  /** Replaces a file by rename, so that nobody reads half of it. */
  replace(path: string, text: string): void;
  /** Ends everything. Resolves with Postern's exit status. */
  close(): Promise<number | null>;
  /** The folder goes; where something went wrong it is worth keeping. */
  remove(): void;
}

/** Makes certificates, origins and policies in a temporary folder, and starts Postern there. */
export async function openWorld(onLine: (line: string) => void): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-soak-'));
  const certificates = makeCertificates(folder);
  const credentials = new Credentials();
  const origins = await startOrigins(certificates, credentials);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode: 0o600 });
  };
  write('postern.yaml', settingsText(certificates.trust, origins.ports));
  write('admin-token', credentials.admin);
  write('sandbox-token', credentials.token);
  write('secrets/fixed', credentials.fixed);
  write('secrets/body', credentials.inBody);
  write('secrets/rotating', credentials.rotating.next());
  for (const [name, text] of Object.entries(policyTexts(origins.ports))) write(`policies/${name}`, text);
  const program = await startProgram(folder, onLine);
  return {
    folder,
    ports: origins.ports,
    proxyPort: program.proxyPort,
    proxyCa: readFileSync(join(folder, 'certs/ca.pem'), 'utf8'),
    originCa: readFileSync(certificates.trust, 'utf8'),
    trust: certificates.trust,
    credentials,
    admin: new Admin(program.adminPort, credentials.admin),
    program,
    origins,
    replace(path, text) {
      write('draft', text);
      renameSync(join(folder, 'draft'), join(folder, path));
    },
    async close() {
      const status = await program.stop();
      await origins.close();
      return status;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
