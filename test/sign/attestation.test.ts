import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { readPackage } from '@distrokit/rpm';
import {
  attest,
  type BillOfMaterials,
  componentOf,
  type Envelope,
  formatCycloneDx,
  formatSpdx,
  type GeneratedKey,
  generateKey,
  Keyring,
  memorySigner,
  PREDICATE_TYPES,
  packageSubjects,
  packageUrl,
  provenanceStatement,
  signPackage,
  statementAbout,
  verifyAttestation,
} from '@distrokit/sign';
import { Ajv } from 'ajv';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, temporaryFolder } from './judges.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');

let unsigned: Uint8Array;
let key: GeneratedKey;
let builder: GeneratedKey;
beforeAll(async () => {
  unsigned = new Uint8Array(await readFile((await buildPackage(await temporaryFolder())).binary));
  key = await generateKey({ userId: 'Packages', kind: 'rsa3072', createdAt });
  builder = await generateKey({ userId: 'Builder', kind: 'eddsa', createdAt });
});

const record = {
  subject: [{ name: 'hello', digest: { sha256: '00'.repeat(32) } }],
  buildDefinition: { buildType: 'https://example.org/build', externalParameters: { source: 'hello.src.rpm' } },
  runDetails: { builder: { id: 'https://example.org/builder' }, metadata: { invocationId: '1' } },
};

async function signedBy(signer: GeneratedKey): Promise<Uint8Array> {
  const signed = await signPackage(await readPackage(unsigned), await memorySigner(signer.privateKey), { signedAt });
  return collect(signed.bytes());
}

test('a statement about a package stays with it when the package is signed, and signed again by another key', async () => {
  const subjects = await packageSubjects(await readPackage(unsigned));
  const envelope = await attest(provenanceStatement(record, subjects), await memorySigner(builder.privateKey), {
    signedAt,
  });
  const keyring = Keyring.from(builder.publicKey);
  for (const bytes of [unsigned, await signedBy(key), await signedBy(builder)]) {
    const asked = await packageSubjects(await readPackage(bytes));
    const report = verifyAttestation(envelope, keyring, { at, subjects: asked });
    expect(report).toMatchObject({ ok: true, statement: { predicateType: PREDICATE_TYPES.provenance } });
  }
  const other = await packageSubjects(
    await readPackage(
      new Uint8Array(await readFile((await buildPackage(await temporaryFolder(), { name: 'other' })).binary)),
    ),
  );
  expect(verifyAttestation(envelope, keyring, { at, subjects: other })).toMatchObject({ ok: false });
});

test('a statement about a signed package names the signed and the unsigned file', async () => {
  const [signed, plain] = await packageSubjects(await readPackage(await signedBy(key)));
  const [before] = await packageSubjects(await readPackage(unsigned));
  expect(signed!.digest).not.toEqual(before!.digest);
  expect(plain).toEqual({ name: 'hello-1.0-1.noarch.rpm#unsigned', digest: before!.digest });
});

test('an envelope that was changed, or signed by nobody we know, is not believed', async () => {
  const subjects = await packageSubjects(await readPackage(unsigned));
  const statement = statementAbout(subjects, 'https://example.org/claim', { good: true });
  const envelope = await attest(statement, await memorySigner(builder.privateKey), { signedAt });
  const keyring = Keyring.from(builder.publicKey);
  const verify = (one: Envelope, ring = keyring) => verifyAttestation(one, ring, { at, subjects }).ok;
  expect(verify(envelope)).toBe(true);
  expect(verify(envelope, Keyring.from(key.publicKey))).toBe(false);
  const forged = Buffer.from(JSON.stringify({ ...statement, predicate: { good: false } })).toString('base64');
  expect(verify({ ...envelope, payload: forged })).toBe(false);
  expect(verify({ ...envelope, payloadType: 'text/plain' })).toBe(false);
  expect(verify({ ...envelope, signatures: [] })).toBe(false);
  expect(verify({ ...envelope, payload: '!' })).toBe(false);
  expect(verify(JSON.parse('{"payloadType":1,"payload":2,"signatures":3}') as Envelope)).toBe(false);
  expect(() => statementAbout([], 'x', {})).toThrow(TypeError);
});

