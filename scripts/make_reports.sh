#!/usr/bin/env bash
# Rebuilds the three example reports in docs/reports from arrays of the repository, and checks their verdicts.
# usage: scripts/make_reports.sh [--check|--verdicts]    (make reports builds first; COMPACT names another binary)
#   --check  changes nothing; exit code 1 if a shipped report is not what would be made now
#   --verdicts  changes nothing; only holds the exit codes: the last digits of spectra and eigenvalues, and so a pixel of a
#               picture, may differ between processors
#
# Every byte of a report follows from its inputs but the seconds it took. So a shipped report is replaced only where
# something else has changed: running this twice leaves the working tree as it was.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=$(realpath "${COMPACT:-target/release/compact}")
work=demo-out/reports
shipped=docs/reports
check=${1:-}
stale=0

rm -rf "$work"
mkdir -p "$work/bin"
# Reports show the command line: it begins with the name that users type, whatever the binary is called here.
ln -s "$binary" "$work/bin/compact"
PATH=$PWD/$work/bin:$PATH

# Takes the only thing out that differs from run to run.
timeless() {
    sed -E 's/(ndcompact [0-9][^ ]* in )[0-9.]+ s/\1/' "$1"
}

# report EXPECTED-EXIT-CODE NAME ORIGINAL COMPACTED: makes NAME.html and NAME.md, holds the verdict against what it must be.
report() {
    local expected=$1 name=$2 code=0 form
    # The table would repeat what the files hold.
    compact report "$3" "$4" --budget "$shipped/$name.toml" -o "$work/$name.html" -o "$work/$name.md" --quiet || code=$?
    if [ "$code" != "$expected" ]; then
        echo "make_reports: $name ended with exit code $code, not $expected" >&2
        exit 1
    fi
    if [ "$check" = --verdicts ]; then
        echo "$name ends with exit code $code, as it must"
        return
    fi
    for form in html md; do
        if [ -f "$shipped/$name.$form" ] &&
            cmp -s <(timeless "$work/$name.$form") <(timeless "$shipped/$name.$form"); then
            echo "$shipped/$name.$form is up to date"
        elif [ "$check" = --check ]; then
            echo "$shipped/$name.$form is not what would be made now; run make reports" >&2
            stale=1
        else
            cp "$work/$name.$form" "$shipped/$name.$form"
            echo "$shipped/$name.$form is written"
        fi
    done
}

# A float64 kernel matrix as a float16 triangle: passes.
compact demo/pbmc_kernel.npy --triangle --f16 -o "$work/kernel.compact.npy" --quiet
report 0 kernel demo/pbmc_kernel.npy "$work/kernel.compact.npy"

# A field with a fill value on land, in hundredths of a kelvin, in HDF5; limits for each month: passes.
compact tests/data/sea_temperature_fill.npy --fill 1e20 --scale-offset 2 --codec deflate -o "$work/temperature.h5" --quiet
report 0 temperature tests/data/sea_temperature_fill.npy "$work/temperature.h5"

# A table with missing values through the scale-offset filter of HDF5, by h5py, in chunks: the largest error is within the
# limit, and hundreds of missing values became numbers. Fails.
.venv/bin/python - tests/data/weather_table_nan.npy "$work/weather.h5" <<'PYTHON'
import sys, h5py, numpy as np
with h5py.File(sys.argv[2], "w") as file:
    file.create_dataset("weather", data=np.load(sys.argv[1]), chunks=(1, 240), scaleoffset=2)
PYTHON
report 1 weather tests/data/weather_table_nan.npy "$work/weather.h5"

exit "$stale"
