import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatFinding } from '../../../src/policy/finding.ts';
import { compilePaths, pathMatches } from '../../../src/policy/path-patterns.ts';
import { readPolicy } from '../../../src/policy/reading/read.ts';
import { policyShape, ruleShape } from '../../../src/policy/reading/schema.ts';

const text = readFileSync(new URL('../../../docs/policy.md', import.meta.url), 'utf8');

/** Every YAML block that is a whole file, with the messages that the document shows below it. */
const blocks = [...text.matchAll(/```yaml\n(version: 1\n.*?)```(?:\n\n```text\n(.*?)```)?/gs)].map(
  ([, yaml = '', messages = '']) => ({ yaml, messages }),
);

describe('docs/policy.md', () => {
  it.each(blocks.map((block, index) => [index, block] as const))(
    'shows policy %i as it is read, and its messages word for word',
    (_, { yaml, messages }) => {
      const { findings } = readPolicy(yaml, 'policies/dev.yaml');
      expect(findings.map((finding) => `${formatFinding(finding)}\n`).join('')).toBe(messages);
    },
  );

  it('shows what path patterns match as they do', () => {
    const rows = [...text.matchAll(/^\| `(\/[^`]*)` \| (.*?) \| (.*?) \|$/gm)];
    expect(rows.length).toBe(5);
    for (const [, pattern = '', matched = '', unmatched = ''] of rows) {
      const paths = compilePaths([pattern], 'allow');
      for (const [, path = ''] of matched.matchAll(/`(.*?)`/g))
        expect([pattern, path, pathMatches(paths, path)]).toEqual([pattern, path, true]);
      for (const [, path = ''] of unmatched.matchAll(/`(.*?)`/g))
        expect([pattern, path, pathMatches(paths, path)]).toEqual([pattern, path, false]);
    }
  });

  it('names every key of a file and of a rule', () => {
    expect(blocks.length).toBeGreaterThan(15);
    for (const key of [...Object.keys(policyShape.shape), ...Object.keys(ruleShape.shape)])
      expect(text).toMatch(new RegExp(`\\b${key}\\b`));
  });
});
