import { isUtf8 } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileList, isGhost, payloadArchive, payloadEntries, type RpmPackage, readPackage } from '@distrokit/rpm';
import { extractPackage } from '@distrokit/rpm/node';
import { afterAll, describe, expect, test } from 'vitest';
import { corpusBytes, corpusPath, corpusPresent, corpusRpms, hasPackageOracle, packageOracle } from './corpus.js';
import { recordConformance } from './recording.js';

const folder = mkdtempSync(join(tmpdir(), 'payload-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Each path of a tree with type, permissions, content or target; links of one file share a number. Times are compared with
 * the header instead: cpio takes them from the archive, sets none on links and does not keep those of folders.
 */
function listing(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const inodes = new Map<number, number>();
  const visit = (path: string, full: Buffer): void => {
    const stat = lstatSync(full);
    const mode = (stat.mode & 0o1777).toString(8);
    if (stat.isDirectory()) {
      if (path !== '') found.set(path, `folder ${mode}`);
      for (const name of readdirSync(full, { encoding: 'buffer' }).sort(Buffer.compare)) {
        visit(join(path, nameText(name)), Buffer.concat([full, Buffer.from('/'), name]));
      }
    } else if (stat.isSymbolicLink()) {
      found.set(path, `link ${readlinkSync(full)}`);
    } else if (stat.isFile()) {
      if (stat.nlink > 1 && !inodes.has(stat.ino)) inodes.set(stat.ino, inodes.size);
      const sha256 = createHash('sha256').update(readFileSync(full)).digest('hex');
      found.set(path, `file ${mode} ${stat.nlink} ${inodes.get(stat.ino) ?? ''} ${sha256}`);
    }
  };
  visit('', Buffer.from(root));
  return found;
}

/** A name that is not UTF-8 is Latin-1, as in `fileList`; we write such a name as UTF-8, the judges byte for byte. */
function nameText(name: Buffer): string {
  return isUtf8(name) ? name.toString('utf8') : name.toString('latin1');
}

/** Size and digest of the archive, or why the reference codecs failed. */
interface PayloadOracle {
  readonly sha256?: string;
  readonly error?: string;
  readonly decodedBytes?: number;
  /** Bytes behind the compressed stream, which rpm ignores. We hand out the data first and then report them. */
  readonly trailingBytes?: number;
}

/**
 * What the reference makes of the package, in a folder of its own. rpm2cpio refuses v6 packages; rpm2archive reads them.
 * rpm2cpio's own status is not asked: for four sound packages it writes everything and reports failure.
 */
function judgeExtracts(path: string, pkg: RpmPackage, into: string): void {
  mkdirSync(into);
  const command =
    pkg.format === 6
      ? 'rpm2archive - < "$1" > ../archive && tar -xzpf ../archive --no-same-owner'
      : 'rpm2cpio "$1" > ../archive; cpio -idm --quiet --no-absolute-filenames --no-preserve-owner < ../archive';
  execFileSync('bash', ['-c', command, 'bash', path], { cwd: into, stdio: 'pipe' });
}

if (!corpusPresent) {
  test('payloads of the corpus are not compared: there is no corpus beside the repository', () => {
    expect(corpusRpms()).toEqual([]);
  });
} else {
  const oracles = corpusRpms().filter(hasPackageOracle);

  test('payloads of the corpus decompress to the bytes that the reference codecs give', async () => {
    let compared = 0;
    let trailing = 0;
    const differences: string[] = [];
    for (const rpm of oracles) {
      const { payloadUncompressed: wanted } = packageOracle<{ payloadUncompressed: PayloadOracle }>(rpm);
      const hash = createHash('sha256');
      let code = 'sound';
      try {
        for await (const chunk of payloadArchive(await readPackage(corpusBytes(rpm)))) hash.update(chunk);
      } catch (error) {
        code = (error as { code: string }).code;
      }
      if (wanted.error !== undefined) {
        // A payload of no bytes at all gives no bytes; the archive reader then misses the trailer.
        if (code !== 'RPM_BAD_PAYLOAD' && wanted.decodedBytes !== undefined) differences.push(`${rpm}: ${code}`);
      } else {
        if (hash.digest('hex') !== wanted.sha256) differences.push(`${rpm}: other bytes`);
        if (code !== (wanted.trailingBytes ? 'RPM_BAD_PAYLOAD' : 'sound')) differences.push(`${rpm}: ${code}`);
      }
      compared++;
      if (wanted.trailingBytes) trailing++;
    }
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(400);
    recordConformance({
      what: 'payloads decompressed to the same bytes',
      judge: 'reference codecs',
      cases: compared,
      // rpm passes over rubbish behind the payload; we give the data and then say so.
      differences: trailing,
    });
  });

  describe('extracted packages of the corpus are what rpm2cpio and cpio, or rpm2archive and tar, make of them', () => {
    const shards = 8;
    for (let shard = 0; shard < shards; shard++) {
      test(`part ${shard + 1} of ${shards}`, async () => {
        const differences: string[] = [];
        let compared = 0;
        for (const [i, rpm] of oracles.entries()) {
          if (i % shards !== shard) continue;
          const pkg = await readPackage(corpusBytes(rpm));
          const judged = join(folder, `judge-${i}`);
          const ours = join(folder, `ours-${i}`);
          let judgeFailure: unknown;
          try {
            judgeExtracts(corpusPath(rpm), pkg, judged);
          } catch (error) {
            judgeFailure = error;
          }
          const skipped = new Set<string>();
          try {
            const report = await extractPackage(pkg, ours);
            for (const { path } of report.skipped) skipped.add(path.replace(/^\//, ''));
            if (judgeFailure !== undefined) differences.push(`${rpm}: only the judge refuses: ${String(judgeFailure)}`);
          } catch (error) {
            if (judgeFailure === undefined) differences.push(`${rpm}: only we refuse: ${String(error)}`);
            continue;
          }
          const wanted = listing(judged);
          const found = listing(ours);
          const listed = new Map(fileList(pkg.header).map((file) => [file.path.replace(/^\//, ''), file]));
          for (const path of new Set([...wanted.keys(), ...found.keys()])) {
            const [a, b] = [wanted.get(path), found.get(path)];
            const file = listed.get(path);
            // Devices are not made, so nor are folders for nothing else.
            if (b === undefined && [...skipped].some((device) => device.startsWith(`${path}/`))) continue;
            // The judges extract ghosts that an old rpm has put into the archive.
            if (file !== undefined && isGhost(file) && b === undefined) continue;
            if (a !== b) differences.push(`${rpm}: ${path}: ${a} ≠ ${b}`);
            if (file === undefined || b === undefined) continue;
            const time = lstatSync(join(ours, path)).mtimeMs;
            if (time !== file.modifiedAt.getTime()) differences.push(`${rpm}: ${path}: time ${time}`);
          }
          compared++;
          rmSync(judged, { recursive: true });
          rmSync(ours, { recursive: true });
        }
        expect(differences).toEqual([]);
        expect(compared).toBeGreaterThan(0);
      });
    }
  });

  test('every entry of the corpus has the digest that its header announces', async () => {
    const differences: string[] = [];
    let checked = 0;
    for (const rpm of oracles) {
      if (packageOracle<{ payloadUncompressed: PayloadOracle }>(rpm).payloadUncompressed.error !== undefined) continue;
      try {
        for await (const { file, data, hardlinkTo } of payloadEntries(await readPackage(corpusBytes(rpm)))) {
          if (file.digest === undefined || hardlinkTo !== undefined) continue;
          const hash = createHash(file.digest.algorithm);
          for await (const chunk of data()) hash.update(chunk);
          if (hash.digest('hex') !== file.digest.hex) differences.push(`${rpm}: ${file.path}`);
          checked++;
        }
      } catch (error) {
        differences.push(`${rpm}: ${String(error)}`);
      }
    }
    expect(differences).toEqual([]);
    expect(checked).toBeGreaterThan(1000);
    recordConformance({
      what: 'files of payloads with the announced digest',
      judge: 'their own headers',
      cases: checked,
      differences: 0,
    });
  });
}
