import type { KnownDifference } from './known-differences.ts';

/** The row of `docs/parsers.md` for a known difference. */
export const rowOf = ({ id, peer, reads, why }: KnownDifference): string =>
  `| \`${id}\` | ${peer} | ${reads} | ${why} |`;
