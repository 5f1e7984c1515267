#!/bin/sh
# Fetches the pinned libraries of the report from npm and checks what came. To move to newer ones: change a version, run this,
# read what changed, write the new sums into SHA256SUMS, run `make browser` and look at its screenshots.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # package version, and pairs of a file in the package and its name here
    archive=$(cd "$work" && npm pack --silent "$1@$2")
    tar -xzf "$work/$archive" -C "$work"
    shift 2
    while [ $# -gt 0 ]; do
        cp "$work/package/$1" "$2"
        chmod 644 "$2"
        shift 2
    done
    rm -r "$work/package"
}

fetch d3 7.9.0 dist/d3.min.js d3.min.js LICENSE d3.LICENSE
fetch @observablehq/plot 0.6.17 dist/plot.umd.min.js plot.min.js LICENSE plot.LICENSE
fetch sortable-tablesort 4.1.7 dist/sortable.min.js sortable.min.js dist/sortable.a11y.min.js sortable.a11y.min.js \
    LICENSE sortable.LICENSE

sha256sum --check --strict SHA256SUMS
