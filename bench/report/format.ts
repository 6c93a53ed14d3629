/** Stands where nothing was measured. */
export const missing = '–';

/** A number with as many digits as its size deserves; a dash for what was not measured. */
export function number(value: number | undefined, unit = ''): string {
  if (value === undefined || !Number.isFinite(value)) return missing;
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits }) + unit;
}

export function ratio(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? missing : `${value.toFixed(2)}x`;
}

export function mebibytes(bytes: number | undefined): string {
  return number(bytes === undefined ? undefined : bytes / 2 ** 20);
}

export function kibibytes(bytes: number | undefined): string {
  return number(bytes === undefined ? undefined : bytes / 1024);
}

/** A table in Markdown, columns aligned for a terminal as well: the first to the left, the others to the right. */
export function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [`### ${title}`, '', line(head), rule, ...rows.map(line), ''].join('\n');
}
