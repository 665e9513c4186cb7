/** Runs the main job as a person does, and makes small packages for it. */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm start -- ARGS`, without the set-up. `wrap` comes before the command, for a mount namespace of its own. */
export async function rebuild(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly wrap?: readonly string[] } = {},
): Promise<Run> {
  const argv = [...(options.wrap ?? []), process.execPath, '--import', 'tsx', 'examples/rebuild/main.ts', ...args];
  const [command, ...rest] = argv as [string, ...string[]];
  const env = { ...process.env, TSX_TSCONFIG_PATH: 'examples/tsconfig.json', CI: 'true', ...options.env };
  const child = spawn(command, rest, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { status, stdout, stderr };
}

/** A package that builds in a second: one shell script. `build` is the body of `%build`. */
export async function smallPackage(
  folder: string,
  options: { readonly sources?: string; readonly build?: string } = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const spec = `Name:           small
Version:        1.0
Release:        1%{?dist}
Summary:        A shell script
License:        MIT
Source0:        small.sh
BuildArch:      noarch

%description
A shell script that answers.

%prep
%build
${options.build ?? ''}

%install
install -D -m 0755 %{SOURCE0} %{buildroot}%{_bindir}/small

%files
%{_bindir}/small

%changelog
* Thu Jan 01 2026 A Person <person@example.com> - 1.0-1
- First
`;
  await writeFile(join(folder, 'small.spec'), spec);
  if (options.sources !== undefined) await writeFile(join(folder, 'sources'), options.sources);
  return folder;
}

export const script = '#!/bin/sh\necho "small 1.0"\n';
