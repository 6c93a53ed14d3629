import type { Place } from '../model.ts';

/**
 * Turns offsets of a text into places, as editors count: lines end with LF (a CR before it belongs to the line end), columns are
 * UTF-16 units. Our own, since the YAML library's counter misses line ends inside some broken collections (its `LineCounter` is fed
 * by the lexer), which are the texts that messages are about.
 */
export function placesIn(source: string, file: string): (offset: number) => Place {
  const starts = [0];
  for (let end = source.indexOf('\n'); end !== -1; end = source.indexOf('\n', end + 1)) starts.push(end + 1);
  return (offset) => {
    const bounded = Math.min(Math.max(offset, 0), source.length);
    const line = lastAtMost(starts, bounded);
    return { file, line: line + 1, column: bounded - (starts[line] ?? 0) + 1 };
  };
}

/** The index of the last number that is at most `limit`; the list ascends and begins with 0. */
function lastAtMost(list: readonly number[], limit: number): number {
  let low = 0;
  let high = list.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((list[middle] ?? 0) <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}