async function bills(): Promise<BillOfMaterials[]> {
  const [subject] = await packageSubjects(await readPackage(unsigned));
  const component = componentOf(await readPackage(unsigned), subject!.digest.sha256!);
  const used = {
    name: 'gcc-c++',
    epoch: 4,
    version: '12.2~rc1',
    release: '3^x',
    arch: 'x86_64',
    license: 'GPLv3+ and (A or B)',
  };
  const distribution = { namespace: 'example', distro: 'example-9' };
  return [
    { subject: { kind: 'package', component }, components: [used], createdAt: at, distribution },
    { subject: { kind: 'build', name: 'hello', version: '1.0-1' }, components: [component, used], createdAt: at },
    { subject: { kind: 'repository', name: 'BaseOS' }, components: [component], createdAt: at, distribution },
  ];
}

test('CycloneDX documents pass the published schema of 1.6 for a package, a build and a repository', async () => {
  const require = createRequire(import.meta.url);
  const schemaOf = (name: string): object =>
    require(
      `${require.resolve('@cyclonedx/cyclonedx-library').replace(/\/dist[./].*$/, '')}/res/schema/${name}.SNAPSHOT.schema.json`,
    ) as object;
  const ajv = new Ajv({ strict: false, allErrors: true });
  (require('ajv-formats') as { default: (ajv: Ajv) => void }).default(ajv);
  (require('ajv-formats-draft2019') as (ajv: Ajv) => void)(ajv);
  ajv.addSchema(schemaOf('spdx'), 'http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json');
  ajv.addSchema(schemaOf('jsf-0.82'), 'http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json');
  const validate = ajv.compile(schemaOf('bom-1.6'));
  for (const bill of await bills()) {
    const document = JSON.parse(JSON.stringify(formatCycloneDx(bill))) as unknown;
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  }
  // The judge can say no.
  expect(validate({ bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ type: 'nonsense', name: 'x' }] })).toBe(
    false,
  );
});

test('both documents name every package with its package URL and digest, and are the same for the same input', async () => {
  for (const bill of await bills()) {
    const [cyclone, spdx] = [JSON.stringify(formatCycloneDx(bill)), JSON.stringify(formatSpdx(bill))];
    expect(JSON.stringify(formatCycloneDx(bill))).toBe(cyclone);
    const all = bill.subject.kind === 'package' ? [bill.subject.component, ...bill.components] : bill.components;
    for (const component of all) {
      const purl = packageUrl(component, bill.distribution);
      expect(cyclone).toContain(JSON.stringify(purl));
      expect(spdx).toContain(JSON.stringify(purl));
      if (component.sha256) for (const text of [cyclone, spdx]) expect(text).toContain(component.sha256);
    }
  }
});

test('package URLs carry epoch, arch and distribution, escaped', () => {
  const nevra = { name: 'gcc-c++', epoch: 4, version: '12.2~rc1', release: '3^x', arch: 'x86_64' };
  expect(packageUrl(nevra, { namespace: 'AlmaLinux', distro: 'almalinux-9' })).toBe(
    'pkg:rpm/almalinux/gcc-c%2B%2B@12.2~rc1-3%5Ex?arch=x86_64&distro=almalinux-9&epoch=4',
  );
});

test('a bill of materials can be the predicate of a signed statement', async () => {
  const [bill] = await bills();
  const subjects = await packageSubjects(await readPackage(unsigned));
  const signer = await memorySigner(builder.privateKey);
  for (const [type, predicate] of [
    [PREDICATE_TYPES.cyclonedx, formatCycloneDx(bill!)],
    [PREDICATE_TYPES.spdx, formatSpdx(bill!)],
  ] as const) {
    const envelope = await attest(statementAbout(subjects, type, predicate), signer, { signedAt });
    const report = verifyAttestation(envelope, Keyring.from(builder.publicKey), { at, subjects });
    expect(report).toMatchObject({ ok: true, statement: { predicateType: type, predicate } });
  }
});

test('the same component twice is refused', async () => {
  const [, build] = await bills();
  const doubled = { ...build!, components: [...build!.components, build!.components[0]!] };
  expect(() => formatCycloneDx(doubled)).toThrow(RangeError);
  expect(() => formatSpdx(doubled)).toThrow(RangeError);
});
