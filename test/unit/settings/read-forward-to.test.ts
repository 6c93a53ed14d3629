import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/runtime/read-settings.ts';

const read = (list: string) => readSettings(`version: 1\nforward_to: ${list}\n`, 'etc/postern.yaml', '/srv');
const errorsOf = (list: string): readonly string[] =>
  read(list).findings.map(({ place, path, text }) => `${place.line}:${place.column}  ${path}  ${text}`);

describe('forward_to', () => {
  it('names hosts, their ports, and where they may be', () => {
    const { settings, findings } = read(
      '[ { host: audit.corp.example }, { host: "[fd00::4]", ports: [443, 8443], addresses: ["fd00::/8", 10.0.0.1] } ]',
    );
    expect(findings).toEqual([]);
    expect(settings?.forwardTo).toEqual([
      { host: 'audit.corp.example', ports: [443], addresses: null },
      { host: '[fd00::4]', ports: [443, 8443], addresses: ['fd00::/8', '10.0.0.1/32'] },
    ]);
  });

  it.each([
    [
      '[audit.corp.example]',
      '2:14  forward_to[0]  must be a map, e.g. { host: audit.corp.example, addresses: [10.20.0.0/16] }',
    ],
    ['[]', '2:13  forward_to  is empty; it must be a list, e.g. [ { host: audit.corp.example } ]'],
    ['[{ host: "*.corp.example" }]', '2:22  forward_to[0].host  "*.corp.example" has a wildcard; name each host'],
    [
      '[{ host: "https://a.example/in" }]',
      '2:22  forward_to[0].host  is a URL; write the host alone, e.g. audit.corp.example',
    ],
    [
      '[{ host: "a.example:443" }]',
      '2:22  forward_to[0].host  "a.example:443" has a port, which belongs in "ports"; write "a.example"',
    ],
    ['[{ host: A.example }]', '2:22  forward_to[0].host  "A.example" has upper-case letters; write "a.example"'],
    ['[{ host: postern.internal }]', '2:22  forward_to[0].host  "postern.internal" is the proxy\'s own name'],
    [
      '[{ host: a.example, ports: [0] }]',
      '2:41  forward_to[0].ports[0]  0 is not a port; write a number from 1 to 65535',
    ],
    [
      '[{ host: a.example }, { host: a.example, ports: [8443] }]',
      '2:43  forward_to[1].host  is the host of forward_to[0] too; make one entry of both',
    ],
  ])('is refused: %s', (list, error) => {
    expect(errorsOf(list)).toEqual([error]);
  });

  it('has addresses in canonical form', () => {
    expect(errorsOf('[{ host: a.example, addresses: [10.20.0.1/16] }]')).toEqual([
      expect.stringContaining('forward_to[0].addresses[0]  "10.20.0.1/16" '),
    ]);
    expect(errorsOf('[{ host: a.example, addresses: [] }]')).toHaveLength(1);
  });
});
