# SPDX-License-Identifier: Apache-2.0
"""What harmofl wrote, from Python: run folders as frames of pandas, models as state_dicts, shards as arrays.

    import harmofl_runs

    run = harmofl_runs.open_run("runs/demo")
    run.scores()                                   # round, site, split, measure, value, held_out
    run.best("test")                               # sites and measures of the best round
    harmofl_runs.state_dict("runs/demo/best.h5")   # name -> array, in the model's order
    harmofl_runs.open_shard("runs/data/demo/site_0.h5").images("test")

docs/guides/python.md holds every function with an example. Checksums are not verified here;
`harmofl inspect FILE` does that.
"""

from harmofl_runs.errors import RunError
from harmofl_runs.models import client_names, state_dict, torch_state_dict
from harmofl_runs.run import Run, find_runs, open_run
from harmofl_runs.shards import Shard, find_shards, open_shard

__all__ = [
    "Run",
    "RunError",
    "Shard",
    "client_names",
    "find_runs",
    "find_shards",
    "open_run",
    "open_shard",
    "state_dict",
    "torch_state_dict",
]
