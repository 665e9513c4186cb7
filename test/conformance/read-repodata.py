"""Prints repositories as createrepo_c's own reader sees them: one JSON line for each folder named on the command line."""
import json
import sys

import createrepo_c as cr

for folder in sys.argv[1:]:
    repomd = cr.Repomd()
    cr.xml_parse_repomd(folder + "/repodata/repomd.xml", repomd)
    places = {record.type: folder + "/" + record.location_href for record in repomd.records}
    packages = {}
    order = []

    def new_package(pkgid, name, arch):
        return packages[pkgid] if pkgid in packages else None

    def primary_done(package):
        packages[package.pkgId] = package
        order.append(package.pkgId)

    cr.xml_parse_primary(places["primary"], pkgcb=primary_done, do_files=False)
    cr.xml_parse_filelists(places["filelists"], newpkgcb=new_package)
    cr.xml_parse_other(places["other"], newpkgcb=new_package)

    def dependencies(entries):
        return [[e[0], e[1] or "", (e[2] or "") if e[1] else "", (e[3] or "") if e[1] else "", (e[4] or "") if e[1] else "", bool(e[5])] for e in entries]

    out = []
    for pkgid in order:
        p = packages[pkgid]
        out.append({
            "pkgid": p.pkgId, "name": p.name, "epoch": int(p.epoch or 0), "version": p.version, "release": p.release, "arch": p.arch,
            "summary": p.summary or "", "description": p.description or "", "url": p.url or "", "packager": p.rpm_packager or "",
            "license": p.rpm_license or "", "vendor": p.rpm_vendor or "", "group": p.rpm_group or "", "buildHost": p.rpm_buildhost or "",
            "sourceRpm": p.rpm_sourcerpm or "", "location": p.location_href, "locationBase": p.location_base or "",
            "fileTime": p.time_file, "buildTime": p.time_build, "sizes": [p.size_package, p.size_installed, p.size_archive],
            "headerRange": [p.rpm_header_start, p.rpm_header_end],
            "dependencies": {kind: dependencies(getattr(p, kind)) for kind in ("provides", "requires", "conflicts", "obsoletes", "suggests", "enhances", "recommends", "supplements")},
            "files": [[f[1] + f[2], f[0] or "file"] for f in p.files],
            "changelogs": [[c[0] or "", c[1], c[2] or ""] for c in p.changelogs],
        })
    print(json.dumps({"revision": repomd.revision or "", "records": sorted([r.type, r.location_href, r.checksum] for r in repomd.records), "packages": out}))
