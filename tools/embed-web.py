#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""embed-web.py OUT.c DIRECTORY: the files of a bundle as a table of C (src/panicweb/assets.h).

Each file below DIRECTORY becomes an asset at its path; index.html is the page itself. What lies in
assets/ has a hash of its content in its name, so it never changes."""
import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


def array(name, data):
    lines = [f"static const unsigned char {name}[] = {{"]
    for at in range(0, len(data), 24):
        lines.append("    " + ",".join(str(b) for b in data[at:at + 24]) + ",")
    if not data:
        lines.append("    0,")
    return "\n".join(lines + ["};", ""])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    out, root = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    files = {}
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        at = "/" + path.relative_to(root).as_posix()
        if path.suffix not in TYPES:
            sys.exit(f"embed-web.py: {path}: what type is a file that ends in \"{path.suffix}\"?")
        if not all(c.isalnum() or c in "/._-" for c in at):
            sys.exit(f"embed-web.py: {path}: a name of letters, digits, '.', '_' and '-', please")
        files[at] = (TYPES[path.suffix], path.read_bytes())
    if "/index.html" not in files:
        sys.exit(f"embed-web.py: {root} has no index.html")
    parts, rows = [], []
    # Bytewise, as strcmp() has it.
    for index, (at, (kind, data)) in enumerate(sorted(files.items(), key=lambda f: f[0].encode())):
        packed = gzip.compress(data, compresslevel=9, mtime=0)
        etag = hashlib.sha256(data).hexdigest()[:32]
        forever = "true" if at.startswith("/assets/") else "false"
        parts += [array(f"plain_{index}", data), array(f"gzip_{index}", packed)]
        rows.append(f'    {{"{at}", "{kind}", "\\"{etag}\\"", {forever}, gzip_{index}, '
                    f"{len(packed)}, plain_{index}, {len(data)}}},")
    out.write_text("/* Made by tools/embed-web.py. */\n#include \"panicweb/assets.h\"\n\n"
                   + "\n".join(parts) + "\nconst struct pnd_asset pnd_assets[] = {\n"
                   + "\n".join(rows) + "\n};\n\n"
                   + f"const size_t pnd_asset_count = {len(rows)};\n")


main()
