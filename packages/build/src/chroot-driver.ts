/**
 * The chroot driver: builds in roots of their own, entered through bubblewrap.
 *
 * bubblewrap keeps every mount in a namespace that ends with the build, so there is none to leave behind.
 *
 * Reference: bwrap(1)
 */
import type { BuildDriver } from './driver.js';
import { rootDriver, unusable } from './root-driver.js';
import { sandboxArgv } from './sandbox.js';
import { findTool } from './tool.js';

/** Where the chroot driver works. */
export interface ChrootDriverOptions {
  /** Folder for roots, builds and their results. */
  readonly workFolder: string;
}

/** A driver that builds in roots made from repositories or from a lock. */
export function chrootDriver(options: ChrootDriverOptions): BuildDriver {
  return rootDriver(options.workFolder, {
    name: 'chroot',
    isolation: 'namespace',
    tools: async (ask) => {
      const bwrap = await findTool('bwrap');
      const words = ['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc', '--unshare-all', '--'];
      const sealed = await ask([bwrap, ...words, await findTool('sh'), '-c', 'exit 0']);
      if (sealed.exitStatus !== 0) throw unusable('chroot', 'new namespaces for a build', sealed.lastLines.join(' '));
      return [(await ask([bwrap, '--version'])).lastLines[0] ?? ''];
    },
    enter: async ({ root, argv, ...rest }) =>
      sandboxArgv(
        { bwrap: await findTool('bwrap'), root: { path: root, writable: true }, hidden: [], shown: [], ...rest },
        argv,
      ),
    // --die-with-parent and a process namespace of its own leave nothing to end.
    leave: async () => {},
  });
}
