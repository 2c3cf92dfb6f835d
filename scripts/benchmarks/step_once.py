"""Training steps of a translator in a process of its own, by whichever package is on the path.

python -m benchmarks.step_once REPEATS STEP     (STEP: the attributes of benchmarks.steps.Step as JSON)
"""

import json
import sys

from benchmarks.measure import tell
from benchmarks.steps import Step, measure_step

if __name__ == "__main__":
    repeats, step = sys.argv[1:]
    seconds, gigabytes = measure_step(Step(**json.loads(step)), int(repeats))
    tell(json.dumps({"seconds": seconds, "gigabytes": gigabytes}))
