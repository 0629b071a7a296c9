#!/usr/bin/env python3
"""README.md's tables of opcodes and routes are those that the control plane prints of itself.
SPDX-License-Identifier: Apache-2.0
"""
import subprocess
import sys

program, readme = sys.argv[1:3]
with open(readme, encoding='utf-8') as file:
    text = file.read()
begin, end = '<!-- reference:begin -->\n', '<!-- reference:end -->'
stands = text[text.index(begin) + len(begin):text.index(end)]
prints = subprocess.run([program, '--reference'], check=True, capture_output=True, text=True).stdout
if stands != prints:
    sys.exit('README.md: the text between the reference markers is not what voxpop-controlplane --reference prints; paste it')
