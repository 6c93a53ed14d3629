import { compare } from '../../test/differential/compare.ts';
import { throughUs } from '../../test/differential/forwarded.ts';
import { knownDifference } from '../../test/differential/known-differences.ts';
import { asWeRead, type Case, type MessageReading } from '../../test/differential/message.ts';
import { asLlhttpReads, asLlhttpReadsTo } from '../../test/differential/peers/llhttp.ts';
import { same, Violation } from '../target.ts';

/** What we accept is read the same by Node's parser, and so is what we write for it, or in a way that docs/parsers.md explains. */
export function checkAgainstLlhttp(one: Case): void {
  const { ours, written } = throughUs(one);
  checkOne(one, ours, false);
  if (written === null || ours.kind !== 'message') return;
  const again = asWeRead(written);
  checkOne(written, again, true);
  same('the body that we write is the body that we read', again.kind === 'message' && again.body, ours.body);
}

function checkOne(one: Case, ours: MessageReading, written: boolean): void {
  if (ours.kind === 'refused') return;
  const end = ours.kind === 'message' ? ours.end : null;
  const theirs = (end === null ? null : asLlhttpReadsTo(one, end)) ?? asLlhttpReads(one);
  const difference = compare(ours, theirs, 'llhttp');
  if (difference === null || knownDifference({ peer: 'llhttp', difference, ours, one, written })) return;
  throw new Violation(
    `llhttp reads ${written ? 'what we write' : 'it'} differently: ${difference}\n  ours: ${JSON.stringify(ours)}\n  theirs: ${JSON.stringify(theirs)}`,
  );
}
