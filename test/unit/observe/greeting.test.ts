import { describe, expect, it } from 'vitest';
import { type Greeting, greetingText } from '../../../src/observe/greeting.ts';
import { place } from '../../support/specs.ts';

const greeting: Greeting = {
  version: '1.2.3',
  listenOverridden: false,
  program: 'dist/postern.js',
  proxyListeners: ['127.0.0.1:8080'],
  otherListeners: { transparent: [], dns: [] },
  adminListeners: ['127.0.0.1:9464', 'unix:/run/admin.sock'],
  caFile: 'certs/ca.pem',
  caCreated: true,
  caExpires: new Date('2028-11-23T10:00:00Z'),
  policies: 'policies/',
  sandboxes: [
    { name: 'default', rules: 1, loaded: true },
    { name: 'vm-42', rules: 0, loaded: false },
  ],
  audit: 'stdout',
  findings: [{ level: 'warning', place: place(7), path: 'secrets.github', text: 'secret "github" is not available' }],
};

describe('the greeting', () => {
  it('says where everything is, what is wrong, and what to copy', () => {
    expect(greetingText(greeting)).toBe(`postern 1.2.3

  proxy      127.0.0.1:8080
  admin      http://127.0.0.1:9464/v1/status, unix:/run/admin.sock
  CA         certs/ca.pem, made just now, until 2028-11-23
  policies   policies/, an edit is in force at once
  sandboxes  default (1 rule), vm-42 (not loaded, everything is denied)
  audit      stdout

  policies/test.yaml:7:3  secrets.github  warning: secret "github" is not available

In the shell of what shall go out through it:

  eval "$(dist/postern.js env)"
`);
  });

  it('stays on one screen with hundreds of sandboxes and findings', () => {
    const many = Array.from({ length: 300 }, (_, at) => at);
    const text = greetingText({
      ...greeting,
      sandboxes: many.map((at) => ({ name: `vm-${at}`, rules: 3, loaded: true })),
      findings: many.map((at) => ({ level: 'error', place: place(at + 1), path: '', text: 'is wrong' })),
    });
    expect(text.split('\n').length).toBeLessThan(45);
    expect(text).toContain('and 292 more');
    expect(text).toContain('and 280 more; "postern check" shows all');
  });
});
