import { describe, expect, it } from 'vitest';
import { absoluteTarget, tunnelTarget } from '../../../src/proxy/target.ts';

const tunnel = { scheme: 'https', host: 'a.test', port: 443 } as const;

describe('a target on the proxy itself', () => {
  it.each([
    ['http://a.test', 'GET', { host: 'a.test', port: 80, resource: '/', path: '/', query: null }],
    ['HTTP://A.Test.:8080/x?y?z', 'GET', { host: 'a.test', port: 8080, resource: '/x?y?z', path: '/x', query: 'y?z' }],
    ['http://a.test?q', 'GET', { resource: '/?q', path: '/', query: 'q' }],
    ['http://a.test', 'OPTIONS', { resource: '*', path: '*' }],
    ['http://[::1]:80/', 'GET', { host: '[::1]', port: 80 }],
  ])('%s with %s is read', (text, method, wanted) => {
    expect(absoluteTarget(text, method)).toMatchObject({ scheme: 'http', ...wanted });
  });

  it.each([
    '/x',
    '*',
    'a.test:80',
    'ftp://a.test/',
    'https://a.test/',
    'http:///x',
    'http://',
    'http://a@b.test/',
    'http://a.test:0/',
    'http://a.test:99999/',
    'http://a.test:/x',
    'http://a b/',
    'http://a.test#x',
    'http://a.test/#x',
    'http://127.1/',
    'http://%61.test/',
    'http://a..test/',
    'http:/a.test/',
    'http:\\\\a.test',
  ])('%s is refused', (text) => {
    expect(absoluteTarget(text, 'GET')).toMatchObject({ kind: 'bad' });
  });
});

describe('a target inside a tunnel', () => {
  it.each([
    ['/x?y', 'GET', { ...tunnel, resource: '/x?y', path: '/x', query: 'y' }],
    ['//evil.test/x', 'GET', { ...tunnel, resource: '//evil.test/x', path: '//evil.test/x' }],
    ['https://A.test/x', 'GET', { ...tunnel, resource: '/x' }],
    ['*', 'OPTIONS', { ...tunnel, resource: '*' }],
  ])('%s with %s is read as one of the tunnel', (text, method, wanted) => {
    expect(tunnelTarget(text, method, tunnel)).toMatchObject(wanted);
  });

  it.each(['https://b.test/', 'https://a.test:444/', 'https://a.test.evil.test/'])('%s is another host', (text) => {
    expect(tunnelTarget(text, 'GET', tunnel)).toBe('mismatch');
  });

  it.each(['*', 'http://a.test/', 'a.test:443', '', 'x', '/x#y', 'https://a.test#y'])('%s is refused', (text) => {
    expect(tunnelTarget(text, 'GET', tunnel)).toMatchObject({ kind: 'bad' });
  });
});
