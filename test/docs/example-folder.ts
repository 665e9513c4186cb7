/**
 * The folder in which the examples of the READMEs run: a package that rpmbuild made and we signed, the public key,
 * and the ways to the compiled doors that an installed package would have.
 *
 *   hello-1.0-1.noarch.rpm   a signed package with one file
 *   hello-1.0-1.src.rpm      its source package
 *   hello.spec               what both were built from
 *   RPM-GPG-KEY-example      the public key; private-key.asc is the other half
 *   packages/                a folder with the package, to make a repository of
 */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateKey, memorySigner } from '@distrokit/sign';
import { signPackageFile } from '@distrokit/sign/node';

const repository = fileURLToPath(new URL('../..', import.meta.url));

const spec = `Name: hello
Version: 1.0
Release: 1
Summary: An example package
License: MIT
BuildArch: noarch

%description
An example package.

%install
mkdir -p %{buildroot}/usr/share/hello
echo hello > %{buildroot}/usr/share/hello/greeting

%files
/usr/share/hello

%changelog
* Mon Jan 01 2024 Example <example@example.org> - 1.0-1
- First
`;

export interface ExampleFolder extends AsyncDisposable {
  readonly path: string;
}

export async function makeExampleFolder(): Promise<ExampleFolder> {
  const path = await mkdtemp(join(tmpdir(), 'distrokit-docs-'));
  await symlink(join(repository, 'node_modules'), join(path, 'node_modules'));
  await writeFile(join(path, 'package.json'), '{ "type": "module" }\n');
  await writeFile(join(path, 'hello.spec'), spec);
  const defines = [`_topdir ${path}`, `_rpmdir ${path}`, `_srcrpmdir ${path}`, '_build_name_fmt %%{NVRA}.rpm'];
  execFileSync(
    'rpmbuild',
    ['-ba', '--quiet', ...defines.flatMap((one) => ['--define', one]), join(path, 'hello.spec')],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const key = await generateKey({
    userId: 'Example <example@example.org>',
    kind: 'eddsa',
    createdAt: new Date('2024-01-01'),
  });
  await writeFile(join(path, 'RPM-GPG-KEY-example'), key.publicKey);
  await writeFile(join(path, 'private-key.asc'), key.privateKey);
  const signer = await memorySigner(key.privateKey);
  await signPackageFile(join(path, 'hello-1.0-1.noarch.rpm'), signer, { signedAt: new Date('2024-01-02') });
  await mkdir(join(path, 'packages'));
  await copyFile(join(path, 'hello-1.0-1.noarch.rpm'), join(path, 'packages/hello-1.0-1.noarch.rpm'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
