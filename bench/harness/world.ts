import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from './certificates.ts';
import { type Origin, startOrigin } from './origin.ts';
import { type Cores, removeAtExit, stop } from './processes.ts';

/** What every round needs: cores, certificates, an origin, and one whose certificate nobody should accept. */
export interface World {
  readonly cores: Cores;
  readonly folder: string;
  readonly certificates: Certificates;
  readonly bearer: string;
  readonly origin: Origin;
  readonly stranger: Origin;
  readonly verbose: boolean;
  close(): Promise<void>;
}

/** Makes it, in a temporary folder that goes when the run ends. */
export async function openWorld(cores: Cores, verbose: boolean): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  removeAtExit(folder);
  chmodSync(folder, 0o755); // peers that give up root must reach their own folders; the credential is made up
  const certificates = makeCertificates(folder);
  const bearer = 'bench-credential-0123456789abcdef';
  const origin = await startOrigin(cores.load, certificates.originCert, certificates.originKey, bearer);
  const stranger = await startOrigin(cores.load, certificates.strangerCert, certificates.strangerKey, bearer);
  return {
    cores,
    folder,
    certificates,
    bearer,
    origin,
    stranger,
    verbose,
    async close() {
      await Promise.all([stop(origin.child), stop(stranger.child)]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
