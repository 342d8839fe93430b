"""Damage studies at random and read them, by the thousand: `python -m tests.fuzz.campaign --inputs 20000`.

Prints how many were read as the truth, read with a note or refused, and each finding with the number that makes it
again: `--only NUMBER`. Ends with 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tests.fuzz.corpus import Study, corpus
from tests.fuzz.mutations import Mutation, mutate
from tests.fuzz.oracle import Bench, Verdict

STUCK_SECONDS = 120.0
"""A worker that is in one input for so long is ended, with where it was."""

Judged = tuple[str, int, str, Verdict]


def damaged(study: Study, number: int, *, seed: int) -> Mutation:
    """The damage of this number."""
    kind = [one.name for one in corpus()].index(study.name)
    return mutate(study, np.random.default_rng([seed, kind, number]))


def campaign(folder: Path, numbers: range, *, seed: int) -> Iterator[Judged]:
    """Judge the damages of these numbers to every study in turn."""
    bench = Bench(folder)
    for number in numbers:
        study = corpus()[number % len(corpus())]
        mutation = damaged(study, number, seed=seed)
        faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict = bench.judge(study, mutation)
        faulthandler.cancel_dump_traceback_later()
        yield study.name, number, mutation.told, verdict


def _work(numbers: range, seed: int, told: Connection) -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        for one in campaign(Path(folder), numbers, seed=seed):
            told.send(one)


def _in_processes(numbers: range, *, seed: int) -> list[Judged]:
    """Judge some inputs in a process of their own; one that ends it is a finding, and another goes on behind it."""
    judged: list[Judged] = []
    while numbers:
        mine, theirs = get_context("spawn").Pipe(duplex=False)
        worker = get_context("spawn").Process(target=_work, args=(numbers, seed, theirs))
        worker.start()
        theirs.close()
        done = 0
        with suppress(EOFError):
            while done < len(numbers):
                judged.append(mine.recv())
                done += 1
        worker.join()
        if done < len(numbers):
            number = numbers[done]
            study = corpus()[number % len(corpus())]
            verdict = Verdict("crash", f"the process ended with {worker.exitcode}")
            judged.append((study.name, number, damaged(study, number, seed=seed).told, verdict))
        numbers = numbers[done + 1 :]
    return judged


def _run(arguments: argparse.Namespace) -> list[Judged]:
    share = 500
    parts = [range(at, min(at + share, arguments.inputs)) for at in range(0, arguments.inputs, share)]
    done: list[Judged] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for part in pool.map(lambda numbers: _in_processes(numbers, seed=arguments.seed), parts):
            done += part
            found = sum(verdict.is_finding for *_, verdict in done)
            print(f"{len(done)} of {arguments.inputs}, {found} findings", file=sys.stderr, flush=True)
    return done


def _report(judged: list[Judged]) -> int:
    counts = Counter(verdict.outcome for *_, verdict in judged)
    print(f"{len(judged)} inputs: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    kinds: dict[tuple[str, ...], list[Judged]] = defaultdict(list)
    for one in judged:
        name, _, told, verdict = one
        if verdict.is_finding:
            kinds[verdict.outcome, name, " ".join(told.split(";")[0].split()[:2])].append(one)
    for (outcome, *kind), found in sorted(kinds.items(), key=lambda item: -len(item[1])):
        _, number, told, verdict = found[0]
        print(f"{len(found)} x {outcome} {' '.join(kind)}: #{number} {told}: {verdict.told[:300]}")
    return int(bool(kinds))


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="the number of one input, which is judged alone, in this process")
    arguments = parser.parse_args()
    if arguments.only is None:
        return _report(_run(arguments))
    number = int(arguments.only)
    with tempfile.TemporaryDirectory() as folder:
        return _report(list(campaign(Path(folder), range(number, number + 1), seed=arguments.seed)))


if __name__ == "__main__":
    sys.exit(main())
