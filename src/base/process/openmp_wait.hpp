// SPDX-License-Identifier: Apache-2.0
/// How long OpenMP's threads look for work before they sleep.
#pragma once

namespace harmofl {

/// Starts this program anew, with the same arguments, so that waiting threads of OpenMP sleep after
/// about as long as it takes to wake one. Left to itself libgomp lets them look for work for
/// milliseconds, on a core that the thread that they wait for may need: beside other work two
/// threads are then many times slower than one. Does nothing where the process has cores of its own
/// (it is bound to some of the host's, or in a Slurm job), where OMP_WAIT_POLICY or GOMP_SPINCOUNT
/// say what is wanted, which includes the program that it started, or OMP_NUM_THREADS is 1. To be
/// called before anything else: OpenMP reads its settings once, before main.
void let_waiting_threads_sleep(char** arguments);

}  // namespace harmofl
