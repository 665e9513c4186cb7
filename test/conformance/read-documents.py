"""Prints comps.xml and updateinfo.xml files as libcomps and createrepo_c read them: one JSON line for each file."""
import json
import sys

import createrepo_c as cr
import libcomps

TYPES = {libcomps.PACKAGE_TYPE_MANDATORY: "mandatory", libcomps.PACKAGE_TYPE_DEFAULT: "default",
         libcomps.PACKAGE_TYPE_OPTIONAL: "optional", libcomps.PACKAGE_TYPE_CONDITIONAL: "conditional"}


def comps(path):
    parsed = libcomps.Comps()
    try:
        if parsed.fromxml_f(path) < 0:
            return {"refused": True}
    except libcomps.ParserError:
        return {"refused": True}
    return {
        "groups": [[g.id, g.name or "", g.desc or "", [[p.name or "", TYPES.get(p.type, "mandatory")] for p in g.packages]] for g in parsed.groups],
        "categories": [[c.id, c.name or "", [g.name for g in c.group_ids]] for c in parsed.categories],
        "environments": [[e.id, e.name or "", [g.name for g in e.group_ids], [g.name.strip() for g in e.option_ids]] for e in parsed.environments],
    }


def updateinfo(path):
    try:
        parsed = cr.UpdateInfo(path)
    except Exception:
        return {"refused": True}
    return [[u.id or "", u.type or "", u.fromstr or "", u.status or "", u.version or "", u.title or "", u.severity or "", u.summary or "",
             u.description or "", u.solution or "", u.rights or "", u.release or "", u.pushcount or "",
             [[r.href or "", r.id or "", r.type or "", r.title or ""] for r in u.references],
             [[c.shortname or "", c.name or "",
               [[p.name, p.version, p.release, p.epoch or "", p.arch, p.src or "", p.filename or "", p.sum or "", bool(p.reboot_suggested)] for p in c.packages]]
              for c in u.collections]] for u in parsed.updates]


for argument in sys.argv[1:]:
    kind, path = argument.split(":", 1)
    print(json.dumps(comps(path) if kind == "comps" else updateinfo(path)))
