/**
 * The podman driver: builds in containers over roots of their own, without network.
 *
 * The root file system is a folder that podman runs as it is; no image is made, none is pulled. Limits are set
 * explicitly, because podman's own are refused where this process may not raise them.
 *
 * Reference: podman-run(1), --rootfs
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeFolder } from './build-folder.js';
import type { BuildDriver } from './driver.js';
import { rootDriver, unusable } from './root-driver.js';
import { insideFolder } from './sandbox.js';
import { findTool } from './tool.js';

/** Where and how the podman driver works. */
export interface PodmanDriverOptions {
  readonly workFolder: string;
  /** Name of the OCI runtime, for instance `runc` where crun cannot work with the machine's control groups. Default: podman's own. */
  readonly runtime?: string;
}

/** A driver that builds in containers. Its root file systems come from repositories or from a lock, as the chroot driver's do. */
export function podmanDriver(options: PodmanDriverOptions): BuildDriver {
  // podman refuses a long path here; the digest of the build's own folder is short and nobody else's.
  const runRoot = (folder: string): string =>
    `/tmp/distrokit-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
  const podman = async (folder: string): Promise<string[]> => [
    await findTool('podman'),
    // Storage of its own: nothing of the machine's containers is seen or kept.
    ...['--root', join(folder, 'containers'), '--runroot', runRoot(folder)],
    ...(options.runtime === undefined ? [] : ['--runtime', options.runtime]),
  ];
  const sealed = [
    '--network',
    'none',
    '--ulimit',
    'nofile=1024:1024',
    '--ulimit',
    'nproc=4096:4096',
    '--pull',
    'never',
  ];
  return rootDriver(options.workFolder, {
    name: 'podman',
    isolation: 'container',
    tools: async (ask, folder) => {
      const words = await podman(folder);
      const version = await ask([...words, '--version']);
      // An empty root that shows this machine's programs: whether a container runs at all is the question.
      const empty = join(folder, 'empty');
      await mkdir(empty);
      const programs = ['/usr', '/bin', '/lib', '/lib64'].filter((path) => existsSync(path));
      const shown = programs.flatMap((path) => ['--volume', `${path}:${path}:ro`]);
      const tried = await ask([
        ...words,
        'run',
        '--rm',
        ...sealed,
        ...shown,
        '--rootfs',
        empty,
        '/bin/sh',
        '-c',
        'exit 0',
      ]);
      await removeFolder(runRoot(folder));
      if (tried.exitStatus !== 0) throw unusable('podman', 'a podman that runs containers', tried.lastLines.join(' '));
      return [version.lastLines[0] ?? ''];
    },
    enter: async ({ root, folder, work, hostName, env, argv }) => [
      ...(await podman(folder)),
      ...['run', '--rm', '--name', 'build', ...sealed, '--hostname', hostName, '--workdir', insideFolder],
      ...[
        '--tmpfs',
        '/run',
        '--volume',
        `${join(folder, 'tmp')}:/tmp`,
        '--volume',
        `${join(folder, 'vartmp')}:/var/tmp`,
      ],
      ...['--volume', `${work}:${insideFolder}`],
      ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      ...['--rootfs', root, ...argv],
    ],
    // A container is no child of podman: killing podman's process group leaves it running.
    leave: async (folder, run) => {
      await run([...(await podman(folder)), 'rm', '--force', '--ignore', '--time', '0', 'build']);
      await removeFolder(runRoot(folder));
    },
  });
}
