/**
 * What the pipeline is doing: a spinner with the latest line in a terminal, plain lines elsewhere.
 */
import ora from 'ora';

/** How long one step took. */
export interface StepTime {
  readonly title: string;
  readonly durationMs: number;
}

/** Counts and shows the steps of a pipeline. */
export class Progress {
  readonly times: StepTime[] = [];
  readonly #total: number;
  readonly #terminal: boolean;

  constructor(total: number, terminal: boolean) {
    this.#total = total;
    this.#terminal = terminal;
  }

  /** Runs one step. `note` shows what it is at; the step's result text stands behind its title when it is done. */
  async step<T>(title: string, run: (note: (text: string) => void) => Promise<readonly [T, string]>): Promise<T> {
    const number = `[${this.times.length + 1}/${this.#total}]`;
    const started = performance.now();
    const spinner = this.#terminal ? ora(`${number} ${title}`).start() : undefined;
    if (!spinner) console.log(`${number} ${title} …`);
    const note = (text: string): void => {
      if (spinner)
        spinner.text = `${number} ${title}  ${cutTo(text, (process.stdout.columns ?? 80) - title.length - 12)}`;
    };
    try {
      const [result, summary] = await run(note);
      const durationMs = performance.now() - started;
      this.times.push({ title, durationMs });
      const line = `${number} ${title}: ${summary} (${seconds(durationMs)})`;
      if (spinner) spinner.succeed(line);
      else console.log(line);
      return result;
    } catch (error) {
      spinner?.fail(`${number} ${title}`);
      throw error;
    }
  }
}

/** `1.2 s` */
export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

function cutTo(text: string, width: number): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line;
}
