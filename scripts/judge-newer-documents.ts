/**
 * The validators of the standards as judges of our documents: SPDX 2.3 by the SPDX project's own tools, CycloneDX 1.6 by
 * the CycloneDX library for Python (its strict schema), in-toto statements and SLSA v1 provenance by the in-toto attestation
 * framework for Go.
 *
 * The documents are of a package, of a build and of a repository; the provenance is of a build that runs here. Each judge
 * also gets documents with one thing wrong, which it must refuse.
 *
 *     node --import tsx scripts/judge-newer-documents.ts [ROOT]        needs root, mmdebstrap and the apt mirror
 *
 * Exit status 0 when all judges agree, 1 when one does not, 2 when there is no judge on this machine.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackage, buildSourcePackage, hostBuildroot, provenanceOf, rpmbuildDriver } from '@distrokit/build';
import { memorySource, readPackage } from '@distrokit/rpm';
import {
  attest,
  type BillOfMaterials,
  type Component,
  componentOf,
  formatCycloneDx,
  formatSpdx,
  generateKey,
  IN_TOTO_PAYLOAD_TYPE,
  memorySigner,
  PREDICATE_TYPES,
  packageSubjects,
  provenanceStatement,
  type Statement,
  signPackage,
  statementAbout,
} from '@distrokit/sign';
import { newerDebian, type Outcome } from './newer-debian.js';

const tools = [
  'python3-spdx-tools',
  'python3-cyclonedx-lib',
  'python3-jsonschema',
  'golang-go',
  'golang-github-in-toto-attestation-dev',
];
const debian = newerDebian(process.argv[2] ?? '/var/cache/distrokit/newer-debian-documents', tools);
const work = mkdtempSync(join(debian.path, 'tmp/judge-'));
const inside = (path: string): string => path.slice(debian.path.length);
const createdAt = new Date('2026-01-01T00:00:00Z');
const at = new Date('2026-11-22T03:04:05Z');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let [judged, differences] = [0, 0];

type Json = Record<string, unknown>;

/** A document, and whether its judge must accept it. */
interface Case {
  readonly name: string;
  readonly document: unknown;
  readonly good: boolean;
}

// --- the documents ----------------------------------------------------------------------------------------------------

/** A build with the rpmbuild of this machine: its packages and the record of it. */
async function build(): Promise<{ readonly bytes: Uint8Array; readonly record: ReturnType<typeof provenanceOf> }> {
  const source = join(work, 'source');
  mkdirSync(source);
  writeFileSync(
    join(source, 'judged.spec'),
    `Name: judged
Epoch: 2
Version: 1.0~rc1
Release: 1^x
Summary: A package with "quotes", <angles> & an ampersand
License: GPL-2.0-or-later AND (MIT OR Apache-2.0)
Vendor: Example, Inc. (a vendor)
BuildArch: noarch
%description
A package to be judged.
%install
mkdir -p %{buildroot}/usr/share/judged
echo one > %{buildroot}/usr/share/judged/one
ln -s one %{buildroot}/usr/share/judged/two
%files
/usr/share/judged
%changelog
* Wed Nov 01 2023 A Packager <p@example.org> - 1.0-1
- First
`,
  );
  const driver = rpmbuildDriver({ workFolder: join(work, 'build') });
  const { srpm } = await buildSourcePackage(source, hostBuildroot, driver);
  const srpmBytes = new Uint8Array(readFileSync(srpm.path));
  const result = await buildPackage(memorySource(srpmBytes), hostBuildroot, driver);
  const record = provenanceOf(result, {
    srpmSha256: sha256(srpmBytes),
    builderId: 'https://example.org/builder',
    invocationId: '42',
    startedAt: createdAt,
    finishedAt: at,
  });
  return { bytes: new Uint8Array(readFileSync(result.packages[0]!.path)), record };
}

