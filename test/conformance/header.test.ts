/**
 * Headers against librpm 4.18 over the corpus: what it refuses we refuse with a typed error, what it accepts we
 * accept; the index is the one an independent reader sees; decoding and encoding gives back the bytes.
 */
import {
  digestBytes,
  encodeHeader,
  formatNevra,
  HEADERIMMUTABLE,
  HEADERSIGNATURES,
  type Header,
  RpmError,
  readPackage,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import {
  corpusBytes,
  corpusJson,
  corpusPresent,
  corpusRpms,
  hasPackageOracle,
  packageOracle,
  unreadablePackages,
} from './corpus.js';
import { recordConformance } from './recording.js';

interface Mutation {
  readonly base: string;
  readonly name: string;
  readonly ops: readonly (
    | { readonly op: 'write'; readonly offset: number; readonly hex: string }
    | { readonly op: 'xor'; readonly offset: number; readonly value: number }
    | { readonly op: 'truncate'; readonly length: number }
    | { readonly op: 'append'; readonly hex: string }
  )[];
  readonly resultSha256: string;
  readonly query: { readonly rc: number; readonly nevra?: string; readonly message?: string };
}

interface Layout {
  readonly layout: {
    readonly sigHeader: readonly [number, number];
    readonly header: readonly [number, number];
    readonly sigTags: readonly (readonly [number, number, number])[];
    readonly tags: readonly (readonly [number, number, number])[];
  };
}

/**
 * The NEVRA as rpm prints it, or the code of the typed error; anything else is thrown on.
 *
 * rpm prints a source package's build arch; `nevra` says `src` or `nosrc` instead, as the file name and everyone else does.
 */
async function verdict(bytes: Uint8Array): Promise<string> {
  try {
    const { nevra, header } = await readPackage(bytes);
    return formatNevra({ ...nevra, arch: header.get('ARCH') ?? '(none)' });
  } catch (error) {
    if (error instanceof RpmError) return error.code;
    throw error;
  }
}

function apply(base: Uint8Array, ops: Mutation['ops']): Uint8Array {
  let bytes: Uint8Array = base.slice();
  for (const op of ops) {
    if (op.op === 'write') bytes.set(Buffer.from(op.hex, 'hex'), op.offset);
    else if (op.op === 'xor') bytes[op.offset] = (bytes[op.offset] as number) ^ op.value;
    else if (op.op === 'truncate') bytes = bytes.slice(0, op.length);
    else bytes = Buffer.concat([bytes, Buffer.from(op.hex, 'hex')]);
  }
  return bytes;
}

function reencode<Tags>(header: Header<Tags>, regionTag: number): Uint8Array {
  if (!header.region) return encodeHeader(header.contents());
  const stored = header.bytes();
  const trailer = 16 + header.entryCount * 16 + header.region.dataBytes - 16;
  return encodeHeader(header.contents(), {
    regionTag,
    regionEntries: header.region.entryCount - 1,
    trailerTag: new DataView(stored.buffer, stored.byteOffset).getUint32(trailer),
  });
}

if (!corpusPresent) {
  test('the corpus is not beside this checkout: headers are not compared with librpm', () => {
    expect(corpusPresent).toBe(false);
  });
} else {
  test('each damage recipe ends as in librpm: the same NEVRA, or a typed error where it refuses', async () => {
    const mutations = corpusJson<readonly Mutation[]>('oracle', 'mutations.json');
    const differences: string[] = [];
    for (const { base, name, ops, resultSha256, query } of mutations) {
      const bytes = apply(corpusBytes(base), ops);
      expect(digestBytes('sha256', bytes)).toBe(resultSha256);
      const ours = await verdict(bytes);
      const same = query.rc === 0 ? ours === query.nevra : ours.startsWith('RPM_');
      if (!same) differences.push(`${base}, ${name}: rpm ${query.nevra ?? query.message}, ours ${ours}`);
    }
    expect(mutations.length).toBeGreaterThan(200);
    expect(differences).toEqual([]);
    recordConformance({
      what: 'damaged headers: refused or read',
      judge: 'librpm 4.18.0',
      cases: mutations.length,
      differences: 0,
    });
  });

  test('every package that librpm reads has the same NEVRA here, every refused one a typed error', async () => {
    const refused = unreadablePackages();
    const differences: string[] = [];
    // rpm names a source package by its build arch, we by `src` or `nosrc`.
    let sources = 0;
    let compared = 0;
    for (const path of corpusRpms()) {
      const isRefused = path in refused;
      if (!isRefused && hasPackageOracle(path) && packageOracle(path).isSource) sources += 1;
      if (!isRefused && !hasPackageOracle(path)) continue;
      const ours = await verdict(corpusBytes(path));
      const same = isRefused ? ours.startsWith('RPM_') : ours === packageOracle(path).nevra;
      compared += 1;
      if (!same)
        differences.push(`${path}: rpm ${isRefused ? refused[path] : packageOracle(path).nevra}, ours ${ours}`);
    }
    expect(compared).toBeGreaterThan(500);
    expect(differences).toEqual([]);
    recordConformance({
      what: 'packages: refused or read',
      judge: 'librpm 4.18.0',
      cases: compared,
      differences: sources,
    });
  });

  test('a package is a source package when librpm says so, and its arch then is src or nosrc', async () => {
    for (const path of corpusRpms().filter(hasPackageOracle)) {
      const { isSource, nevra } = await readPackage(corpusBytes(path));
      const expected = packageOracle(path);
      expect({ path, isSource }).toEqual({ path, isSource: expected.isSource });
      expect(isSource ? ['src', 'nosrc'] : [expected.arch]).toContain(nevra.arch);
    }
  });

  test('the index of both headers and their place are what an independent reader sees', async () => {
    for (const path of corpusRpms().filter(hasPackageOracle)) {
      const pkg = await readPackage(corpusBytes(path));
      const { layout } = packageOracle<Layout>(path);
      const index = <Tags>(header: Header<Tags>) => header.entries().map(({ tag, type, count }) => [tag, type, count]);
      expect({
        sigHeader: [pkg.signatureRange.start, pkg.signatureRange.end],
        header: [pkg.headerRange.start, pkg.headerRange.end],
        sigTags: index(pkg.signatureHeader),
        tags: index(pkg.header),
      }).toEqual({
        sigHeader: layout.sigHeader,
        header: layout.header,
        sigTags: layout.sigTags,
        tags: layout.tags,
      });
    }
  });

  test('decoding and encoding gives back the bytes of every header', async () => {
    let headers = 0;
    for (const path of corpusRpms().filter(hasPackageOracle)) {
      const pkg = await readPackage(corpusBytes(path));
      const same =
        Buffer.compare(reencode(pkg.signatureHeader, HEADERSIGNATURES), pkg.signatureHeader.bytes()) === 0 &&
        Buffer.compare(reencode(pkg.header, HEADERIMMUTABLE), pkg.header.bytes()) === 0;
      expect(same, path).toBe(true);
      headers += 2;
    }
    expect(headers).toBeGreaterThan(1000);
    recordConformance({
      what: 'headers decoded and encoded to the same bytes',
      judge: 'the packages themselves',
      cases: headers,
      differences: 0,
    });
  });
}
