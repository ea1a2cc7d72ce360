# SPDX-License-Identifier: Apache-2.0
"""Runs the runs of a study, one after the other: by mpirun, or as Slurm jobs that wait for one
another."""

import os
import pathlib
import shlex
import shutil
import subprocess

from .records import read_config
from .study import DESCRIPTION, StudyError, read_study, run_folder, turns


def local_environment(ranks, cores):
    """The settings of tools/common.sh (mpi_env) under which mpirun works on one small machine, with
    one thread a rank."""
    settings = dict(
        os.environ,
        OMP_NUM_THREADS="1",
        OMPI_MCA_rmaps_base_oversubscribe="1",
        OMPI_MCA_hwloc_base_binding_policy="none",
    )
    if os.geteuid() == 0:
        settings.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if ranks > cores:
        settings["OMPI_MCA_mpi_yield_when_idle"] = "1"
    return settings


def value_of(study, key):
    """A run's value of a key: the last --key of the arguments, else the configuration's."""
    value = read_config(study.config).get(key)
    given = study.arguments
    for i, word in enumerate(given):
        if word == f"--{key}" and i + 1 < len(given):
            value = given[i + 1]
        elif word.startswith(f"--{key}="):
            value = word.split("=", 1)[1]
    return value


def shards_of(study):
    """The shards of the study's federation, in order of their names."""
    folder = value_of(study, "data.shards")
    if not folder:
        raise StudyError(f"{study.config}: has no data.shards. Give it there or as --data.shards after `--`.")
    found = sorted(pathlib.Path(folder).glob("*.h5"))
    if not found:
        raise StudyError(
            f"{folder}: holds no *.h5, so that there is nothing to train on. The head "
            f"of {study.config} may say how to make some."
        )
    return found


def grown_arguments(study, folder, ranks):
    """Weak scaling: arguments for a federation that has grown with the ranks, the first
    shards_a_rank * ranks shards, and with them the clients and the cohort that the configuration
    gives for one rank."""
    shards = shards_of(study)[: study.shards_a_rank * ranks]
    links = pathlib.Path(folder) / f"ranks-{ranks:04}" / "shards"
    links.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        link = links / shard.name
        link.unlink(missing_ok=True)
        link.symlink_to(shard.resolve())
    arguments = ["--data.shards", str(links)]
    for key in ("data.clients", "cohort.size"):
        value = value_of(study, key)
        if value not in (None, "", "0", "auto"):
            arguments += [f"--{key}", str(int(value) * ranks)]
    return arguments


def plan_growth(study):
    """Settles how many shards a rank has, where it was not said: as many as fit the most ranks."""
    shards, most = len(shards_of(study)), max(study.ranks)
    study.shards_a_rank = study.shards_a_rank or shards // most
    if study.shards_a_rank * most > shards or study.shards_a_rank == 0:
        raise StudyError(
            f"weak scaling to {most} ranks needs {max(1, study.shards_a_rank) * most} "
            f"shards, but there are {shards}. Make more, or give fewer --ranks."
        )


def without(arguments, keys):
    """Arguments less those that give one of these keys: harmofl refuses a key that comes twice."""
    kept, dropping = [], False
    for word in arguments:
        if word.startswith("--"):  # the words up to the next such are the key's value
            dropping = word[2:].split("=", 1)[0] in keys
        if not dropping:
            kept.append(word)
    return kept


def check_same(study, folder):
    """Refuses a folder that holds another study: only ranks and repetitions may be added."""
    if not (pathlib.Path(folder) / DESCRIPTION).exists():
        return
    there = read_study(folder)
    for name in ("kind", "warm_up", "config", "launcher", "arguments", "program", "shards_a_rank", "machine"):
        if getattr(there, name) != getattr(study, name):
            raise StudyError(
                f"{folder}: holds a study with {name} = {getattr(there, name)}, not "
                f"{getattr(study, name)}. Give another --output."
            )


def program_command(study, folder, ranks, repetition):
    """`harmofl train ...` of one run."""
    grown = grown_arguments(study, folder, ranks) if study.kind == "weak" else []
    given = without(study.arguments, {word[2:] for word in grown[::2]})
    output = run_folder(folder, ranks, repetition)
    return [
        study.program,
        "train",
        "--config",
        study.config,
        *given,
        *grown,
        "--device.threads",
        "1",
        "--run.output",
        str(output),
    ]


def prepare(study, folder, ranks, repetition):
    """Makes room for a run; False when it is done already. A run that was cut off starts again:
    half of it under other conditions is not a measurement."""
    output = run_folder(folder, ranks, repetition)
    if (output / "summary.json").exists():
        return False
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    return True


def log_of(folder, ranks, repetition):
    return run_folder(folder, ranks, repetition).with_suffix(".log")


def run_locally(study, folder, cores, print_status):
    """Runs by mpirun whatever is not done yet."""
    for ranks, repetition in turns(study.ranks, study.repeat):
        if not prepare(study, folder, ranks, repetition):
            continue
        print_status(f"{ranks} ranks, run {repetition} of {study.repeat}")
        command = ["mpirun", "-n", str(ranks), *program_command(study, folder, ranks, repetition)]
        log = log_of(folder, ranks, repetition)
        with open(log, "w", encoding="utf-8") as file:
            code = subprocess.run(
                command,
                env=local_environment(ranks, cores),
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if code != 0:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            said = [line for line in lines if line.startswith("error")] or lines or ["no output"]
            raise StudyError(f"a run on {ranks} ranks ended with status {code}: {said[0]} (all of it: {log})")


def job_command(study, folder, ranks, repetition, after, options):
    """`sbatch ...` of one run; `after`: the job that has to end before it starts, or None."""
    step = shlex.join(["mpirun", *program_command(study, folder, ranks, repetition)])
    waits = [f"--dependency=afterany:{after}"] if after else []
    return [
        "sbatch",
        "--parsable",
        f"--job-name=scaling-{ranks}",
        "--ntasks",
        str(ranks),
        "--cpus-per-task",
        "1",
        "--output",
        str(log_of(folder, ranks, repetition)),
        *waits,
        *options,
        "--wrap",
        f"export OMP_NUM_THREADS=1; exec {step}",
    ]


def submit(study, folder, options, print_status):
    """Submits a job for each run that is not done yet; each waits for the one before, so that they
    run in turns and never beside one another."""
    after = None
    for ranks, repetition in turns(study.ranks, study.repeat):
        if not prepare(study, folder, ranks, repetition):
            continue
        command = job_command(study, folder, ranks, repetition, after, options)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise StudyError(
                "sbatch: there is no such program. Call this where Slurm's commands "
                "are, or use --launcher mpirun."
            ) from None
        if done.returncode != 0:
            raise StudyError(f"sbatch refused the run on {ranks} ranks: {done.stderr.strip()}")
        after = done.stdout.strip().split(";")[0]
        print_status(f"job {after}: {ranks} ranks, run {repetition} of {study.repeat}")
