import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One instruction of a Dockerfile, with its continuation lines joined. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The instructions by stage, in the order of the file; each begins with its FROM. */
export function readDockerfile(): readonly (readonly Instruction[])[] {
  const path = fileURLToPath(new URL('../../Dockerfile', import.meta.url));
  const lines = readFileSync(path, 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [name = '', ...rest] = line.split(/\s+/);
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, text: rest.join(' ') });
  }
  return stages;
}

export interface Copy {
  /** The stage that it copies from; null: the build context. */
  readonly from: string | null;
  readonly owner: string | null;
  readonly sources: readonly string[];
  readonly target: string;
}

export function readCopy({ text }: Instruction): Copy {
  const words = text.split(' ');
  const flag = (name: string): string | null =>
    words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? null;
  const paths = words.filter((word) => !word.startsWith('--'));
  return { from: flag('from'), owner: flag('chown'), sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
}

/** The words of an instruction in exec form, such as `ENTRYPOINT ["a", "b"]`. */
export function execForm({ text }: Instruction): readonly string[] {
  const words: unknown = JSON.parse(text.slice(text.indexOf('[')));
  if (!Array.isArray(words) || words.some((word) => typeof word !== 'string'))
    throw new Error(`not exec form: ${text}`);
  return words as string[]; // checked above
}
