"""How good and how fast are plans: against trying every candidate on the whole array.

For each array and wish: the size that the plan's choice really has, over the smallest size of all candidates that keep the bound
(both from `compact plan --whole`, which codes the whole array with every candidate), and the time of the plan over the time of
that search. The same program, one thread each, the whole process: start, looking at all values, proofs, trials. Times are of the
processor, so that other programs on the machine hardly matter. The promise: at most 1.05, in at most a tenth (arrays of up to
128 KiB are tried whole). With --files the candidates' sizes are those of files that are really written.

    python scripts/bench_plan.py [--compact target/release/compact] [FOLDER or FILE.npy ...] [--json out.json] [--markdown]
"""

import argparse
import json
import os
import pathlib
import resource
import shlex
import subprocess
import sys
import tempfile

SHARES = [None, 1e-2, 1e-3, 1e-4, 1e-5]


def timed(line):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def plan(compact, path, wish, whole):
    line = [compact, "plan", str(path), "--json", "--threads", "1"] + wish + (["--whole"] if whole else [])
    text, seconds = timed(line)
    return json.loads(text), seconds


def written(compact, path, candidate):
    """Bytes of the file that a candidate's flags make."""
    ending = ".npy" if candidate["target"] == "npy" else ".h5"
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "x" + ending)
        line = [compact, str(path), *shlex.split(candidate["flags"]), "-o", out]
        if candidate["target"] == "hdf5_filtered" and "--max" not in candidate["flags"]:
            line += ["--max-abs", "0"]
        subprocess.run(line, capture_output=True, check=True)
        return os.path.getsize(out)


def mean(values):
    return sum(values) / len(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arrays", nargs="+")
    parser.add_argument("--compact", default="target/release/compact")
    parser.add_argument("--runs", type=int, default=3, help="plans are timed so often; the fastest counts")
    parser.add_argument("--files", action="store_true", help="sizes of written files: of the choice and of the three smallest")
    parser.add_argument("--json")
    parser.add_argument("--markdown", action="store_true", help="one line an array, as docs/performance.md has it")
    args = parser.parse_args()
    paths = []
    for name in map(pathlib.Path, args.arrays):
        paths += sorted(name.glob("*.npy")) if name.is_dir() else [name]
    rows = []
    print(f"{'array':34} {'share':>6}  {'size':>6} {'time':>6}  {'est':>5}  choice | smallest", flush=True)
    for path in paths:
        for share in SHARES:
            wish = [] if share is None else ["--max-range-rel", repr(share)]
            runs = [plan(args.compact, path, wish, False) for _ in range(args.runs)]
            found, seconds = runs[0][0], min(s for _, s in runs)
            best, all_seconds = plan(args.compact, path, wish, True)
            kept = {c["flags"] + c["target"]: c for c in best["candidates"] if c["keeps"] == "kept"}
            choice = next((c for c in found["candidates"] if c["best"]), None)
            if not kept or choice is None:
                print(f"{path.stem:34} {share or 0:6.0e}  no candidate")
                continue
            real = kept.get(choice["flags"] + choice["target"])
            if args.files:
                # Sizes of the search are those of its chunks; files have a few bytes more or less beside them.
                least = sorted(kept.values(), key=lambda c: c["bytes"])[:3]
                for c in [*least, *([real] if real and real not in least else [])]:
                    c["bytes"] = written(args.compact, path, c)
                kept = {k: c for k, c in kept.items() if c in least or c is real}
            smallest = min(kept.values(), key=lambda c: c["bytes"])
            # A choice that the whole array breaks: --auto would run the next one; here it counts as infinitely large.
            size = real["bytes"] / smallest["bytes"] if real else float("inf")
            row = {
                "array": path.stem,
                "share": share,
                "size": size,
                "time": seconds / all_seconds,
                "plan_s": seconds,
                "whole_s": all_seconds,
                "estimate": choice["bytes"] / real["bytes"] if real else None,
                "choice": choice["flags"],
                "smallest": smallest["flags"],
                "sampled_whole": found["sample"]["whole"],
            }
            rows.append(row)
            estimate = f"{row['estimate']:5.2f}" if real else "  -  "
            print(
                f"{path.stem:34} {share or 0:6.0e}  {size:6.3f} {row['time']:6.3f}  {estimate}  "
                f"{row['choice']} | {row['smallest']}",
                flush=True,
            )
    over = [r for r in rows if r["size"] > 1.05]
    slow = [r for r in rows if r["time"] > 0.1]
    if args.markdown:
        print("\n| array | size: mean | worst | time: all bounds | worst |\n|---|---|---|---|---|")
        for name in [*dict.fromkeys(r["array"] for r in rows), None]:
            these = [r for r in rows if name in (None, r["array"])]
            total = sum(r["plan_s"] for r in these) / sum(r["whole_s"] for r in these)
            size, worst = [r["size"] for r in these], max(r["time"] for r in these)
            print(f"| {name or 'all'} | {mean(size):.3f} | {max(size):.3f} | {total:.3f} | {worst:.3f} |")
    times = sorted(r["time"] for r in rows)
    if rows:
        print(
            f"{len(rows)} plans; {len(over)} over 1.05 of the smallest; {len(slow)} over a tenth of the time, "
            f"median {times[len(times) // 2]:.3f}, in total "
            f"{sum(r['plan_s'] for r in rows) / sum(r['whole_s'] for r in rows):.3f}"
        )
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if over or slow else 0


if __name__ == "__main__":
    sys.exit(main())
