/** Small specs that the tests of this folder build, and the folders they build in. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of its own for one test file; `remove` deletes it. */
export async function scratchFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'distrokit-build-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The parts of a spec that a test varies. */
export interface SpecParts {
  readonly name?: string;
  readonly preamble?: string;
  readonly prep?: string;
  readonly build?: string;
  readonly install?: string;
  readonly check?: string;
  readonly files?: string;
  readonly rest?: string;
}

/** A spec for a C program that prints a greeting. */
export function specText(parts: SpecParts = {}): string {
  const name = parts.name ?? 'hello';
  return `Name: ${name}
Version: 1.0
Release: 1
Summary: A greeting
License: MIT
Source0: ${name}.c
${parts.preamble ?? ''}
%description
Prints a greeting.

%prep
${parts.prep ?? 'cp %{SOURCE0} .'}

%build
${parts.build ?? `gcc -g -O2 -o ${name} %{_builddir}/${name}.c`}

%install
${parts.install ?? `install -D -m 755 ${name} %{buildroot}/usr/bin/${name}`}

%check
${parts.check ?? `./${name}`}

%files
${parts.files ?? `/usr/bin/${name}`}
${parts.rest ?? ''}
%changelog
* Wed Nov 01 2023 A Packager <packager@example.org> - 1.0-1
- First
`;
}

/** Writes a folder with a spec and its C source, and returns its path. */
export async function sourceFolder(parent: string, folder: string, parts: SpecParts = {}): Promise<string> {
  const name = parts.name ?? 'hello';
  const path = join(parent, folder);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, `${name}.spec`), specText(parts));
  await writeFile(join(path, `${name}.c`), '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n');
  return path;
}
