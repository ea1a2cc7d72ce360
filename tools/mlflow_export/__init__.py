# SPDX-License-Identifier: Apache-2.0
"""What tools/to_mlflow.py is made of."""
