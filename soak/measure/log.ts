/** Every line that the operational log may have in a run, and why it is there. Anything else is a finding. */
const EXPLAINED: readonly (readonly [level: number, message: RegExp, why: string])[] = [
  [30, /^(admin )?listening$/, 'the start'],
  [30, /^stopping$/, 'the end'],
  [30, /^a new generation is in force$/, 'an edit, a rotation'],
  [30, /^ended what the new policy denies$/, 'a tighter edit'],
  [50, /^a sandbox is in quarantine: it misused a placeholder$/, 'the kind "quarantine"'],
  [50, /^is not a known key; did you mean "hosts"\?$/, 'the edit with an error'],
  [50, /^is missing; it must be a list of hosts, e\.g\. /, 'the edit with an error'],
  [40, /^the descriptor limit \(ulimit -n\) allows fewer connections/, 'the machine'],
];

/** Reads the log as it is written, and keeps what nothing explains. */
export class LogJudge {
  readonly unexplained: string[] = [];
  readonly countByReason = new Map<string, number>();

  line(text: string): void {
    const why = explanationOf(text);
    if (why === null) this.unexplained.push(text);
    else this.countByReason.set(why, (this.countByReason.get(why) ?? 0) + 1);
  }
}

export function explanationOf(text: string): string | null {
  try {
    const line = JSON.parse(text) as { readonly level: unknown; readonly msg: unknown };
    const found = EXPLAINED.find(([level, message]) => line.level === level && message.test(String(line.msg)));
    return found?.[2] ?? null;
  } catch {
    return null; // warnings of Node, stacks
  }
}
