/**
 * Packages for benchmarks, made by `writePackage` from what this machine has installed: real file lists, names, versions and
 * dependencies of Debian's packages, with payloads of up to a given size. The same machine makes the same bytes.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clientProfiles, type ManifestFile, packageFileName, writePackage } from '@distrokit/rpm';

interface Installed {
  readonly name: string;
  readonly version: string;
  readonly depends: readonly string[];
  readonly summary: string;
  readonly paths: readonly string[];
}

/** Makes `count` packages in `folder`, unless they are there, and returns their paths. */
export async function machinePackages(folder: string, count: number, payloadBytes: number): Promise<string[]> {
  const done = join(folder, `.made-${count}-${payloadBytes}`);
  if (!existsSync(done)) {
    mkdirSync(folder, { recursive: true });
    const installed = installedPackages();
    for (let i = 0; i < count; i++) {
      const source = installed[i % installed.length] as Installed;
      const nevra = { name: source.name, version: `${source.version}.${i}`, release: '1.el9', arch: 'x86_64' };
      const chunks: Uint8Array[] = [];
      const made = writePackage(
        {
          ...nevra,
          summary: source.summary,
          description: `${source.summary}\n`.repeat(8),
          license: 'Various',
          dependencies: { requires: source.depends },
          changelog: Array.from({ length: 10 }, (_, n) => ({
            at: new Date((1_700_000_000 - n * 86_400) * 1000),
            author: `A Person <person@example.com> - ${source.version}-${10 - n}`,
            text: `- Change number ${n} of ${source.name}`,
          })),
          files: filesOf(source, payloadBytes),
        },
        {
          ...clientProfiles.el9,
          compression: { type: 'zstd', level: 1 },
          sourceDate: new Date(1_700_000_000_000),
          buildHost: 'bench',
        },
      );
      for await (const chunk of made) chunks.push(chunk);
      writeFileSync(join(folder, packageFileName(nevra)), Buffer.concat(chunks));
    }
    writeFileSync(done, '');
  }
  return readdirSync(folder)
    .filter((name) => name.endsWith('.rpm'))
    .sort()
    .map((name) => join(folder, name));
}

function installedPackages(): Installed[] {
  const paragraphs = readFileSync('/var/lib/dpkg/status', 'utf8').split('\n\n');
  return paragraphs.flatMap((paragraph) => {
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1] ?? '';
    const name = field('Package').replaceAll(/[^A-Za-z0-9._+-]/g, '_');
    const list = [`${name}.list`, `${name}:${field('Architecture')}.list`]
      .map((file) => join('/var/lib/dpkg/info', file))
      .find((path) => existsSync(path));
    if (name === '' || list === undefined) return [];
    const depends = field('Depends')
      .split(/[,|]/)
      .map((part) => part.trim().split(/[ (:]/)[0] as string)
      .filter((part) => part !== '');
    const paths = readFileSync(list, 'utf8')
      .split('\n')
      .filter((path) => path.length > 2)
      .slice(0, 3000);
    const version = field('Version').replaceAll(/[^A-Za-z0-9._+~^]/g, '_');
    return [{ name, version, depends: [...new Set(depends)], summary: field('Description') || name, paths }];
  });
}

/** The package's own files; the content of those that are there, as far as the payload may grow. */
function filesOf({ paths }: Installed, payloadBytes: number): ManifestFile[] {
  let room = payloadBytes;
  return paths.map((path): ManifestFile => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return { path, type: 'directory' };
    const fits = stat?.isFile() && stat.size <= room;
    if (stat && fits) room -= stat.size;
    return { path, type: 'regular', content: fits ? readFileSync(path) : new Uint8Array(0) };
  });
}
