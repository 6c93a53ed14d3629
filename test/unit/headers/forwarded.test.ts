import { describe, expect, it } from 'vitest';
import { forwardedValue, isForwardingField } from '../../../src/headers/forwarded.ts';

describe('Forwarded', () => {
  it.each([
    ['api.example.com', 'for=_vm-42;host=api.example.com;proto=https'],
    ['api.example.com:8443', 'for=_vm-42;host="api.example.com:8443";proto=https'],
    ['[2001:db8::1]', 'for=_vm-42;host="[2001:db8::1]";proto=https'],
    ['[2001:db8::1]:80', 'for=_vm-42;host="[2001:db8::1]:80";proto=https'],
  ])('quotes what is no token, and has no address of the client: %s', (host, value) => {
    expect(forwardedValue({ sandbox: 'vm-42', host, proto: 'https' })).toBe(value);
  });
});

describe('a field that says where a request comes from', () => {
  it.each([
    ['forwarded'],
    ['x-forwarded-for'],
    ['x_forwarded_for'],
    ['x-forwarded'],
    ['x-forwarded-client-cert'],
    ['x-real-ip'],
    ['x_real-ip'],
    ['x-postern-statement'],
    ['x_postern_statement'],
    ['true-client-ip'],
  ])('is told: %s', (name) => {
    expect(isForwardingField(name)).toBe(true);
  });

  it.each([['x-forward'], ['authorization'], ['via'], ['x-posterns'], ['postern']])('is not %s', (name) => {
    expect(isForwardingField(name)).toBe(false);
  });
});
