# SPDX-License-Identifier: Apache-2.0
"""The benchmarks behind bench/run.sh: a module for each family of figures."""
