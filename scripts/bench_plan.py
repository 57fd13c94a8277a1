"""How good and how fast are plans: against trying every candidate on the whole array.

For each array and wish: the size that the plan's choice really has, over the smallest size of all candidates that keep the bound
(both from `compact plan --whole`, which codes the whole array with every candidate), and the time of the plan over the time of
that search. One thread each. The promise: at most 1.05, in at most a tenth of the time (arrays of up to 1 MiB are tried whole).

    python scripts/bench_plan.py [--compact target/release/compact] [FOLDER or FILE.npy ...] [--json out.json]
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

SHARES = [None, 1e-2, 1e-3, 1e-4, 1e-5]


def plan(compact, path, wish, whole):
    line = [compact, "plan", str(path), "--json", "--threads", "1"] + wish + (["--whole"] if whole else [])
    start = time.perf_counter()
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arrays", nargs="+")
    parser.add_argument("--compact", default="target/release/compact")
    parser.add_argument("--runs", type=int, default=3, help="plans are timed so often; the fastest counts")
    parser.add_argument("--json")
    args = parser.parse_args()
    paths = []
    for name in map(pathlib.Path, args.arrays):
        paths += sorted(name.glob("*.npy")) if name.is_dir() else [name]
    rows = []
    print(f"{'array':34} {'share':>6}  {'size':>6} {'time':>6}  {'est':>5}  choice | smallest")
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
            smallest = min(kept.values(), key=lambda c: c["bytes"])
            real = kept.get(choice["flags"] + choice["target"])
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
            print(f"{path.stem:34} {share or 0:6.0e}  {size:6.3f} {row['time']:6.3f}  {estimate}  {row['choice']} | {row['smallest']}")
    large = [r for r in rows if not r["sampled_whole"]]
    over = [r for r in rows if r["size"] > 1.05]
    slow = [r for r in large if r["time"] > 0.1]
    times = sorted(r["time"] for r in large)
    print(f"{len(rows)} plans; {len(over)} over 1.05 of the smallest; {len(slow)} of {len(large)} over a tenth of the time, "
          f"median {times[len(times) // 2]:.3f}" if times else f"{len(rows)} plans; {len(over)} over 1.05")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
