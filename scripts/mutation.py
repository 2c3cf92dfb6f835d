"""Which faults the tests notice: each mutant of a table is put into a copy of the repository, and the tests are run.

python -m pytest --junit-xml=tests.xml
python scripts/mutation.py --tree . --junit tests.xml --output mutation.csv

First each mutant by itself, against the fast tests of its package and its module, until one fails. Then all survivors
together against every test: of one that fails, halving finds the mutant that it kills, which leaves the group, and the
rest goes on. What is left has survived the whole suite. Started again, it goes on after the output's rows.
"""

import csv
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import fire
import yaml
from benchmarks.measure import machine, tell
from forked_tests import Copy, Outcome, Suite, run_tests

TABLE = Path(__file__).with_name("mutants.yaml")
LIMIT = 60  # seconds of such a test with a mutant
KILLED, TIMED_OUT, OPEN, SURVIVED = "killed", "killed by timeout", "open", "survived"


@dataclass(frozen=True)
class Mutant:
    """A fault that a user would suffer from.

    Attributes:
        name: what is wrong, a sentence.
        file: in the package.
        changes: text and what takes its place; of several the one whose text is there.
    """

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]

    @property
    def package(self) -> str:
        """The part of the package that it is in, whose tests are in a folder of that name."""
        return self.file.split("/")[0]

    def put_into(self, source: str) -> str:
        """``source`` with the fault.

        Raises:
            ValueError: unless just one text of the changes occurs, and occurs once.
        """
        found = [change for change in self.changes if change[0] in source]
        if len(found) != 1 or source.count(found[0][0]) != 1:
            raise ValueError(f"{self.file}: no text, or more than one, fits the mutant {self.name!r}")
        return source.replace(*found[0])


@dataclass
class Row:
    """What became of a mutant: its seconds are those of the run that killed it, or of the run by itself."""

    name: str
    file: str
    result: str
    test: str
    seconds: float


