import { formatPath } from '../policy/finding.ts';
import type { Finding, PolicySpec } from '../policy/model.ts';
import { placeKey } from '../upstream/forward-targets.ts';
import type { LoadedFiles } from './loader.ts';
import type { Settings } from './settings.ts';

/** What a policy forwards to and `forward_to` of postern.yaml does not allow, each an error at its rule (SEMANTICS.md 13). */
export function forwardFindings(spec: PolicySpec, { forwardTo }: Settings): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [index, { forward, place }] of spec.rules.entries()) {
    if (forward === null) continue;
    const { host, port } = forward;
    if (forwardTo.some((each) => each.host === host && each.ports.includes(port))) continue;
    const entry = port === 443 ? `{ host: ${shown(host)} }` : `{ host: ${shown(host)}, ports: [${port}] }`;
    findings.push({
      level: 'error',
      place,
      path: formatPath(['rules', index, 'forward']),
      text: `"${placeKey(host, port)}" is not in "forward_to" of postern.yaml; an operator adds it there: forward_to: [ ${entry} ]`,
    });
  }
  return findings;
}

/** Brackets would be a list in YAML. */
const shown = (host: string): string => (host.startsWith('[') ? `"${host}"` : host);

/** The files with those that forward where they may not as not loadable: then what was in force before stays (SEMANTICS.md 10). */
export function withForwardsAllowed(files: LoadedFiles, settings: Settings): LoadedFiles {
  const policies = files.policies.map((policy) => {
    const found = policy.spec === null ? [] : forwardFindings(policy.spec, settings);
    return found.length === 0 ? policy : { ...policy, spec: null, findings: [...policy.findings, ...found] };
  });
  return { ...files, policies };
}
