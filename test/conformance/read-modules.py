"""Reads a JSON list of modulemd texts; prints for each what libmodulemd reads of its components and everything else."""
import json
import sys

import gi

gi.require_version("Modulemd", "2.0")
from gi.repository import GLib, Modulemd  # noqa: E402


def streams(text):
    if "document: modulemd-packager" in text:
        packager = Modulemd.read_packager_string(text, None, None)
        if isinstance(packager, Modulemd.PackagerV3):
            packager = packager.convert_to_index().get_module(packager.get_module_name()).get_all_streams()[0]
        return [packager]
    index = Modulemd.ModuleIndex.new()
    accepted, failures = index.update_from_string(text, True)
    if not accepted:
        raise ValueError(failures[0].get_gerror().message)
    return [s for name in index.get_module_names() for s in index.get_module(name).get_all_streams()]


def components(stream):
    found = []
    for key in stream.get_rpm_component_names():
        c = stream.get_rpm_component(key)
        found.append([key, c.get_name(), c.get_ref(), c.get_rationale(), c.get_buildorder(),
                      sorted(c.get_buildafter()), sorted(c.get_arches()), sorted(c.get_multilib_arches())])
    return found


def rest(stream):
    copy = stream.copy(stream.get_module_name() or "name", stream.get_stream_name() or "stream")
    for key in stream.get_rpm_component_names():
        component = copy.get_rpm_component(key)
        component.set_ref(None)
        copy.add_component(component)
    index = Modulemd.ModuleIndex.new()
    index.add_module_stream(copy)
    return index.dump_to_string()


answers = []
for text in json.load(sys.stdin):
    try:
        stream, = streams(text)
        answers.append({"name": stream.get_module_name(), "stream": stream.get_stream_name(),
                        "components": components(stream), "rest": rest(stream)})
    except (ValueError, GLib.Error) as error:
        answers.append({"refused": str(error)})
json.dump(answers, sys.stdout)
