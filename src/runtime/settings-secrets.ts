import type { SecretSource } from '../policy/model.ts';
import type { Settings } from './settings.ts';

/** A secret that postern.yaml itself has. */
export interface SettingsSecret {
  readonly source: SecretSource;
  /** Where it stands. */
  readonly path: string;
  /** As messages call it. */
  readonly what: string;
}

/** Every secret that postern.yaml itself has: they are read, watched and checked like those of policies. */
export function sourcesOfSettings({ admin, upstream }: Settings): readonly SettingsSecret[] {
  const password = upstream.proxy?.user?.password ?? null;
  return [
    ...(admin.token === null ? [] : [{ source: admin.token, path: 'admin.token', what: 'admin token' }]),
    ...(password === null
      ? []
      : [{ source: password, path: 'upstream.proxy.password', what: 'password for the parent proxy' }]),
  ];
}
