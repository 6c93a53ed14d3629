import { expect, it } from 'vitest';
import { readPolicy } from '../../../src/policy/reading/read.ts';
import { chooseSandboxes, type GovernedByName } from '../../../src/runtime/in-force.ts';
import { policyListeners } from '../../../src/runtime/policy-sockets.ts';
import { defaultSettings } from '../../../src/runtime/read-settings.ts';

type Texts = Readonly<Record<string, string>>;

function inForce(texts: Texts, before: GovernedByName = new Map()): GovernedByName {
  const policies = Object.entries(texts).map(([file, text]) => ({ file, hash: text, ...readPolicy(text, file) }));
  const files = { settings: defaultSettings('/'), settingsFindings: [], policies, policiesFindings: [] };
  return chooseSandboxes(files, before).governed;
}

const sandbox = (name: string, match: string): string =>
  `version: 1\nsandbox: { name: ${name}, match: [${match}] }\nrules: []\n`;
const socket = (path: string): string => `{ listener: "unix:${path}" }`;

const settings = defaultSettings('/');
const wanted = (governed: GovernedByName, more = settings): readonly string[] =>
  policyListeners(governed, more).map(({ text }) => text);

const A = sandbox(
  'a',
  `${socket('/run/a')}, ${socket('/run/a2')}, { listener: "127.0.0.1:8080" }, { source: 10.0.0.1/32 }`,
);
const B = sandbox('b', socket('/run/b'));

it('the sockets of policies are those that their match names, and no TCP listener', () => {
  expect(wanted(inForce({ 'a.yaml': A, 'b.yaml': B }))).toEqual(['unix:/run/a', 'unix:/run/a2', 'unix:/run/b']);
});

it('one that listen.proxy has is not opened twice', () => {
  const path = '/run/a';
  const proxy = [{ kind: 'unix', path, text: `unix:${path}` }] as const;
  expect(
    wanted(inForce({ 'a.yaml': A }), { ...settings, listen: { transparent: [], dns: [], dnsAnswers: [], proxy } }),
  ).toEqual(['unix:/run/a2']);
});

it('a policy that does not load any more keeps its sockets, one that went away does not', () => {
  const before = inForce({ 'a.yaml': A, 'b.yaml': B });
  expect(wanted(inForce({ 'a.yaml': A, 'b.yaml': 'version: 1\nrules: [' }, before))).toContain('unix:/run/b');
  expect(wanted(inForce({ 'a.yaml': A }, before))).toEqual(['unix:/run/a', 'unix:/run/a2']);
});

it('a socket that two files claim is opened for neither', () => {
  expect(wanted(inForce({ 'a.yaml': sandbox('a', socket('/run/b')), 'b.yaml': B }))).toEqual([]);
});
