import { parentCredentials } from '../inject/open.ts';
import type { SecretSource } from '../policy/model.ts';
import type { Resolved } from '../secrets/sources.ts';
import { buildParent } from '../upstream/parent.ts';
import type { ParentSettings } from './settings.ts';
import type { Snapshot } from './snapshot.ts';

/** The parent proxy of a generation, and what it is told. The two are apart, since tunnels keep the first for hours. */
export function parentOf(
  settings: ParentSettings | null,
  resolvedOf: (source: SecretSource) => Resolved,
): Pick<Snapshot, 'parent' | 'parentCredentials'> {
  if (settings === null) return { parent: null, parentCredentials: () => null };
  const { user, ...endpoint } = settings;
  const parent = buildParent({ ...endpoint, username: user?.name ?? null });
  if (user === null) return { parent, parentCredentials: () => null };
  const password = resolvedOf(user.password);
  return { parent, parentCredentials: () => parentCredentials(user.name, password) };
}
