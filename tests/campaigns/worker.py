"""Process that uses mutants, one after the other, and writes a line before and after each.

    python -m campaigns.worker KINDS FOLDER SEED FIRST END

KINDS are separated by commas, and take turns. A line is `start NUMBER`, `ok NUMBER`, `error NUMBER` or
`failed NUMBER TRACEBACK`, the last as JSON.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import sys
import tempfile
import traceback


def main(kinds: str, folder: str, seed: str, first: str, end: str) -> None:
    """Use the mutants FIRST to END - 1."""
    # The lines' own stream: commands and libraries write to the standard ones.
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from campaigns.inputs import TARGETS

    names, targets = kinds.split(","), {}
    for index in range(int(first), int(end)):
        kind = names[index % len(names)]
        if kind not in targets:
            targets[kind] = TARGETS[kind](pathlib.Path(tempfile.mkdtemp(dir=folder)))
        print(f"start {index}", file=lines, flush=True)
        try:
            ended = targets[kind].run(random.Random(f"{seed} {kind} {index}"))
        except BaseException:
            print(f"failed {index} {json.dumps(traceback.format_exc()[-3000:])}", file=lines, flush=True)
            # Its folder may hold half of something.
            del targets[kind]
        else:
            print(f"{ended} {index}", file=lines, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
