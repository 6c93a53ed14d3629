import { expect } from 'vitest';
import { formatFinding } from '../../../src/policy/finding.ts';
import type { Finding, InjectionSpec, PolicySpec, RuleSpec } from '../../../src/policy/model.ts';
import { readPolicy } from '../../../src/policy/reading/read.ts';

/** Findings as commands print them, without the name of the file. */
export const shown = (findings: readonly Finding[]): readonly string[] =>
  findings.map((finding) => formatFinding(finding, 'f').slice('f:'.length));

export const findingsOf = (text: string): readonly string[] =>
  shown(readPolicy(text, '/etc/postern/policies/f.yaml').findings);

/** The policy of a text that must have neither errors nor warnings. */
export function policyOf(text: string): PolicySpec {
  const { spec, findings } = readPolicy(text, '/etc/postern/policies/f.yaml');
  expect(shown(findings)).toEqual([]);
  return spec ?? expect.fail('the policy was refused without a finding');
}

const ruleText = (keys: readonly string[]): string =>
  [
    'version: 1',
    'secrets: { key: { env: KEY } }',
    'rules:',
    '  - hosts: [api.example.com]',
    ...keys.map((key) => `    ${key}`),
    '',
  ].join('\n');

/** What is wrong with a rule of these lines, after `hosts`; the first stands in line 5. Warnings about the unused secret aside. */
export const ruleFindings = (...keys: readonly string[]): readonly string[] =>
  findingsOf(ruleText(keys)).filter((line) => !line.includes('secrets.key'));

/** A rule of these lines, which must be right. */
export function ruleOf(...keys: readonly string[]): RuleSpec {
  const { spec, findings } = readPolicy(ruleText(keys), 'f.yaml');
  expect(shown(findings).filter((line) => !line.includes('secrets.key'))).toEqual([]);
  return spec?.rules[0] ?? expect.fail('the rule was refused without a finding');
}

/** What is wrong with one entry of `inject`, in line 6, column 9. */
export const injectFindings = (entry: string): readonly string[] => ruleFindings('inject:', `  - ${entry}`);

export const injectionOf = (entry: string): InjectionSpec =>
  ruleOf('methods: [GET]', 'inject:', `  - ${entry}`).inject[0] ?? expect.fail('nothing is injected');
