/**
 * Packages made by rpmbuild for the tests of repositories: what repodata has rules for, in small.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The instant every package file was last changed at. */
export const fileTime: Date = new Date('2026-02-03T04:05:06Z');

/** A folder that is deleted by `remove`. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'distrokit-repo-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Builds the specs into a folder: binary packages at the top, source packages in `source/`. */
export function buildPackages(folder: string, specs: readonly string[]): void {
  const top = mkdtempSync(join(tmpdir(), 'distrokit-rpmbuild-'));
  try {
    for (const [index, spec] of specs.entries()) {
      const path = join(top, `${index}.spec`);
      writeFileSync(path, spec);
      execFileSync(
        'rpmbuild',
        ['-ba', '--quiet', '--nodeps', '--target', 'x86_64-linux', '--define', `_topdir ${top}`, path],
        {
          env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000', TZ: 'UTC', LC_ALL: 'C.UTF-8' },
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      );
    }
    mkdirSync(join(folder, 'source'), { recursive: true });
    for (const arch of readdirSync(join(top, 'RPMS'))) {
      for (const name of readdirSync(join(top, 'RPMS', arch))) place(join(top, 'RPMS', arch, name), join(folder, name));
    }
    for (const name of readdirSync(join(top, 'SRPMS'))) place(join(top, 'SRPMS', name), join(folder, 'source', name));
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

function place(from: string, to: string): void {
  renameSync(from, to);
  utimesSync(to, fileTime, fileTime);
}

/** A package with a file, a requirement and nothing else. */
export function plainSpec(name: string, version: string, requires: readonly string[] = []): string {
  return `Name: ${name}
Version: ${version}
Release: 1
Summary: ${name} in version ${version}
License: MIT
BuildArch: noarch
${requires.map((requirement) => `Requires: ${requirement}`).join('\n')}
%description
${name}.
%install
mkdir -p %{buildroot}/usr/share/${name}
echo ${version} > %{buildroot}/usr/share/${name}/version
%files
/usr/share/${name}
`;
}

/** One package that meets the rules of repodata: dependencies of every kind, files of every kind, texts of every kind. */
export const richSpec: string = `Name: rich
Epoch: 3
Version: 1.2~rc1
Release: 4.el9
Summary: Texts & <tags> in "quotes": Ünïcödé
License: MIT AND (Apache-2.0 OR GPL-2.0-or-later)
URL: https://example.org/?a=1&b=2
Vendor: Räksmörgås
Packager: A <a@example.org>
Group: Development/Tools
AutoReqProv: no
Provides: rich-alias
Provides: bundled(thing) = 1:2.0-3
Provides: own-need = 1.0
Requires: own-need = 1.0
Requires: /usr/bin/rich
Requires: /usr/share/rich/data
Requires: /opt/elsewhere
Requires: twice
Requires: twice
Requires: twice >= 1
Requires(pre): before-install
Requires(post): after-install
Requires(preun): before-erase
Requires: (one if two else three)
Requires: libc.so.6()(64bit)
Requires: libc.so.6(GLIBC_2.2.5)(64bit)
Requires: libc.so.6(GLIBC_2.34)(64bit)
Requires: libc.so.6(GLIBC_2.9)(64bit)
Conflicts: enemy < 2
Conflicts: enemy > 3
Obsoletes: ancestor <= 0:1.0-1
Recommends: friend
Suggests: idea >= 5
Supplements: (a and b)
Enhances: base
%description
First line with ümlaut, tab\there & <b>.

  Indented "quotes" and 'apostrophes' ]]> end.
%prep
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc/rich.d %{buildroot}/usr/share/rich %{buildroot}/usr/lib
echo a > %{buildroot}/usr/bin/rich
echo b > %{buildroot}/etc/rich.d/x.conf
echo c > %{buildroot}/usr/share/rich/data
echo d > "%{buildroot}/usr/share/rich/a & b <c>"
echo e > %{buildroot}/usr/share/rich/naïve
echo f > %{buildroot}/usr/lib/sendmail
ln -s data %{buildroot}/usr/share/rich/link
%files
/usr/bin/rich
%dir /etc/rich.d
%config(noreplace) /etc/rich.d/x.conf
%dir /usr/share/rich
/usr/share/rich/data
"/usr/share/rich/a & b <c>"
/usr/share/rich/naïve
/usr/share/rich/link
/usr/lib/sendmail
%ghost /var/log/rich.log
%changelog
${Array.from(
  { length: 12 },
  (_, index) =>
    `* Mon Feb 0${index < 4 ? 3 : 2} 2025 Zoë <z@example.org> - 1.${20 - index}-1 \n- Change ${index} & more <x>\n`,
)
  .join('\n')
  .replaceAll('Mon Feb 02', 'Sun Feb 02')}
`;

/** A package without files, texts or dependencies of its own. */
export const emptySpec: string = `Name: empty
Version: 0
Release: 0
Summary: e
License: MIT
%description
%files
`;
