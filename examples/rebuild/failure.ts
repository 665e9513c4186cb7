/**
 * What a person is told when a step fails: what happened, and what to do about it.
 */

/** A step of the example has failed. */
export class StepFailure extends Error {
  /** The last lines of the tool that failed. */
  readonly lines: readonly string[];
  readonly code: string | undefined;

  constructor(
    message: string,
    options: { readonly lines?: readonly string[]; readonly code?: string; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'StepFailure';
    this.lines = options.lines ?? [];
    this.code = options.code;
  }
}

/** By error code; a code of the SDK always means the same. */
const advice: Readonly<Record<string, string>> = {
  SOURCE_DIGEST_MISMATCH:
    'The store gave other bytes than the list promises. Find out which of the two is right before you change the list.',
  SOURCE_NOT_FOUND: 'Check the network and the address of the store, or put the file into the package folder.',
  SOURCE_WRITE_FAILED: 'Make room on the disk, or name another folder with --output.',
  SOURCE_BAD_TREE: 'The folder must hold one spec file, at its root or in SPECS/.',
  SOURCE_GIT_FAILED: 'Check that the repository can be reached and holds the ref.',
  BUILD_TOOL_MISSING: 'Run "npm run setup", or install the tool by the name given.',
  BUILD_FAILED: 'The spec, or what it builds, is at fault: read the log.',
  SIGN_BAD_KEY: 'Give an armored private key without passphrase with --key, or leave it out: a new key is made then.',
  SIGN_SIGNER_FAILED: 'The key must be able to sign today: look at its expiry.',
  RPM_TRUNCATED: 'The file ends too early: fetch it again.',
  RPM_BAD_MAGIC: 'The file is no RPM package.',
  ENOSPC: 'Make room on the disk, or name another folder with --output.',
  EACCES: 'The folder cannot be written: name another one with --output.',
  ENOENT: 'Check the path.',
};

/** One message with a line of advice; the last lines of a tool where there are some. Never a stack. */
export function describeFailure(error: unknown): string {
  const tool = missingTool(error);
  if (tool !== undefined)
    return `${tool}: not found, or cannot be executed\nRun "npm run setup": it installs what is missing.`;
  const code = codeWithAdvice(error);
  const lines = error instanceof StepFailure ? error.lines : [];
  return [
    error instanceof Error ? error.message : String(error),
    ...lines.slice(-12).map((line) => `  | ${line}`),
    ...(code === undefined ? [] : [advice[code]]),
  ].join('\n');
}

/** The first code with an advice on the way from the error to its causes. */
function codeWithAdvice(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string' && advice[code] !== undefined) return code;
  }
  return undefined;
}

/** The name of a program that could not be started because it is not there. */
function missingTool(error: unknown): string | undefined {
  const { code, syscall, path } = error as { code?: string; syscall?: string; path?: string };
  return (code === 'ENOENT' || code === 'EACCES') && syscall?.startsWith('spawn') ? path : undefined;
}