function bills(component: Component): BillOfMaterials[] {
  const used: Component[] = [
    {
      ...{ name: 'gcc-c++', epoch: 4, version: '12.2~rc1', release: '3^x', arch: 'x86_64' },
      ...{ license: 'GPLv3+ and (A or B)', vendor: 'Someone', sourcePackage: 'gcc-12.2-3.src.rpm' },
    },
    { name: 'gcc-c++', epoch: 4, version: '12.2~rc1', release: '3^x', arch: 'i686', sha256: 'ab'.repeat(32) },
    { name: 'ünïcode', version: '1', release: '1', arch: 'noarch', summary: 'Ein Päckchen, 漢字' },
  ];
  const distribution = { namespace: 'Example', distro: 'example-9' };
  return [
    { subject: { kind: 'package', component }, components: used, createdAt: at, distribution },
    { subject: { kind: 'package', component }, components: [], createdAt: at },
    { subject: { kind: 'build', name: 'judged', version: '1.0-1' }, components: [component, ...used], createdAt: at },
    {
      subject: { kind: 'repository', name: 'Base OS/x86_64' },
      components: [component, ...used],
      createdAt: at,
      distribution,
    },
    { subject: { kind: 'repository', name: 'empty' }, components: [], createdAt: at },
  ];
}

/** Each document as it is, and the first one with one thing wrong at a time. */
function cases(documents: readonly unknown[], wrong: Readonly<Record<string, (copy: Json) => void>>): Case[] {
  return [
    ...documents.map((document, i) => ({ name: `document ${i}`, document, good: true })),
    ...Object.entries(wrong).map(([name, change]) => {
      const document = structuredClone(JSON.parse(JSON.stringify(documents[0]))) as Json;
      change(document);
      return { name, document, good: false };
    }),
  ];
}

// --- the judges -------------------------------------------------------------------------------------------------------

/** Every file of a folder judged in one run: the program prints `good NAME` or `bad NAME: why`. */
function judge(what: string, all: readonly Case[], program: (folder: string) => Outcome): void {
  const folder = join(work, what.replace(/[^a-z]+/gi, '-'));
  mkdirSync(folder);
  for (const [i, one] of all.entries()) writeFileSync(join(folder, `${i}.json`), JSON.stringify(one.document));
  const { text } = program(inside(folder));
  let wrong = 0;
  for (const [i, one] of all.entries()) {
    const said = new RegExp(`^(good|bad) ${i}\\.json(?:: (.*))?$`, 'm').exec(text);
    const fine = said?.[1] === (one.good ? 'good' : 'bad');
    if (!fine) wrong++;
    console.log(`${fine ? 'same     ' : 'DIFFERENT'} ${what}, ${one.name}: ${said?.[0] ?? 'no answer'}`);
  }
  if (wrong > 0) console.log(text.slice(-4000));
  judged += all.length;
  differences += wrong;
}

const python = (name: string, program: string) => (folder: string) => {
  writeFileSync(join(work, `judge-${name}.py`), program);
  return debian.run('python3', inside(join(work, `judge-${name}.py`)), folder);
};

const walk = `
import os, sys
def each(check):
    for name in sorted(os.listdir(sys.argv[1])):
        try:
            why = check(os.path.join(sys.argv[1], name))
        except Exception as error:
            why = type(error).__name__ + ' ' + str(error)
        print('good ' + name if not why else 'bad ' + name + ': ' + ' '.join(str(why).split())[:300])
`;

const spdxTools = python(
  'spdx',
  `${walk}
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
def check(path):
    os.rename(path, path + '.spdx.json')
    messages = validate_full_spdx_document(parse_file(path + '.spdx.json'), 'SPDX-2.3')
    return '; '.join(message.validation_message for message in messages)
each(check)
`,
);

const cycloneLibrary = python(
  'cyclonedx',
  `${walk}
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
validator = JsonStrictValidator(SchemaVersion.V1_6)
each(lambda path: validator.validate_str(open(path).read()))
`,
);

