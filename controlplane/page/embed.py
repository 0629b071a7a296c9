#!/usr/bin/env python3
"""Writes a C file that holds the files of the page: embed.py OUT FILE...

SPDX-License-Identifier: Apache-2.0
"""
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def main():
    out, files = sys.argv[1], sys.argv[2:]
    text = ['#include "controlplane/page/site.h"\n']
    rows = []
    for number, path in enumerate(files):
        with open(path, "rb") as f:
            body = f.read()
        name = os.path.basename(path)
        url = "/" if name == "index.html" else "/" + name
        text.append("static const unsigned char body%d[] = {" % number)
        for at in range(0, len(body), 24):
            text.append("    " + ",".join(str(b) for b in body[at:at + 24]) + ",")
        text.append("};\n")
        rows.append('    {"%s", "%s", body%d, sizeof body%d},' %
                    (url, TYPES[os.path.splitext(name)[1]], number, number))
    text += ["const struct site_file site_files[] = {"] + rows + ["    {NULL, NULL, NULL, 0},", "};", ""]
    with open(out, "w", encoding="ascii") as f:
        f.write("\n".join(text))


main()
