# SPDX-License-Identifier: Apache-2.0
"""What tools/study.py is made of: experiments as data, the plan of runs, their data, the driver, what is
collected."""
