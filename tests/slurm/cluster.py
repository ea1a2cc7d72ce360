# SPDX-License-Identifier: Apache-2.0
"""A Slurm cluster of two nodes on this machine: munged, slurmctld and two slurmd in a folder of
their own. Nothing of the machine's own Slurm is read or written, and all ends with the object.

    cluster.py FOLDER    waits until its standard input ends, then ends what is left of the cluster
                         of FOLDER: the tests start this first, in case that they are killed
"""

import atexit
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NODES = ("n1", "n2")
CPUS = 2  # that each node says it has, whatever the machine has

SLURM_CONF = """\
ClusterName=harmofl
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# A folder for each node: PMIx keeps files there by the number of the step alone.
TmpFS={folder}/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=2
{gres_types}
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]},{ports[2]}] CPUs={cpus} {gres}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
PartitionName=low Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=2
"""


def why_not():
    """What keeps this machine from running a cluster, or None."""
    missing = [
        program
        for program in ("munged", "slurmctld", "slurmd", "sbatch", "srun")
        if shutil.which(program) is None
    ]
    if missing:
        return f"{', '.join(missing)} not installed (tools/install-deps.sh --cluster does)"
    if os.geteuid() != 0:
        return "slurmd needs root"
    return None


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def processes(setting):
    """Process ids of all that has `setting`, NAME=VALUE, in its environment."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if setting.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parts[2]))
        except OSError:
            pass  # ended meanwhile
    return found


def destroy(folder):
    """Kills all daemons and jobs of the cluster in `folder`, and removes it."""
    while left := processes(f"SLURM_CONF={folder}/slurm.conf"):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """Two nodes of CPUS processors each, and of `gpus` GPUs that are links to /dev/null: Slurm counts them
    out and names them to jobs. `stop` ends all of it and may be called twice."""

    def __init__(self, gpus=0):
        self.gpus = gpus
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="harmofl-slurm-"))
        self.daemons = []
        self.lifeline = subprocess.Popen([sys.executable, __file__, self.folder], stdin=subprocess.PIPE)
        self.lifeline.wait()
        os.environ["SLURM_CONF"] = str(self.folder / "slurm.conf")
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            print(self.logs())
            self.stop()
            raise

    def _start(self):
        for node in NODES:
            (self.folder / "spool" / node).mkdir(parents=True)
            (self.folder / "tmp" / node).mkdir(parents=True)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        conf = SLURM_CONF.format(
            host=socket.gethostname().split(".")[0],
            folder=self.folder,
            ports=free_ports(3),
            cpus=CPUS,
            gres_types="GresTypes=gpu" if self.gpus else "",
            gres=f"Gres=gpu:{self.gpus}" if self.gpus else "",
        )
        self._make_gpus()
        (self.folder / "slurm.conf").write_text(conf)
        self._daemon(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )
        self.until("munged answers", lambda: (self.folder / "munge.socket").exists())
        self._daemon("slurmctld", "-D", "-f", self.folder / "slurm.conf")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node, "-f", self.folder / "slurm.conf")
        self.until(
            "all nodes are idle",
            lambda: {"idle"} == set(self.tell("sinfo", "-h", "-N", "-o", "%T", check=False).split()),
        )

    def _make_gpus(self):
        if not self.gpus:
            return
        for number in range(self.gpus):
            (self.folder / f"gpu{number}").symlink_to("/dev/null")  # Slurm wants devices
        files = f"{self.folder}/gpu[0-{self.gpus - 1}]"
        (self.folder / "gres.conf").write_text(f"NodeName=n[1-2] Name=gpu File={files}\n")

    def _daemon(self, name, *arguments):
        with open(self.folder / f"{name}-{len(self.daemons)}.out", "w", encoding="utf-8") as out:
            self.daemons.append(
                subprocess.Popen(
                    [name, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out, stderr=out
                )
            )

    def stop(self):
        if not self.folder.exists():
            return
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        destroy(self.folder)  # jobs: slurmd leaves them running when it ends
        self.lifeline.stdin.close()

    def tell(self, *command, check=True, env=None):
        """What a command of Slurm says."""
        result = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, **(env or {})},
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{command}: {result.stdout}{result.stderr}\n{self.logs()}")
        return result.stdout.strip()

    def submit(self, *arguments, env=None):
        """The number of a new job."""
        return self.tell("sbatch", "--parsable", *arguments, env=env)

    def state(self, job):
        """Of a job, or of every task of an array that has started."""
        lines = self.tell("scontrol", "-o", "show", "job", job).splitlines()
        return [
            dict(word.split("=", 1) for word in line.split() if "=" in word)["JobState"] for line in lines
        ]

    def until(self, what, reached, timeout=120):
        """Polls until `reached()`; fails with all logs when that takes too long."""
        deadline = time.monotonic() + timeout
        while not reached():
            if time.monotonic() > deadline:
                raise AssertionError(f"after {timeout} s not reached: {what}\n{self.logs()}")
            time.sleep(0.1)

    def until_state(self, job, *states):
        self.until(f"job {job} is {' or '.join(states)}", lambda: set(self.state(job)) <= set(states))

    def release(self, job):
        """Starts a requeued job soon; Slurm lets it wait for two minutes. Nodes refuse the number
        of a job within the second in which they ended it."""
        self.until_state(job, "PENDING")
        self.tell("scontrol", "update", f"JobId={job}", "StartTime=now+2seconds")

    def clear(self):
        """Ends all jobs."""
        self.tell("scancel", "--user=root")
        self.until("the queue is empty", lambda: self.tell("squeue", "--noheader") == "")

    def logs(self):
        """The last lines that each daemon has said, and the queue."""
        text = subprocess.run(["squeue"], capture_output=True, text=True, check=False).stdout
        for path in sorted([*self.folder.glob("*.out"), *self.folder.glob("*.log")]):
            lines = path.read_text(errors="replace").splitlines()
            text += "".join(f"{path.name}: {line}\n" for line in lines[-25:])
        return text


def main():
    if os.fork() > 0:
        os._exit(0)  # the rest is not a child of the tests, which may be killed with all of theirs
    sys.stdin.buffer.read()
    destroy(sys.argv[1])


if __name__ == "__main__":
    main()
