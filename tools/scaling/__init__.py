# SPDX-License-Identifier: Apache-2.0
"""Scaling studies: runs of one federation on growing numbers of ranks, what they took, and what
larger machines would take.

  study        the folder of a study: what it holds and how it is described
  launching    the runs, by mpirun or as Slurm jobs, in turns
  records      reads a run folder: its rounds and its clients' times
  bounds       the best that whole clients on ranks allow
  analysis     times by phase, speed-up, efficiency, imbalance and communication by ranks
  tables       the analysis as CSV and text
  plots        the analysis and the projection as pictures
  platforms    machines as JSON files, and as the XML that SimGrid reads
  replay       writes traces and lets SimGrid replay them
  workload     measured times of clients as the work of ranks, of more clients too
  projector    replays rounds and sums up what they took
  validation   the error of predictions where runs were measured
  projection   predicted rounds on a machine
"""