class Results:
    """The rows of a CSV file, which is written anew after each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as stream:
                self.rows = {row["name"]: Row(**row) for row in csv.DictReader(stream)}  # type: ignore[arg-type]

    def put(self, mutant: Mutant, result: str, test: str, seconds: float) -> None:
        """Keep and tell one row."""
        self.rows[mutant.name] = Row(mutant.name, mutant.file, result, test, round(seconds, 1))
        with self.path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(Row.__annotations__))
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows.values())
        tell(f"{result:10}{seconds:7.1f} s  {mutant.file}: {mutant.name}  {test}")

    def of(self, mutants: Sequence[Mutant], *results: str) -> list[Mutant]:
        """Those with one of ``results``."""
        return [m for m in mutants if m.name in self.rows and self.rows[m.name].result in results]


def mutation(
    tree: str, junit: str, output: str, names: str = "", fast: float = 5.0, hints: str = "", check: bool = False
) -> None:
    """Run the table.

    Args:
        tree: the repository; of it, what git knows of is copied.
        junit: of a run of its whole suite as it is, which says what tests there are and how long they take.
        output: CSV file.
        names: only mutants with this in their name.
        fast: seconds of the longest test that is run for each mutant by itself.
        hints: output of another run, whose killing test is tried first for each mutant.
        check: only see whether all mutants fit the tree.
    """
    mutants = [mutant for mutant in read_mutants() if names in mutant.name]
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Copy(Path(tree), Path(folder))
        for group in ([mutant] for mutant in mutants):
            with holding(copy, group):
                pass
        if check:
            return
        suite, results, hinted = Suite(Path(junit), copy), Results(Path(output)), Results(Path(hints)).rows
        if not results.rows:
            _see_that_fast_tests_pass(copy, suite, {mutant.package for mutant in mutants}, fast)
        for mutant in mutants:
            if mutant.name not in results.rows:
                tests = suite.tests_of(mutant.package, fast, mutant.file)
                first = hinted[mutant.name].test if mutant.name in hinted else ""
                _run_alone(copy, mutant, [[first]] * (first in tests) + [tests], results)
        _run_together(copy, suite, results.of(mutants, OPEN), results)
    _tell_table(mutants, results)


def read_mutants(path: Path = TABLE) -> list[Mutant]:
    """The table.

    Raises:
        ValueError: when two have one name.
    """
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    mutants = [Mutant(row["name"], row["file"], tuple((old, new) for old, new in row["changes"])) for row in rows]
    twice = [name for name, count in Counter(mutant.name for mutant in mutants).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: two mutants are called {twice[0]!r}")
    return mutants


@contextmanager
def holding(copy: Copy, mutants: Sequence[Mutant]) -> Iterator[None]:
    """The copy has all ``mutants`` while the block runs."""
    paths = {mutant.file: copy.package / mutant.file for mutant in mutants}
    before = {file: path.read_text(encoding="utf-8") for file, path in paths.items()}
    sources = dict(before)
    for mutant in mutants:
        sources[mutant.file] = mutant.put_into(sources[mutant.file])
    try:
        for file, source in sources.items():
            compile(source, file, "exec")
            paths[file].write_text(source, encoding="utf-8")
        yield
    finally:
        for file, source in before.items():
            paths[file].write_text(source, encoding="utf-8")


def _see_that_fast_tests_pass(copy: Copy, suite: Suite, packages: set[str], fast: float) -> None:
    tests = [test for package in sorted(packages) for test in suite.tests_of(package, fast)]
    outcome = run_tests(copy, tests)
    if outcome.failed:
        raise SystemExit(f"{copy.log.read_text()}\nerror: {outcome.failed}: fails without any mutant")
    tell(f"{outcome.passed} of {len(tests)} fast tests pass without any mutant in {outcome.seconds:.0f} s")


def _run_alone(copy: Copy, mutant: Mutant, runs: Sequence[Sequence[str]], results: Results) -> None:
    """One run after the other until one fails."""
    with holding(copy, [mutant]):
        for tests in runs:
            outcome = run_tests(copy, tests, LIMIT)
            if outcome.failed:
                break
    results.put(mutant, _result(outcome, OPEN), outcome.failed or "", outcome.seconds)


def _run_together(copy: Copy, suite: Suite, group: list[Mutant], results: Results) -> None:
    """Every test, the fast ones first, with all mutants of the group that none has killed yet."""
    tests, start = suite.all_tests(), time.monotonic()
    while group and tests:
        tell(f"{len(group)} mutants together against {len(tests)} tests")
        with holding(copy, group):
            outcome = run_tests(copy, tests)
        if outcome.failed is None:
            break
        tests = tests[next(n for n, test in enumerate(tests) if test.startswith(outcome.failed)) :]
        one = [test for test in tests if test.startswith(outcome.failed)]
        killed = _killed_by(copy, one, group, results)
        if killed is None:
            tests = tests[len(one) :]
        else:
            group.remove(killed)
    for mutant in group:
        results.put(mutant, SURVIVED, "", time.monotonic() - start)


def _killed_by(copy: Copy, tests: list[str], group: Sequence[Mutant], results: Results) -> Mutant | None:
    """One of the group that fails ``tests`` by itself; None where none does, or where they fail without any."""
    if run_tests(copy, tests).failed:
        tell(f"fails without any mutant now and then: {tests[0]}")
        return None
    while len(group) > 1:
        half = group[: len(group) // 2]
        with holding(copy, half):
            group = half if run_tests(copy, tests).failed else group[len(half) :]
    with holding(copy, group):
        outcome = run_tests(copy, tests)
    if outcome.failed is None:
        tell(f"fails by no mutant alone: {tests[0]}")
        return None
    results.put(group[0], _result(outcome, OPEN), outcome.failed, outcome.seconds)
    return group[0]


def _result(outcome: Outcome, otherwise: str) -> str:
    return otherwise if outcome.failed is None else TIMED_OUT if outcome.timed_out else KILLED


def _tell_table(mutants: Sequence[Mutant], results: Results) -> None:
    tell(f"\n{'package':14}{'mutants':>8}{'killed':>8}{'by timeout':>12}{'survived':>10}")
    for package in [*dict.fromkeys(mutant.package for mutant in mutants), ""]:
        of_package = [mutant for mutant in mutants if package in ("", mutant.package)]
        late, survived = (len(results.of(of_package, result)) for result in (TIMED_OUT, SURVIVED))
        killed = late + len(results.of(of_package, KILLED))
        tell(f"{package or 'all':14}{len(of_package):8}{killed:8}{late:12}{survived:10}")
    tell(f"killed {killed} of n = {len(mutants)} ({killed / max(len(mutants), 1):.1%}); {machine()}")
    for mutant in results.of(mutants, SURVIVED):
        tell(f"survived: {mutant.file}: {mutant.name}")


if __name__ == "__main__":
    fire.Fire(mutation)