/** The framework's own messages: unknown and misplaced fields are refused by their decoder, the rest by their validators. */
const inToto = (folder: string): Outcome => {
  writeFileSync(
    join(work, 'main.go'),
    `package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	statement "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var outer statement.Statement
	if err := protojson.Unmarshal(text, &outer); err != nil {
		return err
	}
	if err := outer.Validate(); err != nil {
		return err
	}
	if outer.GetPredicateType() != "${PREDICATE_TYPES.provenance}" {
		return nil
	}
	inner, err := protojson.Marshal(outer.GetPredicate())
	if err != nil {
		return err
	}
	var predicate provenance.Provenance
	if err := protojson.Unmarshal(inner, &predicate); err != nil {
		return err
	}
	return predicate.Validate()
}

func main() {
	paths, _ := filepath.Glob(os.Args[1] + "/*.json")
	for _, path := range paths {
		if err := check(path); err != nil {
			fmt.Println("bad", filepath.Base(path)+":", strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Println("good", filepath.Base(path))
		}
	}
}
`,
  );
  // The root has no /proc, in which go would find its own place.
  const environment = [
    'GO111MODULE=off',
    'GOPATH=/usr/share/gocode',
    'GOCACHE=/var/cache/go',
    'GOTELEMETRY=off',
    'GOROOT=/usr/lib/go',
  ];
  return debian.run('env', ...environment, 'go', 'run', inside(join(work, 'main.go')), folder);
};

// --- all of them ------------------------------------------------------------------------------------------------------

try {
  const { bytes, record } = await build();
  const pkg = await readPackage(bytes);
  const all = bills(componentOf(pkg, sha256(bytes)));
  judge(
    'SPDX 2.3',
    cases(all.map(formatSpdx), {
      'no namespace': (copy) => delete copy.documentNamespace,
      'another data licence': (copy) => {
        copy.dataLicense = 'MIT';
      },
      'a relationship to nothing': (copy) => {
        copy.relationships = [
          { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-nothing' },
        ];
      },
      'a licence reference without its text': (copy) => delete copy.hasExtractedLicensingInfos,
    }),
    spdxTools,
  );
  judge(
    'CycloneDX 1.6',
    cases(all.map(formatCycloneDx), {
      'an unknown field': (copy) => {
        copy.colour = 'red';
      },
      'a component without a name': (copy) => {
        copy.components = [{ type: 'library' }];
      },
      'a digest that is none': (copy) => {
        copy.components = [{ type: 'library', name: 'x', hashes: [{ alg: 'SHA-256', content: 'xyz' }] }];
      },
    }),
    cycloneLibrary,
  );
  const key = await generateKey({ userId: 'Builder', kind: 'eddsa', createdAt });
  const signer = await memorySigner(key.privateKey);
  const signed: Uint8Array[] = [];
  for await (const chunk of (await signPackage(pkg, signer, { signedAt: at })).bytes()) signed.push(chunk);
  const ofSigned = await packageSubjects(await readPackage(new Uint8Array(Buffer.concat(signed))));
  const statements: Statement[] = [
    provenanceStatement(record),
    provenanceStatement(record, ofSigned),
    statementAbout(ofSigned, PREDICATE_TYPES.spdx, formatSpdx(all[0]!)),
    statementAbout(ofSigned, PREDICATE_TYPES.cyclonedx, formatCycloneDx(all[2]!)),
  ];
  // What the envelope carries is judged, not what was put into it.
  const carried: unknown[] = [];
  for (const statement of statements) {
    const envelope = await attest(statement, signer, { signedAt: at });
    if (envelope.payloadType !== IN_TOTO_PAYLOAD_TYPE) throw new Error('another payload type');
    carried.push(JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8')));
  }
  const predicate = (copy: Json): { buildDefinition: Json; runDetails: Json } => copy.predicate as never;
  judge(
    'in-toto and SLSA',
    cases(carried, {
      'no subject': (copy) => {
        copy.subject = [];
      },
      'a subject without a digest': (copy) => {
        copy.subject = [{ name: 'x' }];
      },
      'a statement of another kind': (copy) => {
        copy._type = 'https://example.org/Statement';
      },
      'no build type': (copy) => delete predicate(copy).buildDefinition.buildType,
      'no builder': (copy) => delete predicate(copy).runDetails.builder,
      'an unknown field of the provenance': (copy) => {
        (copy.predicate as Json).terms = 'public';
      },
      'a time that is none': (copy) => {
        predicate(copy).runDetails.metadata = { startedOn: 'yesterday' };
      },
    }),
    inToto,
  );
  console.log(`${judged} cases, ${differences} differences`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = differences === 0 ? 0 : 1;
