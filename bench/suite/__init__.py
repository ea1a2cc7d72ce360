"""The benchmarks behind bench/run.sh: a module for each family of figures."""
