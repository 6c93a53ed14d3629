import { describe, expect, it } from 'vitest';
import { schemaOf } from '../../../src/cli/json-schema.ts';
import * as schema from '../../../src/cli/schema.ts';
import { runIn } from './support.ts';

describe('postern schema', () => {
  it.each([
    [[], 'Postern policy', 'rules'],
    [['policy'], 'Postern policy', 'rules'],
    [['config'], 'postern.yaml', 'listen'],
    [['audit'], 'Postern audit line', 'generation'],
  ])('prints JSON Schema: %j', async (args, title, key) => {
    const { status, out, err } = await runIn('/', schema, args);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const printed: unknown = JSON.parse(out);
    expect(printed).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title,
      type: 'object',
      additionalProperties: false,
      properties: { [key]: expect.anything() },
    });
  });

  it('exits 2 for anything else', async () => {
    for (const args of [['nope'], ['policy', 'config'], ['--x']]) {
      expect(await runIn('/', schema, args)).toMatchObject({
        status: 2,
        out: '',
        err: expect.stringContaining('postern schema'),
      });
    }
  });
});

describe('the schema of a policy', () => {
  const policy = schemaOf('policy');

  it('requires the version, and allows no other keys anywhere', () => {
    expect(policy).toMatchObject({ required: ['version'], additionalProperties: false });
    const open: string[] = [];
    collect(policy, '', open);
    expect(open).toEqual([]);
  });

  it('describes one thing in each of its places by its own words', () => {
    const text = JSON.stringify(policy);
    expect(text).toContain('Proxy-Authorization: Basic NAME:TOKEN');
    expect(text).not.toContain('Needed from elsewhere than this machine');
    expect(JSON.stringify(schemaOf('config'))).toContain('Needed from elsewhere than this machine');
  });
});

/** Collects the paths of maps with named keys that would take others too. */
function collect(node: unknown, path: string, open: string[]): void {
  if (typeof node !== 'object' || node === null) return;
  if ('properties' in node && !('additionalProperties' in node && node.additionalProperties === false)) open.push(path);
  for (const [key, value] of Object.entries(node)) collect(value, `${path}/${key}`, open);
}
